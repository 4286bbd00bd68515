//! Reading from and writing to most replicas of a shard.

use super::super::broker::{Broker, PEER_DEADLINE};
use super::super::peers::{PeerRequest, PeerResponse};
use super::super::session::{Message, MessageId};
use super::{DurableRequest, DurableResponse, Head, NoQuorum, Record};
use futures::future::{BoxFuture, FutureExt as _, join_all};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::Duration;
use tokio::time::{sleep, timeout};

const RETRY: Duration = Duration::from_secs(1);

/// The nodes that hold each shard.
type Shards = Vec<Vec<String>>;

fn most(replicas: &[String]) -> usize {
    replicas.len() / 2 + 1
}

/// The same on every node.
fn shard_of(client: &str, shards: usize) -> usize {
    let [first, second, ..] = Sha256::digest(client)[..] else { return 0 };
    usize::from(u16::from_be_bytes([first, second])) % shards
}

impl Broker {
    /// Answers another node, or this one.
    pub(in super::super) fn keep(&self, request: DurableRequest) -> BoxFuture<'_, DurableResponse> {
        async move {
            let done = match request {
                DurableRequest::Write(client, head) => self.replica().head(&client, head),
                DurableRequest::Acknowledge(client, id) => self.replica().acknowledge(&client, id),
                DurableRequest::Store(message, clients) => match self.replica().store(&message, clients) {
                    Ok(clients) => return DurableResponse::Stored(clients),
                    Err(error) => Err(error),
                },
                DurableRequest::Read(client) => {
                    return DurableResponse::Record(self.replica().record(&client).cloned().map(Box::new));
                }
                DurableRequest::ReadShard(shard) => {
                    let Ok(shards) = self.shards() else { return DurableResponse::NoQuorum };
                    let of_shard = |client: &str| shard_of(client, shards.len()) == shard;
                    return DurableResponse::Records(self.replica().records(of_shard));
                }
                DurableRequest::Waiting(before) => return DurableResponse::Waiting(self.replica().waiting(before)),
                DurableRequest::Heads => return DurableResponse::Records(self.replica().heads()),
                DurableRequest::CatchUp(shard) => match self.catch_up(shard).await {
                    Ok(done) => done,
                    Err(NoQuorum) => return DurableResponse::NoQuorum,
                },
            };
            done.map_or_else(
                |error| {
                    tracing::error!(node = &*self.node, "failed to write durable storage: {error}");
                    DurableResponse::NoQuorum
                },
                |()| DurableResponse::Done,
            )
        }
        .boxed()
    }

    async fn ask(&self, node: &str, request: DurableRequest) -> Option<DurableResponse> {
        let answer = if *node == *self.node {
            self.keep(request).await
        } else {
            let call = self.peers.call(node, PeerRequest::Durable(request));
            match timeout(PEER_DEADLINE, call).await {
                Ok(Ok(PeerResponse::Durable(answer))) => answer,
                Ok(_) | Err(_) => return None,
            }
        };
        (!matches!(answer, DurableResponse::NoQuorum)).then_some(answer)
    }

    /// The answers of the nodes that answer.
    async fn ask_all<'a>(
        &self,
        nodes: impl IntoIterator<Item = &'a String>,
        request: &DurableRequest,
    ) -> BTreeMap<&'a str, DurableResponse> {
        let asked =
            nodes.into_iter().map(|node| async move { Some((node.as_str(), self.ask(node, request.clone()).await?)) });
        join_all(asked).await.into_iter().flatten().collect()
    }

    fn shards(&self) -> Result<Shards, NoQuorum> {
        self.peers.shards().filter(|shards| !shards.is_empty()).ok_or(NoQuorum)
    }

    pub(super) async fn read(&self, client: &str) -> Result<Option<Record>, NoQuorum> {
        let shards = self.shards()?;
        let replicas = &shards[shard_of(client, shards.len())];
        let answers = self.ask_all(replicas, &DurableRequest::Read(client.to_owned())).await;
        if answers.len() < most(replicas) {
            return Err(NoQuorum);
        }
        let records = answers.into_values().filter_map(|answer| match answer {
            DurableResponse::Record(record) => record.map(|record| *record),
            _ => None,
        });
        Ok(records.reduce(|mut all, record| {
            all.merge(record);
            all
        }))
    }

    pub(super) async fn write(&self, client: &str, head: Head) -> Result<(), NoQuorum> {
        let shards = self.shards()?;
        let replicas = &shards[shard_of(client, shards.len())];
        let answers = self.ask_all(replicas, &DurableRequest::Write(client.to_owned(), head)).await;
        if answers.len() < most(replicas) { Err(NoQuorum) } else { Ok(()) }
    }

    /// For every session that wants it. A replica that has missed a subscription learns for which sessions to keep the message.
    pub(in super::super) async fn store(&self, message: &Message) -> Result<(), NoQuorum> {
        let shards = self.shards()?;
        let nodes: BTreeSet<&String> = shards.iter().flatten().collect();
        let answers = self.ask_all(nodes, &DurableRequest::Store(message.clone(), None)).await;
        let enough = |replicas: &Vec<String>| {
            replicas.iter().filter(|node| answers.contains_key(node.as_str())).count() >= most(replicas)
        };
        if !shards.iter().all(enough) {
            return Err(NoQuorum);
        }
        let mut kept: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
        for (node, answer) in &answers {
            let DurableResponse::Stored(clients) = answer else { continue };
            for client in clients {
                kept.entry(client.clone()).or_default().insert(*node);
            }
        }
        for (client, by) in kept {
            let replicas = &shards[shard_of(&client, shards.len())];
            let missing: Vec<&String> = replicas.iter().filter(|node| !by.contains(node.as_str())).collect();
            let have = replicas.len() - missing.len();
            // Kept only by a node that was a replica once.
            if have == 0 || have >= most(replicas) {
                continue;
            }
            let told = self.ask_all(missing, &DurableRequest::Store(message.clone(), Some(vec![client]))).await;
            if have + told.len() < most(replicas) {
                return Err(NoQuorum);
            }
        }
        Ok(())
    }

    /// The client does not wait for it: a message whose acknowledgement is lost is sent again.
    pub(in super::super) fn forget_message(&self, client: &str, id: MessageId) {
        let (broker, client) = (self.clone(), client.to_owned());
        tokio::spawn(async move {
            let Ok(shards) = broker.shards() else { return };
            let replicas = &shards[shard_of(&client, shards.len())];
            broker.ask_all(replicas, &DurableRequest::Acknowledge(client, id)).await;
        });
    }

    /// All sessions of the cluster without their messages, as far as replicas answer.
    pub(super) async fn all_sessions(&self) -> BTreeMap<String, Record> {
        let shards = self.shards().unwrap_or_default();
        let nodes: BTreeSet<&String> = shards.iter().flatten().collect();
        merged(self.ask_all(nodes, &DurableRequest::Heads).await.into_values())
    }

    /// The clients for whom some replica has messages that were published before this moment.
    pub(super) async fn waiting_before(&self, before: MessageId) -> BTreeSet<String> {
        let shards = self.shards().unwrap_or_default();
        let nodes: BTreeSet<&String> = shards.iter().flatten().collect();
        let answers = self.ask_all(nodes, &DurableRequest::Waiting(before)).await.into_values();
        let clients = answers.filter_map(|answer| match answer {
            DurableResponse::Waiting(clients) => Some(clients),
            _ => None,
        });
        clients.flatten().collect()
    }

    /// After a time of absence: what was written meanwhile is fetched, as soon as most replicas are there.
    pub(crate) async fn catch_up_all(&self) {
        loop {
            let shards = self.peers.shards().unwrap_or_default();
            let mine = shards.iter().enumerate().filter(|(_, nodes)| nodes.iter().any(|node| **node == *self.node));
            let done = join_all(mine.map(|(shard, _)| self.catch_up(shard))).await;
            if !done.is_empty() && done.iter().all(Result::is_ok) {
                return;
            }
            sleep(RETRY).await;
        }
    }

    async fn catch_up(&self, shard: usize) -> Result<io::Result<()>, NoQuorum> {
        let shards = self.shards()?;
        let replicas = shards.get(shard).ok_or(NoQuorum)?;
        let answers = self.ask_all(replicas, &DurableRequest::ReadShard(shard)).await;
        if answers.len() < most(replicas) {
            return Err(NoQuorum);
        }
        let all = merged(answers.into_values());
        let mut replica = self.replica();
        Ok(all.iter().try_for_each(|(client, record)| replica.merge(client, record)))
    }
}

fn merged(answers: impl Iterator<Item = DurableResponse>) -> BTreeMap<String, Record> {
    let mut all: BTreeMap<String, Record> = BTreeMap::new();
    for answer in answers {
        let DurableResponse::Records(records) = answer else { continue };
        for (client, record) in records {
            all.entry(client).or_default().merge(record);
        }
    }
    all
}
