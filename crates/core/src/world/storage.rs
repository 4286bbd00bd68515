//! Durable storage: which volumes hold which shards.

use crate::desired::NodeName;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Sites and databases as EMQX lists them.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Storage {
    /// By id. A site is a volume, known under the name of the node that last ran on it.
    pub sites: BTreeMap<String, Site>,
    /// Open databases with their shards.
    pub databases: BTreeMap<String, Vec<Shard>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Site {
    pub node: NodeName,
    /// Whether the node runs in the cluster.
    pub up: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Shard {
    /// As EMQX names it: a number.
    pub id: String,
    /// By site.
    pub replicas: BTreeMap<String, ReplicaState>,
    /// Sites that are to get a replica. Always empty before 5.9.
    pub joining: BTreeSet<String>,
    /// Sites whose replica is to go. Always empty before 5.9.
    pub leaving: BTreeSet<String>,
}

impl Shard {
    /// Where it will be when nothing is on its way any more, as far as EMQX tells.
    pub fn target(&self) -> BTreeSet<&str> {
        let stays = |site: &&String| !self.leaving.contains(*site);
        self.replicas.keys().filter(stays).chain(&self.joining).map(String::as_str).collect()
    }

    pub fn is_moving(&self) -> bool {
        !(self.joining.is_empty() && self.leaving.is_empty())
    }
}

/// The site that the volume of a claim holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VolumeSite {
    /// The uid of the claim.
    pub claim: String,
    pub site: String,
}

impl VolumeSite {
    /// By pod, as an annotation holds it: `iot-core-0=UID/SITE,iot-core-1=UID/SITE`.
    pub fn write(sites: &BTreeMap<String, VolumeSite>) -> String {
        let texts: Vec<_> = sites.iter().map(|(pod, home)| format!("{pod}={}/{}", home.claim, home.site)).collect();
        texts.join(",")
    }

    /// What cannot be read is not there: it is written again when the node serves.
    pub fn read(text: &str) -> BTreeMap<String, VolumeSite> {
        let pairs = text.split(',').filter_map(|pair| {
            let (pod, home) = pair.split_once('=')?;
            let (claim, site) = home.split_once('/')?;
            Some((pod.to_owned(), VolumeSite { claim: claim.to_owned(), site: site.to_owned() }))
        });
        pairs.collect()
    }
}

/// How a replica is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum ReplicaState {
    Up,
    /// Its node has left the cluster.
    Lost,
    /// Not answering, or in a state that we do not know.
    NotUp,
}

impl Storage {
    /// The site of a node. After the loss of a volume there may be an old one under the same name.
    pub fn site_of(&self, node: &NodeName) -> Option<&str> {
        let mut sites: Vec<_> = self.sites.iter().filter(|(_, site)| site.node == *node).collect();
        sites.sort_by_key(|(_, site)| !site.up);
        sites.first().map(|(id, _)| id.as_str())
    }

    /// Shards of which a site holds a replica, or is about to.
    pub fn shards_on(&self, site: &str) -> usize {
        self.shards().filter(|shard| shard.replicas.contains_key(site) || shard.joining.contains(site)).count()
    }

    /// Whether anything is on its way.
    pub fn is_moving(&self) -> bool {
        self.shards().any(Shard::is_moving)
    }

    pub fn shards(&self) -> impl Iterator<Item = &Shard> {
        self.databases.values().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::VolumeSite;

    #[test]
    fn what_is_written_is_read() {
        let text = "iot-core-0=uid-a/A1,iot-core-1=uid-b/B2";
        assert_eq!(VolumeSite::write(&VolumeSite::read(text)), text);
        assert!(VolumeSite::read("").is_empty() && VolumeSite::read("x,y=,=z/").len() < 2);
    }
}
