//! Changes of the configuration: checked and applied here, then sent to every running member.

use super::Node;
use crate::cluster_state::Change;
use crate::config::{Answer, Applied, Config, ConfigError, Listener, save_cluster_hocon};
use crate::rpc::Request;
use serde_json::{Map, Value};

impl Node {
    /// Whether a listener could bind: its port may be taken by the API or by another listener.
    fn taken_ports(&self) -> Vec<(u16, String)> {
        let config = self.config();
        let api = config.dashboard_listeners().into_iter().map(|api| (api.bind.port, "dashboard".to_owned()));
        let others = config.listeners().into_iter().filter(|one| one.enable).map(|one| (one.bind.port, one.id()));
        api.chain(others).collect()
    }

    /// Runs a change of the configuration with the check whether listeners can start, then sends it to the other members.
    pub async fn reconfigure<T>(
        &self,
        change: impl FnOnce(&mut Config, &mut dyn FnMut(&Listener) -> Result<(), String>) -> (T, Applied),
    ) -> T {
        let taken = self.taken_ports();
        let (answer, applied) = {
            let mut can_start = |listener: &Listener| {
                let clash = taken.iter().any(|(port, by)| *port == listener.bind.port && *by != listener.id());
                if clash { Err("eaddrinuse".to_owned()) } else { Ok(()) }
            };
            change(&mut self.config(), &mut can_start)
        };
        self.share(applied).await;
        answer
    }

    async fn share(&self, applied: Applied) {
        if applied.roots.is_empty() {
            return;
        }
        self.save_config();
        let changes = self.cluster_state().config_changes + 1;
        self.change(Change::ConfigChanged(changes)).await;
        // Whatever the root says: that it is updated has the file read again, by each core its own.
        if applied.roots.contains_key("api_key") {
            self.load_bootstrap_keys().await;
        }
        self.ask_others(Request::Adopt(applied.roots)).await;
    }

    async fn ask_others(&self, request: Request) {
        for (name, _) in self.other_members() {
            // A member that is down copies the configuration when it boots.
            let _ = tokio::time::timeout(self.timings.call, self.reach(&name, request.clone())).await;
        }
    }

    pub(super) fn adopt(&self, roots: Map<String, Value>) {
        self.config().adopt(roots);
        self.save_config();
    }

    fn save_config(&self) {
        let text = self.config().cluster_hocon();
        if let Err(error) = save_cluster_hocon(self.volume.path(), &text) {
            tracing::error!(node = self.name, "failed to write cluster.hocon: {error}");
        }
    }
}

/// For the operations that give an answer with what was applied.
pub fn answered(result: Result<(Answer, Applied), Answer>) -> (Answer, Applied) {
    result.unwrap_or_else(|answer| (answer, Applied::default()))
}

/// `PUT /configs`: what was applied before a refusal stays applied.
pub fn put_answered(result: Result<Applied, ConfigError>, profile: crate::config::Profile) -> (Answer, Applied) {
    match result {
        Ok(applied) => (Answer::empty(200), applied),
        Err(error) => {
            let answer = error.answer(profile);
            match error {
                ConfigError::Refused { applied, .. } => (answer, applied),
                _ => (answer, Applied::default()),
            }
        }
    }
}
