//! A core whose volume was replaced by an empty one, while EMQX remembers the old one under its name. With durable storage
//! EMQX does not let it in, and it crash-loops, until its old site holds no shard and is forgotten. `durable_storage.rs` gives
//! the shards other homes; this file says what is lost, and has the site forgotten.
//!
//! A site that is down is no proof. So which claim held which site is written down on the core set while all is well: a
//! volume is lost when its claim is another object now, and the site still is not up some time after.

use super::fleet::Fleet;
use super::{Part, Wake, marks};
use crate::action::{Action, Call, Stage};
use crate::planted::{Bug, planted};
use crate::reason::Reason;
use crate::world::{Claim, Node, NodeSet, Site, Storage, VolumeSite, World};
use emqx_operator_api::annotation::VOLUME_SITES;
use jiff::SignedDuration;
use std::collections::BTreeMap;

/// A volume that somebody restored has its old site, and shows it within this time.
const BOOT: SignedDuration = SignedDuration::from_secs(90);

pub(super) fn plan(fleet: &Fleet<'_>) -> Part {
    let mut part = Part::default();
    let Some(storage) = fleet.world.broker.fresh().and_then(|broker| broker.storage.fresh()) else { return part };
    if storage.databases.is_empty() {
        return part;
    }
    for set in &fleet.world.cores.sets {
        remember(&mut part, fleet, storage, set);
        for (pod, site) in lost_of(fleet, storage, set) {
            cure(&mut part, fleet, storage, pod, site);
        }
    }
    part
}

/// Pods whose volume was lost.
pub(super) fn lost<'a>(fleet: &Fleet<'a>, storage: &'a Storage) -> Vec<&'a str> {
    let sets = fleet.world.cores.sets.iter();
    sets.flat_map(|set| lost_of(fleet, storage, set)).map(|(pod, _)| pod).collect()
}

/// The pods and the sites of their old volumes.
fn lost_of<'a>(fleet: &Fleet<'a>, storage: &'a Storage, set: &'a NodeSet) -> Vec<(&'a str, &'a str)> {
    let world = fleet.world;
    let is_lost = |pod: &str, home: &VolumeSite| {
        let replaced = claim_of(world, set, pod)
            .is_some_and(|claim| claim.uid != home.claim && world.now.duration_since(claim.created) >= BOOT)
            || planted(Bug::ForgetUnproven);
        let node = fleet.desired.names.core_node(pod);
        let remembered = storage.sites.get(&home.site).is_some_and(|Site { node: on, up }| *on == node && !up);
        replaced && remembered
    };
    let homes = set.volume_sites.iter().filter(|(pod, home)| is_lost(pod, home));
    homes.map(|(pod, home)| (pod.as_str(), home.site.as_str())).collect()
}

fn claim_of<'a>(world: &'a World, set: &'a NodeSet, pod: &str) -> Option<&'a Claim> {
    let number: i32 = pod.rsplit_once('-')?.1.parse().ok()?;
    world.claims_of(&set.name).find(|claim| claim.ordinal == number && !claim.terminating)
}

/// Writes down which claim holds which site, of all that serve. What is known of the others stays, as long as they have a
/// claim at all.
fn remember(part: &mut Part, fleet: &Fleet<'_>, storage: &Storage, set: &NodeSet) {
    let known = set.volume_sites.iter().filter(|(pod, _)| claim_of(fleet.world, set, pod).is_some());
    let mut sites: BTreeMap<_, _> = known.map(|(pod, home)| (pod.clone(), home.clone())).collect();
    let serves = |node: &&Node| node.is_member() && !node.terminating;
    for node in fleet.world.cores.of_set(&set.name).filter(serves) {
        let site = node.name.as_ref().and_then(|name| storage.site_of(name)).filter(|site| storage.sites[*site].up);
        if let (Some(site), Some(claim)) = (site, claim_of(fleet.world, set, &node.pod)) {
            let home = VolumeSite { claim: claim.uid.clone(), site: site.to_owned() };
            sites.insert(node.pod.clone(), home);
        }
    }
    if sites != set.volume_sites {
        let text = (!sites.is_empty()).then(|| VolumeSite::write(&sites));
        part.actions.push(marks::annotate_set(set, VOLUME_SITES, text, Stage::Marks));
    }
}

fn cure(part: &mut Part, fleet: &Fleet<'_>, storage: &Storage, pod: &str, site: &str) {
    // As long as the node is in the cluster EMQX hopes that its site comes back. The crash-looping core joins at every start,
    // so this may have to be said again.
    let node = fleet.desired.names.core_node(pod);
    let listed = fleet.world.broker.fresh().and_then(|broker| broker.nodes.get(&node));
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
