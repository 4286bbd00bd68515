//! What several rules need to know, each thing in one place. Facts are computed from what is wanted and what was seen; they know
//! no rule.

pub(in crate::lifecycle) mod config;
pub(in crate::lifecycle) mod license;
pub(in crate::lifecycle) mod listeners;
pub(in crate::lifecycle) mod locked_out;
pub(in crate::lifecycle) mod lost_volumes;
pub(in crate::lifecycle) mod old_core_sets;
mod probes;
pub(in crate::lifecycle) mod recreation;
pub(in crate::lifecycle) mod surge;
mod target_set;
pub(in crate::lifecycle) mod topology;
pub(in crate::lifecycle) mod upgrade;
mod upgrade_paths;
pub(in crate::lifecycle) mod versions;
