//! A core whose volume was replaced by an empty one, while EMQX remembers the old one under its name. With durable storage
//! EMQX does not let it in, and it crash-loops, until its old site holds no shard and is forgotten. `durable_storage.rs` gives
//! the shards other homes; this file says what is lost, and has the site forgotten.
//!
//! A site that is down is no proof. So which claim held which site is written down on the core set while all is well: a
//! volume is lost when its claim is another object now, and the site still is not up some time after. EMQX goes on to list a
//! core that was killed, and its site, as running for some seconds, so a site is written down for another claim only when the
//! core of that claim has served for longer. A core that ends with EMQX's word for it has lost its volume whatever is written
//! down.

use crate::action::{Action, Call, Stage};
use crate::lifecycle::evacuation_owner;
use crate::lifecycle::facts::lost_volumes::{claim_of, lost_of, number_of, site_of};
use crate::lifecycle::facts::topology::Topology;
use crate::lifecycle::{Part, Wake};
use crate::reason::Reason;
use crate::world::{Node, NodeSet, Storage, VolumeSite};
use emqx_operator_api::annotation::VOLUME_SITES;
use jiff::SignedDuration;
use std::collections::BTreeMap;

/// EMQX lists a core that was killed, and a core with an empty volume runs between two crashes, for less.
const LISTED_AFTER_ITS_END: SignedDuration = SignedDuration::from_secs(15);

pub(in crate::lifecycle) fn plan(topology: &Topology<'_>) -> Part {
    let mut part = Part::default();
    let Some(storage) = topology.world.broker.fresh().and_then(|broker| broker.storage.fresh()) else { return part };
    if storage.databases.is_empty() {
        return part;
    }
    for set in &topology.world.cores.sets {
        remember(&mut part, topology, storage, set);
        for (pod, site) in lost_of(topology, storage, set) {
            cure(&mut part, topology, storage, pod, site);
        }
    }
    part
}

/// Writes down which claim holds which site, of all that serve. What is known of the others stays, as long as they have a
/// claim, or will have one again.
fn remember(part: &mut Part, topology: &Topology<'_>, storage: &Storage, set: &NodeSet) {
    let stays = |pod: &str| number_of(pod).is_some_and(|number| number < set.wanted);
    let known = set.volume_sites.iter().filter(|(pod, _)| stays(pod) || claim_of(topology.world, set, pod).is_some());
    let mut sites: BTreeMap<_, _> = known.map(|(pod, home)| (pod.clone(), home.clone())).collect();
    let serves = |node: &&Node| node.is_member() && !node.terminating;
    for node in topology.world.cores.of_set(&set.name).filter(serves) {
        let site = site_of(storage, node).filter(|site| storage.sites[*site].up);
        if let (Some(site), Some(claim)) = (site, claim_of(topology.world, set, &node.pod)) {
            let home = VolumeSite { claim: claim.uid.clone(), site: site.to_owned() };
            let replaced = sites.get(&node.pod).is_some_and(|known| known.claim != home.claim);
            if !replaced || has_served(topology, node) {
                sites.insert(node.pod.clone(), home);
            }
        }
    }
    if sites != set.volume_sites {
        let text = (!sites.is_empty()).then(|| VolumeSite::write(&sites));
        part.actions.push(evacuation_owner::annotate_set(set, VOLUME_SITES, text, Stage::Marks));
    }
}

/// For longer than EMQX lists a core that has ended.
fn has_served(topology: &Topology<'_>, node: &Node) -> bool {
    let since = node.running_since.filter(|_| node.ready);
    since.is_some_and(|since| topology.world.now.duration_since(since) >= LISTED_AFTER_ITS_END)
}

fn cure(part: &mut Part, topology: &Topology<'_>, storage: &Storage, pod: &str, site: &str) {
    // As long as the node is in the cluster EMQX hopes that its site comes back. The crash-looping core joins at every start,
    // so this may have to be said again.
    let node = topology.desired.names.core_node(pod);
    let listed = topology.world.broker.fresh().and_then(|broker| broker.nodes.get(&node));
    let leave = listed.filter(|member| !member.running).map(|_| Action::Call(Call::ForceLeave { node }));
    let held = storage.shards_on(site);
    let only = storage.shards().filter(|shard| shard.replicas.keys().all(|other| other == site)).count();
    let text = match (held, only) {
        (0, _) => {
            // A site of a member is only down for EMQX, and is not forgotten.
            part.actions
                .push(leave.unwrap_or_else(|| Action::Call(Call::ForgetSite { site: site.to_owned(), needed: true })));
            format!(
                "has an empty volume in place of the one of site {site}, which is being forgotten so that it can start"
            )
        }
        (_, 0) => {
            part.actions.extend(leave);
            format!(
                "has an empty volume in place of the one of site {site}; it can start when the {held} shards of that site have \
                 copies elsewhere"
            )
        }
        _ => format!(
            "has an empty volume in place of the one of site {site}, which held the only copy of {only} shards. Restore the \
             volume; or give them up with `emqx ctl ds forget {site}` on another core, and it starts without them"
        ),
    };
    part.hold(Reason::VolumeLost, pod, text, Wake::Poll(5));
}
