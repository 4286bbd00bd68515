//! A simulator of EMQX brokers: what an operator sees of them, without Erlang.
//!
//! [`node::Node`] is one broker with its volume; nodes talk through [`rpc::Peers`] as Erlang nodes do. The HTTP API is a
//! function from [`http::Call`] to [`http::Reply`]; [`http::serve`] puts it on sockets. Tests start nodes with
//! [`local::Network`]; pods run the same node through `pod`.

pub mod admin;
pub mod clients;
pub mod cluster_state;
pub mod config;
mod evacuation;
pub mod faults;
pub mod http;
mod license;
pub mod local;
pub mod mqtt;
mod mqtt_clients;
mod mqtt_listeners;
pub mod node;
pub mod pod;
mod rebalance;
pub mod rpc;
mod storage;
pub mod timings;
pub mod volume;
