//! One snapshot per reconcile. Kubernetes comes from the watches, EMQX is asked only for what the reconcile needs, and an answer
//! that failed stays unknown.

mod bounds;
mod broker;
mod references;
mod set_events;
mod storage;
#[cfg(test)]
mod tests;

pub use broker::{broker, credentials, endpoint};
pub use references::{ReferenceCache, ReferenceKey, references};
pub use set_events::{SetEvents, set_events};
