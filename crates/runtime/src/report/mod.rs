//! What users are told: status, events, metrics.

mod events;
mod metrics;
mod status;

pub use events::announce;
pub use metrics::{Figures, KubernetesRequests, Metrics, Outcome, Queue};
pub use status::{Written, write};
