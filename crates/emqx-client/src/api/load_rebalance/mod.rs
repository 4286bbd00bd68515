//! `/load_rebalance` and `/node_eviction`: emptying nodes and spreading clients. Not in the open source edition up to
//! 5.8; find out with [`Client::probe`](crate::Client::probe).

mod availability;
mod evacuation;
mod global;
mod local;
mod rebalance;

pub use availability::{Availability, GetAvailability};
pub use evacuation::{Evacuation, EvacuationState, EvictionStats, StartEvacuation, StopEvacuation};
pub use global::{GetGlobalStatus, GlobalStatus};
pub use local::{EvictionCounts, GetLocalStatus, GetNodeEviction, LocalStatus, NodeEviction, Process, Switch};
pub use rebalance::{Rebalance, RebalanceStart, RebalanceState, StartRebalance, StopRebalance};
