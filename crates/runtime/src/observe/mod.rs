//! One snapshot per pass. Kubernetes comes from the watches, EMQX is asked for no more than the pass needs, and what
//! cannot be had is said to be missing.

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
