//! What the cores say about the cluster, each for itself. One core's view is not the cluster's: a core may be a cluster of its
//! own, and one that lags behind does not list every node yet.

use super::BrokerNode;
use crate::desired::NodeName;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// The nodes that one core lists.
pub type View = BTreeMap<NodeName, BrokerNode>;

/// Where the views of the cores differ.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Disagreement {
    /// Cores that are clusters of their own, or of another one, with what each of them lists.
    pub apart: BTreeMap<NodeName, View>,
    /// Nodes of the cluster that one of its cores does not list as running, by core.
    pub unseen: BTreeMap<NodeName, BTreeSet<NodeName>>,
}

/// The core whose view counts for the cluster, and where the others differ. `None` without views.
///
/// Two cores are of one cluster if either lists the other as running. Of several clusters the one with most cores counts, then
/// the one with most nodes, then the one whose core comes first.
pub fn agree(views: &[(NodeName, View)]) -> Option<(usize, Disagreement)> {
    let running: Vec<BTreeSet<&NodeName>> = views.iter().map(|(_, view)| running(view)).collect();
    let groups = groups(views, &running);
    let nodes = |group: &[usize]| group.iter().flat_map(|index| &running[*index]).collect::<BTreeSet<_>>().len();
    let best = groups.iter().max_by_key(|group| (group.len(), nodes(group), std::cmp::Reverse(group[0])))?;
    // Its view is the fullest; of two alike, the one of the core that comes first.
    let spokesman = *best.iter().max_by_key(|index| (running[**index].len(), std::cmp::Reverse(**index)))?;
    let members: BTreeSet<&NodeName> = best.iter().flat_map(|index| running[*index].iter().copied()).collect();
    let mut disagreement = Disagreement::default();
    for (index, (core, view)) in views.iter().enumerate() {
        if best.contains(&index) {
            let unseen: BTreeSet<_> = members.difference(&running[index]).map(|name| (*name).clone()).collect();
            if !unseen.is_empty() {
                disagreement.unseen.insert(core.clone(), unseen);
            }
        } else {
            disagreement.apart.insert(core.clone(), view.clone());
        }
    }
    Some((spokesman, disagreement))
}

fn running(view: &View) -> BTreeSet<&NodeName> {
    view.iter().filter(|(_, node)| node.running).map(|(name, _)| name).collect()
}

/// The cores of each cluster, in their order.
fn groups(views: &[(NodeName, View)], running: &[BTreeSet<&NodeName>]) -> Vec<Vec<usize>> {
    let together = |a: usize, b: usize| running[a].contains(&views[b].0) || running[b].contains(&views[a].0);
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for index in 0..views.len() {
        let (mut mine, others): (Vec<_>, Vec<_>) =
            groups.into_iter().partition(|group| group.iter().any(|other| together(index, *other)));
        let mut group: Vec<usize> = mine.drain(..).flatten().collect();
        group.push(index);
        group.sort_unstable();
        groups = others;
        groups.push(group);
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::{View, agree};
    use crate::desired::NodeName;
    use crate::world::BrokerNode;

    fn name(name: &str) -> NodeName {
        NodeName(name.to_owned())
    }

    /// Running nodes, and with a minus those that have stopped.
    fn view(nodes: &str) -> View {
        let node = |text: &str| {
            let stopped = text.strip_prefix('-');
            let node = BrokerNode { running: stopped.is_none(), ..BrokerNode::default() };
            (name(stopped.unwrap_or(text)), node)
        };
        nodes.split_whitespace().map(node).collect()
    }

    /// The core whose view counts, cores apart, and who does not see whom.
    fn told(views: &[(&str, &str)]) -> (String, Vec<String>, Vec<String>) {
        let views: Vec<_> = views.iter().map(|(core, nodes)| (name(core), view(nodes))).collect();
        let (spokesman, told) = agree(&views).expect("views");
        let unseen =
            told.unseen.iter().flat_map(|(core, nodes)| nodes.iter().map(move |node| format!("{core}:{node}")));
        (views[spokesman].0.0.clone(), told.apart.keys().map(|name| name.0.clone()).collect(), unseen.collect())
    }

    /// The views, and what is told of them.
    type Row<'a> = (&'a [(&'a str, &'a str)], &'a str, &'a [&'a str], &'a [&'a str]);

    #[test]
    fn the_largest_cluster_counts() {
        let rows: &[Row<'_>] = &[
            (&[("a", "a b r"), ("b", "a b r")], "a", &[], &[]),
            // Each is a cluster of its own.
            (&[("a", "a"), ("b", "b"), ("c", "c")], "a", &["b", "c"], &[]),
            // The first one is not the cluster.
            (&[("a", "a"), ("b", "b c"), ("c", "b c")], "b", &["a"], &[]),
            (&[("a", "a -b -c"), ("b", "-a b c"), ("c", "-a b c")], "b", &["a"], &[]),
            // Two halves: the one with replicants.
            (&[("a", "a b"), ("b", "a b"), ("c", "c d r"), ("d", "c d r")], "c", &["a", "b"], &[]),
            // One lags behind, and is not apart for that.
            (&[("a", "a b"), ("b", "a b c"), ("c", "a b c")], "b", &[], &["a:c"]),
            (&[("a", "a"), ("b", "a b")], "b", &[], &["a:b"]),
            (&[("a", "a b r"), ("b", "a b -r")], "a", &[], &["b:r"]),
            // Two that do not see each other, and a third that sees both.
            (&[("a", "a c"), ("b", "b c"), ("c", "a b c")], "c", &[], &["a:b", "b:a"]),
        ];
        for (views, spokesman, apart, unseen) in rows {
            let (by, out, missing) = told(views);
            assert_eq!(
                (by.as_str(), &out[..], &missing[..]),
                (*spokesman, &owned(apart)[..], &owned(unseen)[..]),
                "{views:?}"
            );
        }
        assert_eq!(agree(&[]), None);
    }

    fn owned(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }
}
