//! Cores that are ready and no part of the cluster, and cores that do not list all of it yet.
//!
//! *Decides* nothing: EMQX joins and heals by itself, or cannot. *Holds* what users have to know: a message that is published at
//! one cluster reaches no client of the other.

use crate::desired::{NodeName, Role};
use crate::lifecycle::facts::topology::Topology;
use crate::lifecycle::{Part, Wake};
use crate::reason::Reason;
use crate::text::few;
use crate::world::{Node, View};
use jiff::SignedDuration;

/// A core that has just booted is ready for seconds before it finds the others.
const JOINS_WITHIN: SignedDuration = SignedDuration::from_secs(20);

pub(in crate::lifecycle) fn plan(topology: &Topology<'_>) -> Part {
    let mut part = Part::default();
    let Some(broker) = topology.world.broker.fresh() else { return part };
    for core in topology.present(Role::Core).filter(|core| core.is_ready()) {
        let Some(name) = &core.name else { continue };
        if let Some(view) = topology.view_of_apart(core) {
            apart(&mut part, topology, core, name, view);
        } else if let Some(unseen) = broker.disagreement.unseen.get(name) {
            let unseen: Vec<_> = unseen.iter().map(|name| name.0.as_str()).collect();
            let detail = format!("does not list {} yet", few(&unseen));
            part.hold(Reason::Starting, &core.pod, detail, Wake::Poll(2));
        }
    }
    part
}

fn apart(part: &mut Part, topology: &Topology<'_>, core: &Node, name: &NodeName, view: &View) {
    let joins = core.running_since.is_some_and(|since| topology.world.now.duration_since(since) < JOINS_WITHIN);
    if joins {
        part.hold(Reason::Starting, &core.pod, "has started and has yet to join the EMQX cluster", Wake::Poll(2));
        return;
    }
    let others = view.iter().filter(|(other, node)| node.running && *other != name);
    let others: Vec<_> = others.map(|(other, _)| other.0.as_str()).collect();
    let lists = match others[..] {
        [] => "lists itself alone".to_owned(),
        _ => format!("lists {} beside itself", few(&others)),
    };
    let detail = format!(
        "is ready and no part of the EMQX cluster: it {lists}, and the other cores do not list it. Messages do not pass between \
         the two. Check that pods reach each other on ports 4370 and 5369, and that DNS answers for SRV {}; a core looks for the \
         others when it starts: `kubectl delete pod {}` (its in-memory sessions end)",
        topology.desired.names.discovery_name(),
        core.pod
    );
    part.hold(Reason::SplitCluster, &core.pod, detail, Wake::Poll(5));
}
