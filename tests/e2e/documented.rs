//! The commands of the pages about running clusters, run as they stand there, by a shell with the real kubectl.

use crate::cluster::Cluster;
use emqx_operator_tests::cluster::{root, setting};
use emqx_operator_tests::wait::until;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt as _;
use serde_json::json;
use std::process::Command;

/// Commands that are not for this cluster, each with why.
const LEFT_OUT: [(&str, &str); 8] = [
    ("kubectl drain NODE", "there is one Kubernetes node, and it has the other tests on it"),
    ("--namespace emqx-operator-system", "the operator runs in the test; packaging tests install it there"),
    ("kubectl edit", "needs somebody at a terminal"),
    ("kubectl delete", "is for what nobody needs any more"),
    ("# restarts all nodes", "the other commands of the page ask nodes that run"),
    ("kubectl create secret", "the Secrets of the cluster are there"),
    ("ds forget SITE", "there is no lost site"),
    ("--previous", "no container has ended"),
];

/// The blocks of shell commands in a page, in order.
fn blocks(page: &str) -> Vec<String> {
    let text = std::fs::read_to_string(root().join("docs").join(page)).unwrap();
    let parts = text.split("```sh\n").skip(1);
    parts.map(|part| part.split("```").next().unwrap_or_default().to_owned()).collect()
}

/// What of a block can be run here.
fn runnable(block: &str) -> String {
    let left_out = |line: &str| LEFT_OUT.iter().any(|(part, _)| line.contains(part));
    block.lines().filter(|line| !left_out(line)).map(|line| format!("{line}\n")).collect()
}

/// A shell that stops at the first command that fails.
async fn run(namespace: &str, page: &str, commands: String) {
    let kubectl = setting("EMQX_TEST_KUBECTL").unwrap();
    let script = format!("set -e\nkubectl() {{ '{kubectl}' --namespace '{namespace}' \"$@\"; }}\n{commands}");
    let config = setting("EMQX_TEST_KUBECONFIG").unwrap();
    let shell = tokio::task::spawn_blocking(move || {
        Command::new("sh").arg("-c").arg(script).env("KUBECONFIG", config).output()
    });
    let output = shell.await.unwrap().unwrap();
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    // `emqx ctl` ends with 0 also when it does not know a command.
    assert!(output.status.success() && !said.contains("known are:"), "docs/{page}:\n{commands}\n{said}");
}

async fn run_page(cluster: &Cluster, page: &str) {
    let blocks = blocks(page);
    assert!(!blocks.is_empty(), "{page} has no commands");
    for block in blocks {
        run(cluster.namespace(), page, runnable(&block)).await;
        cluster.settled().await;
    }
}

#[tokio::test]
async fn commands_of_the_pages_do_what_they_say() {
    let spec = json!({
        "image": "emqx/emqx:5.10.4",
        "config": {"roots": {"license": {"key": "evaluation"}}},
        "coreTemplate": {"spec": {"replicas": 2}},
        "replicantTemplate": {"spec": {"replicas": 1}},
        "updateStrategy": {"evacuationStrategy": {"waitHealthCheck": 1, "waitTakeover": 1}},
    });
    let cluster = Cluster::named("emqx", "documented", spec).await;
    for page in ["troubleshooting.md", "storage.md", "draining.md", "scaling.md", "upgrade.md"] {
        run_page(&cluster, page).await;
    }
    cluster.delete().await;
}

/// What the page of reasons tells people to look at can be looked at.
#[tokio::test]
async fn commands_of_the_reasons_show_something() {
    let spec = json!({
        "image": "emqx/emqx:5.10.4",
        "coreTemplate": {"spec": {"replicas": 1}},
        "updateStrategy": {"rollbackOnFailure": true},
    });
    let cluster = Cluster::named("emqx", "reasons", spec).await;
    until("what works to be remembered", crate::READY, || async {
        let record = cluster.api::<Secret>().get("emqx-last-good").await;
        record.map(drop).map_err(|error| error.to_string())
    })
    .await;
    let claim = cluster.claims().await.remove(0);
    let pod = cluster.pods().await[0].name_any();
    for block in blocks("reference/reasons.md") {
        let commands = runnable(&block).replace("CLAIM", &claim).replace("POD", &pod);
        let commands = commands.replace("SET", "emqx-core").replace("NAME", "emqx");
        run(cluster.namespace(), "reference/reasons.md", commands).await;
    }
    cluster.delete().await;
}
