//! One node in a pod, under the names and paths of the real image: entrypoint, `emqx foreground`, `emqx ctl`.

mod ctl;
mod name;
mod rebalance;
mod run;

pub use ctl::ask as ctl;
pub use name::node_name;
pub use run::{Pod, foreground};
