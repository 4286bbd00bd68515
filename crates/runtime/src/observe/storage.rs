//! Durable storage: sites, databases, shards.

use super::bounds;
use super::broker::{Asker, no_answer};
use emqx_client::api::{self, GetSite, GetSites, GetStorage, GetStorages, ReplicaStatus, Transition};
use emqx_client::{Answered, Feature, NoAnswer};
use emqx_operator_core::desired::NodeName;
use emqx_operator_core::world::{Reading, ReplicaState, Shard, Site, Storage, Why};
use futures::future::try_join_all;

pub(super) async fn storage(asker: &Asker, open_source: bool) -> Reading<Storage> {
    if open_source {
        return Reading::Off;
    }
    // EMQX has both lists or none; without them it has no durable storage.
    let (storages, sites) = match futures::try_join!(asker.ask(&GetStorages), asker.ask(&GetSites)) {
        Ok(answered) => answered,
        Err(error) => return asker.off_or(Feature::DurableStorage, &error).await,
    };
    details(asker, storages.answer, sites.answer).await.map_or_else(Reading::Unavailable, Reading::Fresh)
}

/// Each database and each site is asked about by itself, so both lists are counted before.
async fn details(asker: &Asker, databases: Vec<String>, sites: Vec<String>) -> Result<Storage, Why> {
    bounds::few("databases of durable storage", databases.len(), bounds::DATABASES)?;
    bounds::few("sites of durable storage", sites.len(), bounds::SITES)?;
    let databases = databases.into_iter().map(|name| database(asker, name));
    let sites = sites.into_iter().map(|id| site(asker, id));
    let (databases, sites) = futures::try_join!(try_join_all(databases), try_join_all(sites))?;
    let shards = databases.iter().map(|(_, shards)| shards.len()).sum();
    bounds::few("shards of durable storage", shards, bounds::SHARDS)?;
    Ok(Storage { sites: sites.into_iter().collect(), databases: databases.into_iter().collect() })
}

async fn database(asker: &Asker, name: String) -> Result<(String, Vec<Shard>), Why> {
    let name = bounds::name("database", name)?;
    let answered = asker.ask(&GetStorage { storage: name.clone() }).await;
    let Answered { answer, .. } = answered.map_err(|error: NoAnswer| no_answer(&error))?;
    bounds::few("shards of durable storage", answer.shards.len(), bounds::SHARDS)?;
    Ok((name, answer.shards.into_iter().map(shard).collect::<Result<_, _>>()?))
}

async fn site(asker: &Asker, id: String) -> Result<(String, Site), Why> {
    let id = bounds::name("site", id)?;
    let answered = asker.ask(&GetSite { site: id.clone() }).await;
    let Answered { answer, .. } = answered.map_err(|error: NoAnswer| no_answer(&error))?;
    // A site that no node has claimed yet, or any more, is a site all the same.
    let node = if answer.node.is_empty() { NodeName(answer.node) } else { bounds::node_name(answer.node)? };
    Ok((id, Site { node, up: answer.up }))
}

fn shard(seen: api::Shard) -> Result<Shard, Why> {
    let mut shard = Shard { id: bounds::text(&seen.id), ..Shard::default() };
    for replica in seen.replicas {
        let state = match replica.status {
            ReplicaStatus::Up => ReplicaState::Up,
            ReplicaStatus::Lost => ReplicaState::Lost,
            ReplicaStatus::Down | ReplicaStatus::Unknown(_) => ReplicaState::NotUp,
        };
        shard.replicas.insert(bounds::name("site", replica.site)?, state);
    }
    for one in seen.transitions {
        let site = bounds::name("site", one.site)?;
        // A transition that we do not know keeps the site in both, so that nothing is taken for settled.
        if one.transition != Transition::Leaving {
            shard.joining.insert(site.clone());
        }
        if one.transition != Transition::Joining {
            shard.leaving.insert(site);
        }
    }
    Ok(shard)
}
