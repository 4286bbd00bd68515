//! A simulated cluster: Kubernetes with its controllers, EMQX nodes with clients and shards, and everything that goes
//! wrong in between. The decisions under test are the real ones; only the world is made up.
//!
//! A [`history`] is a random sequence of events. Planning and executing are separate events, so plans are executed late,
//! in part, or not at all, as when the operator is killed. After every event the [`invariants`] must hold; at the end the
//! weather is calm, and the cluster must become what the spec says.

mod beside;
mod emqx;
pub mod history;
mod invariants;
mod kubernetes;
mod operator;
mod sim;
mod spec;
mod view;

pub use history::{Failure, Tally, run};
