//! Status, events and metrics for users.

mod events;
mod metrics;
mod status;

pub use events::announce;
pub use metrics::{ClusterMetrics, KubernetesRequests, Metrics, Outcome, Queue};
pub use status::{Written, write};
