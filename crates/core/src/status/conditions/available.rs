//! Whether as many nodes serve clients as the spec wants.

use super::{Condition, ConditionType};
use crate::desired::Desired;
use crate::reason::Reason;
use crate::world::World;

pub(super) fn available(desired: &Desired, world: &World) -> Condition {
    let replicants = desired.replicants_wanted();
    let (pool, wanted, noun) = if replicants > 0 {
        (&world.replicants, replicants, "replicant")
    } else {
        (&world.cores, desired.cores.replicas, "core")
    };
    let available = pool.available();
    let enough = available >= wanted;
    let reason = match (replicants > 0, enough) {
        (true, true) => Reason::ReplicantPodsAvailable,
        (true, false) => Reason::ReplicantPodsUnavailable,
        (false, true) => Reason::CorePodsAvailable,
        (false, false) => Reason::CorePodsUnavailable,
    };
    Condition::new(ConditionType::Available, enough, reason, format!("{available}/{wanted} {noun} pods available"))
}
