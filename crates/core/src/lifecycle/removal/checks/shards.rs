//! No shard is lost. A node that goes for good holds none; for a node that restarts, all other copies of its shards must be up.
//!
//! *Why the fact is stable:* only the operator places shards, and a plan that moves shards removes no node.

use crate::desired::NodeName;
use crate::lifecycle::removal::how::How;
use crate::lifecycle::removal::request::{RemovalRequest, Verdict};
use crate::planted::{Bug, planted};
use crate::reason::Reason;
use crate::world::{Broker, Reading, ReplicaState, Storage, Why};

pub(in crate::lifecycle) fn check(request: &RemovalRequest<'_, '_>, broker: &Broker) -> Verdict {
    if planted(Bug::SkipShards) {
        return Verdict::Pass;
    }
    if request.removal.role == crate::desired::Role::Replicant {
        return replicant(request, broker);
    }
    let storage = match &broker.storage {
        Reading::Fresh(storage) => storage,
        Reading::Off => return Verdict::Pass,
        Reading::Unavailable(Why::NoAnswer(text)) => {
            let text = format!("stays, because EMQX cannot be asked about its shards: {text}");
            return Verdict::Hold(request.hold(Reason::RequestFailed, text));
        }
        Reading::Unavailable(Why::LockedOut { text, .. }) => {
            let text = format!("stays, because EMQX cannot be asked about its shards: {text}");
            return Verdict::Hold(request.hold(Reason::NoRequester, text));
        }
        // The next pass asks.
        Reading::Unavailable(Why::NobodyToAsk | Why::NotAsked) => {
            let text = "stays until EMQX has been asked about its shards";
            return Verdict::Hold(request.hold(Reason::DSReplicationProgressing, text));
        }
    };
    let Some(site) = name(request).and_then(|name| storage.site_of(&name)) else { return Verdict::Pass };
    let held = match &request.removal.how {
        How::ScaleIn { .. } => holds_shards(storage, site),
        How::Recreate => others_behind(storage, site),
    };
    match held {
        Some(text) => Verdict::Hold(request.hold(Reason::DSReplicationProgressing, text)),
        None => Verdict::Pass,
    }
}

/// A core whose pod is being recreated keeps its volume.
fn name(request: &RemovalRequest<'_, '_>) -> Option<NodeName> {
    match (&request.removal.how, request.removal.node) {
        (_, Some(node)) => node.name.clone(),
        (How::ScaleIn { set, to, .. }, None) => {
            Some(request.topology.desired.names.core_node(&format!("{}-{to}", set.name)))
        }
        (How::Recreate, None) => None,
    }
}

/// Replicants hold shards only if EMQX put them there at its first allocation. One that was started before durable storage was
/// switched on has none to give away: EMQX takes it for a holder, and only its replacement can answer.
fn replicant(request: &RemovalRequest<'_, '_>, broker: &Broker) -> Verdict {
    let wanted = &request.topology.desired.config.startup_revision;
    if request.removal.node.is_some_and(|node| node.startup_revision != *wanted) {
        return Verdict::Pass;
    }
    let site = broker.storage.fresh().and_then(|storage| {
        let site = storage.site_of(request.removal.node?.name.as_ref()?)?;
        holds_shards(storage, site)
    });
    match site {
        Some(text) => Verdict::Hold(request.hold(Reason::DSReplicationProgressing, text)),
        None => Verdict::Pass,
    }
}

fn holds_shards(storage: &Storage, site: &str) -> Option<String> {
    let shards = storage.shards_on(site);
    (shards > 0).then(|| format!("still holds {shards} shards of durable storage"))
}

fn others_behind(storage: &Storage, site: &str) -> Option<String> {
    if storage.is_moving() {
        return Some("waits for durable storage to finish moving shards".to_owned());
    }
    let behind = storage.shards().filter(|shard| {
        let mine = shard.replicas.contains_key(site);
        mine && shard.replicas.iter().any(|(other, state)| other != site && *state != ReplicaState::Up)
    });
    let behind = behind.count();
    (behind > 0).then(|| format!("waits until the other copies of {behind} of its shards are up"))
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::lifecycle::removal::request::{RemovalRequest, Verdict};
    use crate::lifecycle::scene::world;
    use crate::world::{Reading, Why};

    fn said(request: &RemovalRequest<'_, '_>) -> Verdict {
        check(request, request.topology.world.broker.fresh().expect("EMQX answers"))
    }

    #[test]
    fn no_shard_is_lost() {
        let rows = [
            ("no durable storage", world().cores(3).scale_in("iot-core-2", said), "passes"),
            (
                "all copies are up, and it comes back",
                world().cores(3).shard(0..3).recreate("iot-core-2", said),
                "passes",
            ),
            (
                "it goes for good, and holds a copy",
                world().cores(3).shard(0..3).scale_in("iot-core-2", said),
                "still holds 1 shards",
            ),
            ("it goes for good, and holds none", world().cores(3).shard(0..2).scale_in("iot-core-2", said), "passes"),
            (
                "it goes for good, and is to get a copy",
                world().cores(3).shard(0..2).copy_is_joining(2).scale_in("iot-core-2", said),
                "still holds 1 shards",
            ),
            (
                "another copy is not up",
                world().cores(3).shard(0..3).copy_is_down(0).recreate("iot-core-2", said),
                "waits until the other copies of 1",
            ),
            (
                "its own copy is not up",
                world().cores(3).shard(0..3).copy_is_down(2).recreate("iot-core-2", said),
                "passes",
            ),
            (
                "shards are on their way",
                world().cores(3).shard(0..2).copy_is_joining(2).recreate("iot-core-2", said),
                "finish moving shards",
            ),
            (
                "EMQX does not answer",
                world()
                    .cores(3)
                    .storage(Reading::Unavailable(Why::NoAnswer("timeout".to_owned())))
                    .recreate("iot-core-2", said),
                "RequestFailed: ",
            ),
            (
                "EMQX has not been asked",
                world().cores(3).storage(Reading::Unavailable(Why::NotAsked)).recreate("iot-core-2", said),
                "until EMQX has been asked",
            ),
        ];
        for (what, says, expected) in rows {
            assert!(says.contains(expected), "{what}: {says}");
        }
    }
}
