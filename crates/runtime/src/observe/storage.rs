//! Durable storage: sites, databases, shards.

use super::broker::{Asker, no_answer};
use emqx_client::api::{self, GetSite, GetSites, GetStorage, GetStorages, ReplicaStatus, Transition};
use emqx_client::{Answered, Feature, NoAnswer};
use emqx_operator_core::desired::NodeName;
use emqx_operator_core::world::{Reading, ReplicaState, Shard, Site, Storage};
use futures::future::try_join_all;

pub(super) async fn storage(asker: &Asker<'_>, open_source: bool) -> Reading<Storage> {
    if open_source {
        return Reading::Off;
    }
    // Both lists are there or not; without them the feature is not.
    let (storages, sites) = match futures::try_join!(asker.ask(&GetStorages), asker.ask(&GetSites)) {
        Ok(answered) => answered,
        Err(error) => return asker.off_or(Feature::DurableStorage, &error).await,
    };
    match futures::try_join!(databases(asker, storages.answer), known_sites(asker, sites.answer)) {
        Ok((databases, sites)) => {
            Reading::Fresh(Storage { sites: sites.into_iter().collect(), databases: databases.into_iter().collect() })
        }
        Err(error) => Reading::Unavailable(no_answer(&error)),
    }
}

async fn databases(asker: &Asker<'_>, names: Vec<String>) -> Result<Vec<(String, Vec<Shard>)>, NoAnswer> {
    try_join_all(names.into_iter().map(|name| async move {
        let Answered { answer, .. } = asker.ask(&GetStorage { storage: name.clone() }).await?;
        Ok((name, answer.shards.into_iter().map(shard).collect()))
    }))
    .await
}

async fn known_sites(asker: &Asker<'_>, ids: Vec<String>) -> Result<Vec<(String, Site)>, NoAnswer> {
    try_join_all(ids.into_iter().map(|id| async move {
        let Answered { answer, .. } = asker.ask(&GetSite { site: id.clone() }).await?;
        Ok((id, Site { node: NodeName(answer.node), up: answer.up }))
    }))
    .await
}

fn shard(seen: api::Shard) -> Shard {
    let replicas = seen.replicas.into_iter().map(|replica| {
        let state = match replica.status {
            ReplicaStatus::Up => ReplicaState::Up,
            ReplicaStatus::Lost => ReplicaState::Lost,
            ReplicaStatus::Down | ReplicaStatus::Unknown(_) => ReplicaState::NotUp,
        };
        (replica.site, state)
    });
    let mut shard = Shard { replicas: replicas.collect(), ..Shard::default() };
    for one in seen.transitions {
        // A transition that we do not know keeps the site in both, so that nothing is taken for settled.
        if one.transition != Transition::Leaving {
            shard.joining.insert(one.site.clone());
        }
        if one.transition != Transition::Joining {
            shard.leaving.insert(one.site);
        }
    }
    shard
}
