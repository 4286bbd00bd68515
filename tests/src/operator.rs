//! Runs the operator inside the test process, as a user with its rights and no others.

use crate::cluster::{apply, documents, operator_user};
use emqx_operator_runtime::Settings;
use kube::Client;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Gives the user `emqx-operator` in one namespace what the shipped roles give the operator's ServiceAccount in its own: the
/// lease, and certificates.
pub async fn grant_own_namespace(admin: &Client, namespace: &str) -> anyhow::Result<()> {
    let files = ["leader_election_role.yaml", "metrics-certificates/metrics_certificates_role.yaml"];
    for file in files {
        for mut role in documents(&format!("config/rbac/{file}"))? {
            let name = role["metadata"]["name"].clone();
            role["metadata"]["namespace"] = namespace.into();
            apply(admin, Some(namespace), &role).await?;
            apply(admin, Some(namespace), &binding("RoleBinding", "Role", &name)).await?;
        }
    }
    Ok(())
}

/// Lets the user `emqx-operator` ask who somebody is and what they may.
pub async fn grant_reviews(admin: &Client) -> anyhow::Result<()> {
    for role in documents("config/rbac/metrics-auth/metrics_auth_role.yaml")? {
        apply(admin, None, &role).await?;
        apply(admin, None, &binding("ClusterRoleBinding", "ClusterRole", &role["metadata"]["name"])).await?;
    }
    Ok(())
}

fn binding(kind: &str, role_kind: &str, role: &Value) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": format!("{}-under-test", role.as_str().unwrap_or_default())},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": role_kind, "name": role},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "emqx-operator"}],
    })
}

/// Gives the user `emqx-operator` what the shipped role gives the operator's ServiceAccount.
pub async fn grant(admin: &Client) -> anyhow::Result<()> {
    for role in documents("config/rbac/manager/role.yaml")? {
        apply(admin, None, &role).await?;
        apply(admin, None, &binding("ClusterRoleBinding", "ClusterRole", &role["metadata"]["name"])).await?;
    }
    Ok(())
}

/// Lets the user `emqx-operator` run commands in the pods of one namespace, as the shipped role for that does.
pub async fn grant_commands(admin: &Client, namespace: &str) -> anyhow::Result<()> {
    for role in documents("config/rbac/pods-exec/role.yaml")? {
        apply(admin, None, &role).await?;
        apply(admin, Some(namespace), &binding("RoleBinding", "ClusterRole", &role["metadata"]["name"])).await?;
    }
    Ok(())
}

/// Settings of an operator for these namespaces; for all when none is named.
pub fn settings(namespaces: &[&str]) -> Settings {
    Settings {
        watch_namespaces: namespaces.iter().map(ToString::to_string).collect(),
        health_address: None,
        metrics_address: None,
        metrics_certificate: None,
        leader_election: None,
        concurrency: 16,
        emqx_deadline: Duration::from_secs(10),
        write_hook: None,
    }
}

/// An operator that runs on a thread of its own until it is stopped or dropped.
pub struct Operator {
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Operator {
    /// Starts one for these namespaces; for all when none is named.
    pub fn start(namespaces: &[&str]) -> Operator {
        Operator::with(settings(namespaces))
    }

    /// Starts one that, when it is dropped, is asked to stop.
    pub fn with(settings: Settings) -> Operator {
        Operator::reaching(None, settings)
    }

    /// Starts one that reaches the API server at another port of its machine, such as that of a [`Link`].
    pub fn reaching(link: Option<SocketAddr>, settings: Settings) -> Operator {
        let stop = CancellationToken::new();
        let token = stop.clone();
        let thread = std::thread::spawn(move || runtime().block_on(run(settings, link, token)));
        Operator { stop, thread: Some(thread) }
    }

    /// Starts one that is killed, as the kernel kills, when `killed` is cancelled or it is dropped: nothing that it does
    /// comes to an end.
    pub fn mortal(settings: Settings, killed: CancellationToken) -> Operator {
        let stop = killed.clone();
        let thread = std::thread::spawn(move || {
            let runtime = runtime();
            runtime.block_on(async {
                tokio::select! {
                    () = run(settings, None, CancellationToken::new()) => {}
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

async fn run(settings: Settings, link: Option<SocketAddr>, stop: CancellationToken) {
    let mut config = operator_user().await.expect("the operator's kubeconfig works");
    if let Some(link) = link {
        config.tls_server_name = config.cluster_url.host().map(str::to_owned);
        config.cluster_url = format!("https://{link}").parse().expect("an address makes a URL");
    }
    emqx_operator_runtime::run(config, settings, stop).await.expect("the operator runs");
}
