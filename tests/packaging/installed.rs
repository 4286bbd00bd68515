//! What every installation must do once it is there, and how it goes away again.

use crate::programs::kubectl;
use crate::{READY, SYSTEM};
use emqx_operator_tests::cluster::{apply, documents};
use emqx_operator_tests::emqx;
use emqx_operator_tests::wait::until;
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, Client};
use serde_json::{Value, json};
use std::time::Duration;

/// The operator becomes Ready.
pub fn becomes_ready() {
    let deployment = "deployment/emqx-operator-controller-manager";
    kubectl(&["--namespace", SYSTEM, "rollout", "status", deployment, "--timeout=120s"]);
}

/// The operator brings a cluster to life in the namespace `default`, which every variant watches.
pub async fn manages_a_cluster(client: &Client) {
    manages(client, "config/samples/apps_v3beta1_emqx.yaml").await;
}

/// The same with a single node, which is there sooner.
pub async fn manages_a_node(client: &Client) {
    manages(client, "examples/single-core.yaml").await;
}

async fn manages(client: &Client, file: &str) {
    for document in documents(file).unwrap() {
        // A schema that was just applied takes a moment to be served.
        until("the resource to be accepted", Duration::from_secs(20), || async {
            apply(client, Some("default"), &document).await.map_err(|error| error.to_string())
        })
        .await;
    }
    emqx::ready(client, "default", "emqx", READY).await;
}

/// Ends the operator's pods. A namespace that is deleted with pods in it is looked at again after half of their grace period
/// only.
pub fn stop() {
    let foreground = ["--cascade=foreground", "--wait=true", "--timeout=120s", "--ignore-not-found"];
    kubectl(&[&["--namespace", SYSTEM, "delete", "deployments", "--all"], &foreground[..]].concat());
}

/// Removes the operator as docs/install.md says, and nothing else.
pub fn uninstall() {
    kubectl(&["delete", "namespace", SYSTEM, "--ignore-not-found", "--wait=true", "--timeout=120s"]);
    for namespace in ["default", SYSTEM] {
        let kinds = "clusterroles,clusterrolebindings,roles,rolebindings,\
                     validatingadmissionpolicies,validatingadmissionpolicybindings";
        let selector = "app.kubernetes.io/name=emqx-operator";
        kubectl(&["--namespace", namespace, "delete", kinds, "--selector", selector]);
    }
}

/// Removes everything but the CRDs, whoever installed it.
pub async fn clear(client: &Client) {
    stop();
    uninstall();
    if kubectl(&["get", "crds", "--output", "name"]).contains("/emqxes.apps.emqx.io") {
        kubectl(&["delete", "emqx", "--all", "--all-namespaces", "--ignore-not-found", "--wait=true"]);
    }
    kubectl(&["delete", "clusterrolebinding", "emqx-operator-test-reader", "--ignore-not-found"]);
    let pods = Api::<Pod>::namespaced(client.clone(), "default");
    until("the pods of the cluster to be gone", READY, || async {
        let left = pods.list_metadata(&ListParams::default()).await.map_err(|error| error.to_string())?.items;
        if left.is_empty() { Ok(()) } else { Err(format!("{} are there", left.len())) }
    })
    .await;
    kubectl(&["--namespace", "default", "delete", "pvc,secrets", "--all", "--wait=true"]);
}

/// CRDs that variants with monitoring and with cert-manager need. Their operators are not here: the tests play their parts.
pub async fn monitoring_crds(client: &Client) {
    let kinds = [
        ("monitoring.coreos.com", "ServiceMonitor", "servicemonitors"),
        ("monitoring.coreos.com", "PrometheusRule", "prometheusrules"),
        ("cert-manager.io", "Certificate", "certificates"),
        ("cert-manager.io", "Issuer", "issuers"),
    ];
    for (group, kind, plural) in kinds {
        apply(client, None, &any_crd(group, kind, plural, "v1")).await.unwrap();
    }
    kubectl(&[
        "wait",
        "--for=condition=Established",
        "crd/servicemonitors.monitoring.coreos.com",
        "crd/issuers.cert-manager.io",
    ]);
}

/// A CRD that accepts everything.
pub fn any_crd(group: &str, kind: &str, plural: &str, version: &str) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{group}")},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.to_lowercase()},
            "versions": [{
                "name": version,
                "served": true,
                "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
            }],
        },
    })
}
