//! Real clients of both protocol versions against three brokers that reach each other in process. Then random histories
//! on a paused clock: whatever happens, no acknowledged message and no session is lost while the nodes live.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod clients;
mod cluster;
mod durable;
mod evacuation;
mod histories;
mod nodes;
mod sessions;
