//! Runs the operator inside the test process, as a user with its rights and no others.

use crate::cluster::{apply, documents, operator_user};
use emqx_operator_runtime::Settings;
use emqx_operator_runtime::witness::Witness;
use kube::Client;
use serde_json::json;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Gives the user `emqx-operator` what the shipped role gives the operator's ServiceAccount.
pub async fn grant(admin: &Client) -> anyhow::Result<()> {
    for role in documents("config/rbac/manager/role.yaml")? {
        apply(admin, None, &role).await?;
    }
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "operator-under-test"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "manager-role"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "emqx-operator"}],
    });
    apply(admin, None, &binding).await?;
    Ok(())
}

/// An operator that runs on a thread of its own until it is stopped or dropped.
pub struct Operator {
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Operator {
    /// Starts one for these namespaces; for all when none is named.
    pub fn start(namespaces: &[&str]) -> Operator {
        let stop = CancellationToken::new();
        let (token, namespaces) = (stop.clone(), namespaces.iter().map(ToString::to_string).collect());
        let thread = std::thread::spawn(move || runtime().block_on(run(namespaces, token, None)));
        Operator { stop, thread: Some(thread) }
    }

    /// Starts one that is killed, as the kernel kills, when `killed` is cancelled: nothing that it does comes to an end.
    pub fn mortal(namespace: &str, witness: Arc<dyn Witness>, killed: CancellationToken) -> Operator {
        let (stop, namespaces) = (killed.clone(), vec![namespace.to_owned()]);
        let thread = std::thread::spawn(move || {
            let runtime = runtime();
            runtime.block_on(async {
                tokio::select! {
                    () = run(namespaces, CancellationToken::new(), Some(witness)) => {}
                    () = killed.cancelled() => {}
                }
            });
            runtime.shutdown_background();
        });
        Operator { stop, thread: Some(thread) }
    }

    /// Lets it run until the process ends.
    pub fn keep(mut self) {
        self.thread.take();
    }
}

fn runtime() -> tokio::runtime::Runtime {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("threads can be started")
}

impl Drop for Operator {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.stop.cancel();
            thread.join().expect("the operator ends without a panic");
        }
    }
}

async fn run(watch_namespaces: Vec<String>, stop: CancellationToken, witness: Option<Arc<dyn Witness>>) {
    let client = operator_user().await.expect("the operator's kubeconfig works");
    let settings = Settings {
        watch_namespaces,
        health_address: None,
        metrics_address: None,
        leader_election: None,
        concurrency: 16,
        emqx_deadline: Duration::from_secs(3),
        witness,
    };
    emqx_operator_runtime::run(client, settings, stop).await.expect("the operator runs");
}
