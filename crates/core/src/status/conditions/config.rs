//! Whether the configuration of the spec is active.

use super::{Condition, ConditionType};
use crate::desired::Desired;
use crate::lifecycle::{left_config, running_config_revision};
use crate::reason::Reason;
use crate::world::World;

pub(super) fn applied(desired: &Desired, world: &World) -> Condition {
    let kind = ConditionType::ConfigApplied;
    let config = &desired.config;
    if world.cores.ready() == 0 && world.replicants.ready() == 0 && world.broker.fresh().is_none() {
        let text = "The first nodes have not read the configuration yet";
        return Condition::new(kind, false, Reason::PendingInitialStartup, text);
    }
    let running = running_config_revision(desired, world);
    if let Some(refusal) = world.config_refused.as_ref().filter(|_| running.as_ref() != Some(&config.runtime_revision))
    {
        return rejected(&refusal.text);
    }
    let old = world.nodes().filter(|node| node.is_ready() && node.startup_revision != config.startup_revision);
    let old: Vec<_> = old.map(|node| node.pod.as_str()).collect();
    if !old.is_empty() {
        let text = format!("Configuration roots require rolling restart of {}", old.join(", "));
        return Condition::new(kind, false, Reason::StartupConfigPending, text);
    }
    if running.as_ref() != Some(&config.runtime_revision) {
        let text = "The new runtime configuration has not reached the running nodes yet";
        return Condition::new(kind, false, Reason::PendingAvailability, text);
    }
    let left = left_config(desired, world);
    if !left.is_empty() {
        let text = format!(
            "Desired configuration is active; EMQX keeps its values of {left}, which the operator does not reset"
        );
        return Condition::new(kind, true, Reason::Applied, text);
    }
    Condition::new(kind, true, Reason::Applied, "Desired configuration is active")
}

/// EMQX refused the configuration; the previous configuration stays active.
pub(super) fn rejected(refusal: &str) -> Condition {
    let text = format!("Runtime configuration rejected by EMQX API: {refusal}");
    Condition::new(ConditionType::ConfigApplied, false, Reason::ConfigRejected, text)
}
