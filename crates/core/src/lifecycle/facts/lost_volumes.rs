//! Which cores have lost their volume, while EMQX remembers the old one under their name.

use super::topology::Topology;
use crate::desired::Role;
use crate::planted::{Bug, planted};
use crate::world::{Claim, Node, NodeSet, Site, Storage, VolumeSite, World};
use jiff::SignedDuration;
use std::collections::BTreeMap;

/// A volume that a user has restored has its old site, and EMQX lists the site as up within this time.
const BOOT: SignedDuration = SignedDuration::from_secs(90);

/// Pods whose volume was lost.
pub(in crate::lifecycle) fn lost<'a>(topology: &Topology<'a>, storage: &'a Storage) -> Vec<&'a str> {
    let sets = topology.world.cores.sets.iter();
    sets.flat_map(|set| lost_of(topology, storage, set)).map(|(pod, _)| pod).collect()
}

/// Cores that EMQX did not let in, and does now. Kubernetes lets a pod that has crashed again and again wait for minutes.
pub(in crate::lifecycle) fn let_in<'a>(topology: &Topology<'a>) -> Vec<&'a Node> {
    let Some(storage) = topology.world.broker.fresh().and_then(|broker| broker.storage.fresh()) else {
        return Vec::new();
    };
    let waits = |core: &&Node| core.is_down() && conflicts(core) && site_of(storage, core).is_none();
    topology.present(Role::Core).filter(waits).collect()
}

/// The site that EMQX knows under the name of a core.
pub(in crate::lifecycle) fn site_of<'a>(storage: &'a Storage, core: &Node) -> Option<&'a str> {
    core.name.as_ref().and_then(|name| storage.site_of(name))
}

fn conflicts(core: &Node) -> bool {
    core.issue.as_ref().is_some_and(|wait| wait.text.contains(CONFLICT))
}

/// EMQX ends with this word where a core comes with another site than the one that is known under its name.
const CONFLICT: &str = "conflicting_node_site";

/// The pods and the sites of their old volumes.
pub(in crate::lifecycle) fn lost_of<'a>(
    topology: &Topology<'a>,
    storage: &'a Storage,
    set: &'a NodeSet,
) -> Vec<(&'a str, &'a str)> {
    let world = topology.world;
    let is_lost = |pod: &str, home: &VolumeSite| {
        let replaced = claim_of(world, set, pod)
            .is_some_and(|claim| claim.uid != home.claim && world.now.duration_since(claim.created) >= BOOT)
            || planted(Bug::ForgetUnproven);
        let node = topology.desired.names.core_node(pod);
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

pub(in crate::lifecycle) fn claim_of<'a>(world: &'a World, set: &'a NodeSet, pod: &str) -> Option<&'a Claim> {
    let number = number_of(pod)?;
    world.claims_of(&set.name).find(|claim| claim.ordinal == number && !claim.terminating)
}

pub(in crate::lifecycle) fn number_of(pod: &str) -> Option<i32> {
    pod.rsplit_once('-')?.1.parse().ok()
}
