//! Cores that are ready and no part of the cluster, and cores that do not list all of it yet.
//!
//! *Decides* nothing: EMQX joins and heals by itself, or cannot. *Holds* what users have to know: a message that is published at
//! one cluster reaches nobody at the other.

use super::fleet::Fleet;
use super::{Part, Wake};
use crate::desired::{NodeName, Role};
use crate::reason::Reason;
use crate::world::{Node, View};
use jiff::SignedDuration;

/// A core that has just booted is ready for seconds before it finds the others.
const JOINS_WITHIN: SignedDuration = SignedDuration::from_secs(20);
/// More names tell nothing new.
const SHOWN: usize = 3;

pub(super) fn plan(fleet: &Fleet<'_>) -> Part {
    let mut part = Part::default();
    let Some(broker) = fleet.world.broker.fresh() else { return part };
    for core in fleet.present(Role::Core).filter(|core| core.ready) {
        let Some(name) = &core.name else { continue };
        if let Some(view) = broker.disagreement.apart.get(name) {
            apart(&mut part, fleet, core, name, view);
        } else if let Some(unseen) = broker.disagreement.unseen.get(name) {
            let detail = format!("does not list {} yet", shown(unseen.iter()));
            part.hold(Reason::Starting, &core.pod, detail, Wake::Poll(2));
        }
    }
    part
}

fn apart(part: &mut Part, fleet: &Fleet<'_>, core: &Node, name: &NodeName, view: &View) {
    let joins = core.running_since.is_some_and(|since| fleet.world.now.duration_since(since) < JOINS_WITHIN);
    if joins {
        part.hold(Reason::Starting, &core.pod, "has started and has yet to join the EMQX cluster", Wake::Poll(2));
        return;
    }
    let mut others =
        view.iter().filter(|(other, node)| node.running && *other != name).map(|(other, _)| other).peekable();
    let lists = match others.peek() {
        Some(_) => format!("lists {} beside itself", shown(others)),
        None => "lists itself alone".to_owned(),
    };
    let detail = format!(
        "is ready and no part of the EMQX cluster: it {lists}, and the other cores do not list it. Messages do not pass between \
         the two. Check that pods reach each other on ports 4370 and 5369, and that DNS answers for SRV {}; a core looks for the \
         others when it starts: `kubectl delete pod {}` (its in-memory sessions end)",
        fleet.desired.names.discovery_name(),
        core.pod
    );
    part.hold(Reason::SplitCluster, &core.pod, detail, Wake::Poll(5));
}

fn shown<'n>(names: impl Iterator<Item = &'n NodeName>) -> String {
    let all: Vec<_> = names.map(|name| name.0.as_str()).collect();
    let more = all.len().saturating_sub(SHOWN);
    let first = all[..all.len() - more].join(", ");
    if more > 0 { format!("{first} and {more} more") } else { first }
}
