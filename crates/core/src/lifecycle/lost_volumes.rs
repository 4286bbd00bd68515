//! A core whose volume was replaced by an empty one, while EMQX remembers the old one under its name. With durable storage
//! EMQX does not let it in, and it crash-loops, until its old site holds no shard and is forgotten. `durable_storage.rs` gives
//! the shards other homes; this file says what is lost, and has the site forgotten.
//!
//! A site that is down is no proof. So which claim held which site is written down on the core set while all is well: a
//! volume is lost when its claim is another object now, and the site still is not up some time after. EMQX goes on to list a
//! core that was killed, and its site, as running for some seconds, so a site is written down for another claim only when the
//! core of that claim has served for longer. A core that ends with EMQX's word for it has lost its volume whatever is written
//! down.

use super::fleet::Fleet;
use super::{Part, Wake, marks};
use crate::action::{Action, Call, Stage};
use crate::desired::Role;
use crate::planted::{Bug, planted};
use crate::reason::Reason;
use crate::world::{Claim, Node, NodeSet, Site, Storage, VolumeSite, World};
use emqx_operator_api::annotation::VOLUME_SITES;
use jiff::SignedDuration;
use std::collections::BTreeMap;

/// A volume that somebody restored has its old site, and shows it within this time.
const BOOT: SignedDuration = SignedDuration::from_secs(90);

/// EMQX lists a core that was killed, and a core with an empty volume runs between two crashes, for less.
const LISTED_AFTER_ITS_END: SignedDuration = SignedDuration::from_secs(15);

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

/// Cores that EMQX did not let in, and does now. Kubernetes lets one that has crashed again and again wait for minutes.
pub(super) fn let_in<'a>(fleet: &Fleet<'a>) -> Vec<&'a Node> {
    let Some(storage) = fleet.world.broker.fresh().and_then(|broker| broker.storage.fresh()) else { return Vec::new() };
    let waits = |core: &&Node| core.is_down() && conflicts(core) && site_of(storage, core).is_none();
    fleet.present(Role::Core).filter(waits).collect()
}

/// The site that EMQX knows under the name of a core.
fn site_of<'a>(storage: &'a Storage, core: &Node) -> Option<&'a str> {
    core.name.as_ref().and_then(|name| storage.site_of(name))
}

fn conflicts(core: &Node) -> bool {
    core.wait.as_ref().is_some_and(|wait| wait.text.contains(CONFLICT))
}

/// EMQX ends with this word where a core comes with another site than the one that is known under its name.
const CONFLICT: &str = "conflicting_node_site";

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
    let mut lost: BTreeMap<&str, &str> = homes.map(|(pod, home)| (pod.as_str(), home.site.as_str())).collect();
    for core in world.cores.of_set(&set.name) {
        if let Some(site) = site_of(storage, core).filter(|site| conflicts(core) && !storage.sites[*site].up) {
            lost.insert(&core.pod, site);
        }
    }
    lost.into_iter().collect()
}

fn claim_of<'a>(world: &'a World, set: &'a NodeSet, pod: &str) -> Option<&'a Claim> {
    let number = number_of(pod)?;
    world.claims_of(&set.name).find(|claim| claim.ordinal == number && !claim.terminating)
}

fn number_of(pod: &str) -> Option<i32> {
    pod.rsplit_once('-')?.1.parse().ok()
}

/// Writes down which claim holds which site, of all that serve. What is known of the others stays, as long as they have a
/// claim, or will have one again.
fn remember(part: &mut Part, fleet: &Fleet<'_>, storage: &Storage, set: &NodeSet) {
    let stays = |pod: &str| number_of(pod).is_some_and(|number| number < set.wanted);
    let known = set.volume_sites.iter().filter(|(pod, _)| stays(pod) || claim_of(fleet.world, set, pod).is_some());
    let mut sites: BTreeMap<_, _> = known.map(|(pod, home)| (pod.clone(), home.clone())).collect();
    let serves = |node: &&Node| node.is_member() && !node.terminating;
    for node in fleet.world.cores.of_set(&set.name).filter(serves) {
        let site = site_of(storage, node).filter(|site| storage.sites[*site].up);
        if let (Some(site), Some(claim)) = (site, claim_of(fleet.world, set, &node.pod)) {
            let home = VolumeSite { claim: claim.uid.clone(), site: site.to_owned() };
            let replaced = sites.get(&node.pod).is_some_and(|known| known.claim != home.claim);
            if !replaced || has_served(fleet, node) {
                sites.insert(node.pod.clone(), home);
            }
        }
    }
    if sites != set.volume_sites {
        let text = (!sites.is_empty()).then(|| VolumeSite::write(&sites));
        part.actions.push(marks::annotate_set(set, VOLUME_SITES, text, Stage::Marks));
    }
}

/// For longer than EMQX lists a core that has ended.
fn has_served(fleet: &Fleet<'_>, node: &Node) -> bool {
    let since = node.running_since.filter(|_| node.ready);
    since.is_some_and(|since| fleet.world.now.duration_since(since) >= LISTED_AFTER_ITS_END)
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
