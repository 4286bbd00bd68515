//! Where shards should live: on the sites of the cores that stay. Never placed on sites that are not up; while they are
//! on their way to where they should be, they are let alone.

use crate::action::{Action, Call};
use crate::desired::Role;
use crate::lifecycle::facts::lost_volumes;
use crate::lifecycle::facts::topology::Topology;
use crate::lifecycle::{Part, Wake};
use crate::planted::{Bug, planted};
use crate::reason::Reason;
use crate::text::few;
use crate::world::{Node, Shard, Storage};
use std::collections::BTreeSet;

pub(in crate::lifecycle) fn plan(topology: &Topology<'_>) -> Part {
    let mut part = Part::default();
    let Some(storage) = topology.world.broker.fresh().and_then(|broker| broker.storage.fresh()) else { return part };
    if storage.databases.is_empty() {
        return part;
    }
    let subject = topology.core_set.manifest.id.name.clone();
    if storage.is_moving() {
        part.hold(Reason::DSReplicationProgressing, subject.clone(), moving(topology, storage), Wake::Poll(5));
    }
    let Some(sites) = homes(topology, storage) else { return part };
    for (database, shards) in &storage.databases {
        if !shards.is_empty() && misplaced(shards, &sites) {
            let sites = sites.iter().map(|site| (*site).to_owned()).collect();
            part.actions.push(Action::Call(Call::PlaceShards { database: database.clone(), sites }));
            part.hold(
                Reason::DSReplicationProgressing,
                subject.clone(),
                format!("shards of {database} are being placed"),
                Wake::Poll(5),
            );
        }
    }
    part
}

/// Which shards are on their way, and where to. One that stays so for minutes hangs: EMQX tries again when the core of the site
/// starts.
fn moving(topology: &Topology<'_>, storage: &Storage) -> String {
    let pod = |site: &str| {
        let node = storage.sites.get(site).map(|site| &site.node);
        let core = topology.world.cores.nodes.iter().find(|core| core.name.as_ref() == node && node.is_some());
        core.map_or_else(|| format!("site {site}"), |core| format!("site {site} of {}", core.pod))
    };
    let steps = storage.databases.iter().flat_map(|(database, shards)| {
        shards.iter().flat_map(move |shard| {
            let to = shard.joining.iter().map(|site| (site, "to"));
            let from = shard.leaving.iter().map(|site| (site, "off"));
            to.chain(from).map(move |(site, way)| (format!("{database}/{} {way}", shard.id), site))
        })
    });
    let steps: Vec<_> = steps.map(|(step, site)| format!("{step} {}", pod(site))).collect();
    format!(
        "durable storage is moving shards: {}. Where one stays so for minutes, `emqx ctl ds info` in a core shows it, and \
         restarting the core of that site makes EMQX try again",
        few(&steps)
    )
}

/// The sites of the cores that stay, if all of them are there and up: a core that is just restarting keeps its shards. A core
/// without its volume comes back when the others have its shards.
fn homes<'s>(topology: &Topology<'_>, storage: &'s Storage) -> Option<BTreeSet<&'s str>> {
    let lost = lost_volumes::lost(topology, storage);
    let has_volume = |node: &&Node| !lost.contains(&node.pod.as_str());
    let here = |node: &&Node| !topology.may_be_on_its_way(node);
    let stays = |node: &&Node| (!topology.is_surplus(node) && here(node)) || planted(Bug::PlaceOnLeaving);
    let staying: Vec<_> = topology.present(Role::Core).filter(stays).collect();
    let complete = i32::try_from(staying.len()) == Ok(topology.wanted(Role::Core));
    let hasty = planted(Bug::PlaceWithoutWaiting) || planted(Bug::PlaceOnLeaving);

    let site = |node: &Node| storage.site_of(node.name.as_ref()?);
    let mut homes: Vec<_> = staying.into_iter().filter(has_volume).collect();
    if homes.is_empty() && !lost.is_empty() {
        // All that stay have lost theirs: those that are to leave keep the shards until one of them is back. One that has
        // never come up holds none, and may never come up.
        let has_site = |node: &&Node| site(node).is_some();
        homes = topology.present(Role::Core).filter(here).filter(has_volume).filter(has_site).collect();
    } else if !complete && !hasty {
        return None;
    }
    if homes.is_empty() {
        return None;
    }
    let is_up = |node: &Node, site: &str| node.is_member() && storage.sites[site].up;
    let up = |node: &Node| site(node).filter(|site| planted(Bug::PlaceWithoutWaiting) || is_up(node, site));
    homes.into_iter().map(up).collect()
}

/// A shard is elsewhere or on its way there, or a site that should carry its share has none.
fn misplaced(shards: &[Shard], sites: &BTreeSet<&str>) -> bool {
    let used: BTreeSet<_> = shards.iter().flat_map(Shard::target).collect();
    let copies = shards.iter().map(|shard| shard.target().len()).max().unwrap_or(0);
    let enough_for_all = shards.len() * copies >= sites.len();
    !used.is_subset(sites) || (enough_for_all && used != *sites)
}

#[cfg(test)]
mod tests {
    use super::plan;
    use crate::lifecycle::scene::world;
    use crate::world::NodeState;

    #[test]
    fn shards_are_on_the_cores_that_stay() {
        let rows = [
            ("all are where they should be", world().cores(3).shard(0..3).rule(plan), "nothing"),
            ("no durable storage", world().cores(3).rule(plan), "nothing"),
            (
                "a core that is to go has a copy",
                world().cores(3).wants_cores(2).shard([1, 2]).rule(plan),
                "place shards of messages on iot-core-0, iot-core-1",
            ),
            (
                "they are on their way there",
                world().cores(3).wants_cores(2).shard([1]).copy_is_joining(0).rule(plan),
                "is moving shards",
            ),
            (
                "a core that stays does not run",
                world()
                    .cores(3)
                    .wants_cores(2)
                    .shard([1, 2])
                    .state("iot-core-0", NodeState::Crashed { served: true })
                    .rule(plan),
                "nothing",
            ),
        ];
        for (what, says, expected) in rows {
            assert!(says.contains(expected), "{what}: {says}");
        }
    }
}
