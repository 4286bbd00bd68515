//! What users are told: status, events, metrics.

mod events;
mod metrics;
mod status;

pub use events::announce;
pub use metrics::{Metrics, Result as ReconcileResult};
pub use status::{Written, write};
