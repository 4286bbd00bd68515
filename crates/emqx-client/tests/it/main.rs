//! The client against servers on loopback: recorded brokers, and servers that misbehave.

mod candidates;
mod feature;
mod properties;
mod recordings;
mod secrets;
mod server;
mod tls;
mod tolerance;
mod wire;
