//! The client against servers on loopback: recorded brokers, and servers that misbehave.

// A test that cannot go on panics; helpers of tests count as code otherwise.
#![allow(clippy::unwrap_used)]

mod failover;
mod feature;
mod hostile;
mod properties;
mod recordings;
mod secrets;
mod server;
mod tls;
mod tolerance;
mod wire;
