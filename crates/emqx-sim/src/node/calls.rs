//! Answers to other nodes. Only a running node does more than say who it is.

use super::sync::Update;
use super::{Node, lock};
use crate::cluster_state::{Change, Role};
use crate::config::Edition;
use crate::faults::Faults;
use crate::rpc::{Phase, Pong, Request, Response};
use std::sync::Arc;

impl Node {
    /// `caller` is the node that asks. A node that is no member may ask for this node's identity, join, and learn that it left.
    pub async fn answer(self: &Arc<Self>, caller: &str, request: Request) -> Response {
        let Faults { silent, cut_off, .. } = self.faults();
        if caller != self.name && (silent || cut_off) {
            return std::future::pending().await;
        }
        let member = self.cluster_state().members.contains_key(caller);
        match (self.phase(), request) {
            (_, Request::Ping) => Response::Pong(self.pong()),
            (_, Request::Apply(change)) => self.hear(Update::Change(change)),
            (Phase::Booting | Phase::Joining, Request::Adopt(roots)) => self.hear(Update::Config(roots)),
            (Phase::Running, request @ (Request::Join { .. } | Request::Copy | Request::Invite { .. })) => {
                self.answer_running(request).await
            }
            (Phase::Running, _) if !member => Response::Stranger,
            (Phase::Running, request) => self.answer_running(request).await,
            (Phase::Booting | Phase::Joining | Phase::Stopped, _) => Response::NotRunning,
        }
    }

    fn pong(&self) -> Pong {
        let (members, storage) = {
            let state = self.cluster_state();
            (state.members.clone(), state.storage.clone())
        };
        let site = storage.sites.into_iter().find(|(_, node)| *node == self.name).map(|(site, _)| site);
        Pong {
            name: self.name.clone(),
            phase: self.phase(),
            role: self.role,
            version: self.version(),
            uptime_ms: self.uptime_ms(),
            members: members.into_keys().collect(),
            joined: self.has_joined(),
            site,
            storage: storage.version,
        }
    }

    async fn answer_running(self: &Arc<Self>, request: Request) -> Response {
        match request {
            Request::Ping => Response::Pong(self.pong()),
            Request::Apply(change) => self.hear(Update::Change(change)),
            Request::Info => Response::Value(self.info()),
            Request::Stats => Response::Value(self.stats()),
            Request::Listeners => Response::Listeners(self.own_listeners()),
            Request::Counts => Response::Counts(self.clients.counts()),
            Request::Join { name, role } => self.admit(name, role).await,
            Request::Copy => self.joined(),
            Request::Adopt(roots) => {
                let keys = roots.contains_key("api_key");
                let heard = self.hear(Update::Config(roots));
                if keys {
                    self.load_bootstrap_keys().await;
                }
                heard
            }
            Request::ConfigText(key) => Response::Text(Some(self.config().get_text(key.as_deref()).body)),
            Request::ConfigJson => Response::Text(Some(self.config().get_json().body)),
            // Its release does not have the application that is called.
            Request::StartEvacuation(_)
            | Request::StopEvacuation
            | Request::EvacuationStatus
            | Request::TakesSessions
                if self.profile.edition == Edition::OpenSource =>
            {
                Response::Undefined
            }
            Request::StartEvacuation(options) => done(self.start_evacuation(options)),
            Request::StopEvacuation => done(self.stop_evacuation()),
            Request::EvacuationStatus => {
                Response::Value(self.evacuation_status().await.unwrap_or(serde_json::Value::Null))
            }
            Request::TakesSessions => Response::Value(lock(&self.evacuation).is_none().into()),
            Request::StartRebalance(options) => done(self.start_rebalance(options).await),
            Request::StopRebalance => done(self.stop_rebalance().await),
            Request::RebalanceStatus => Response::Value(self.rebalance_status().unwrap_or(serde_json::Value::Null)),
            Request::BeDonor { coordinator, donor } => done(self.be_donor(&coordinator, donor)),
            Request::UpdateDonor(donor) => {
                *lock(&self.donor) = Some(donor);
                Response::Done
            }
            Request::FreeDonor { coordinator } => {
                self.free_donor(&coordinator);
                Response::Done
            }
            Request::EvictConnections(limit) => {
                self.clients.evict_connections(limit);
                Response::Number(self.clients.counts().connected)
            }
            Request::EvictSessions { limit, to } => Response::Number(self.clients.evict_sessions(limit, &to).await),
            Request::ReceiveSessions(count) => {
                self.clients.receive_sessions(count);
                Response::Done
            }
            Request::Leave => {
                let node = self.clone();
                self.spawn(async move {
                    if let Err(exit) = node.leave().await {
                        tracing::error!(node = node.name, "{exit}");
                    }
                });
                Response::Done
            }
            Request::Invite { inviter } => match self.join(&inviter).await {
                Ok(true) => Response::Done,
                Ok(false) => Response::Refused("join_failed".to_owned()),
                Err(exit) => Response::Refused(exit.to_string()),
            },
            Request::Mqtt(request) => Response::Mqtt(self.clients.handle(request).await),
            Request::Backups => Response::Value(self.backups()),
            Request::ReadBackup(name) => Response::Bytes(self.read_backup(&name)),
            Request::DeleteBackup(name) => Response::Number(u64::from(self.delete_backup(&name))),
        }
    }

    async fn admit(&self, name: String, role: Role) -> Response {
        self.change(Change::Member(name, role)).await;
        self.joined()
    }

    fn joined(&self) -> Response {
        let cluster_hocon = self.config().cluster_hocon();
        Response::Joined { state: Box::new(self.cluster_state().clone()), cluster_hocon }
    }
}

fn done(result: Result<(), &'static str>) -> Response {
    match result {
        Ok(()) => Response::Done,
        Err(reason) => Response::Refused(reason.to_owned()),
    }
}
