//! What brokers do when nodes come and go: the hard cases that real brokers were seen in. The clock is paused, so
//! waiting takes no time.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cold_start;
mod cut_network;
mod draining;
mod lost_volume;
mod orphan;
mod world;
