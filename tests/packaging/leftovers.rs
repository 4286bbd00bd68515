//! What a Go operator leaves behind stops the installation with the reason, and nothing is changed.

use crate::installed::any_crd;
use crate::programs::{chart, helm_fails, kubectl};
use crate::{SYSTEM, alone, installed};
use emqx_operator_tests::cluster::apply;
use emqx_operator_tests::wait::until;
use kube::Client;
use serde_json::{Value, json};
use std::time::Duration;

/// Tries an installation beside some objects, and removes them again.
async fn stopped_by(client: &Client, left: &[Value]) -> String {
    for object in left {
        let namespace = object.pointer("/metadata/namespace").and_then(Value::as_str);
        apply(client, namespace, object).await.unwrap();
    }
    let before = settled().await;
    let error = helm_fails(&["install", "emqx-operator", &chart(), "--namespace", SYSTEM, "--timeout", "60s"]);
    assert_eq!(everything(), before, "the installation changed something");
    assert!(error.contains("nothing was changed"), "{error}");
    for object in left {
        let kind = object["kind"].as_str().unwrap();
        let name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap();
        kubectl(&["--namespace", SYSTEM, "delete", kind, name]);
    }
    error
}

/// Everything, once Kubernetes' own controllers have done with what was just made: the account of a new namespace,
/// the conditions of a new CRD.
async fn settled() -> String {
    until("nothing changing by itself", Duration::from_secs(60), || async {
        let before = everything();
        tokio::time::sleep(Duration::from_secs(2)).await;
        let now = everything();
        if now == before { Ok(now) } else { Err(format!("{before}\nbecame\n{now}")) }
    })
    .await
}

/// What an installation could change, with versions.
fn everything() -> String {
    let kinds = "secrets,services,deployments,roles,rolebindings,clusterroles,clusterrolebindings,\
                 crds,validatingwebhookconfigurations,serviceaccounts";
    let columns = "custom-columns=KIND:.kind,NS:.metadata.namespace,NAME:.metadata.name,V:.metadata.resourceVersion";
    kubectl(&["get", kinds, "--all-namespaces", "--output", columns])
}

async fn prepared() -> (Client, tokio::sync::MutexGuard<'static, ()>) {
    let (client, alone) = alone().await;
    installed::clear(&client).await;
    kubectl(&["delete", "crd", "emqxes.apps.emqx.io", "--ignore-not-found"]);
    kubectl(&["create", "namespace", SYSTEM]);
    (client, alone)
}

#[tokio::test]
async fn versions_that_are_stored_and_not_served() {
    let (client, _alone) = prepared().await;
    let error = stopped_by(&client, &[any_crd("apps.emqx.io", "EMQX", "emqxes", "v2beta1")]).await;
    assert!(error.contains("CRD emqxes.apps.emqx.io has stored version v2beta1"), "{error}");
}

#[tokio::test]
async fn kinds_of_older_lines() {
    let (client, _alone) = prepared().await;
    let error = stopped_by(&client, &[any_crd("apps.emqx.io", "EmqxBroker", "emqxbrokers", "v1beta4")]).await;
    assert!(error.contains("CRD emqxbrokers.apps.emqx.io belongs to a Go operator"), "{error}");
}

#[tokio::test]
async fn conversion_by_a_webhook() {
    let (client, _alone) = prepared().await;
    let mut crd = any_crd("apps.emqx.io", "EMQX", "emqxes", "v3beta1");
    let service = json!({"name": "emqx-operator-webhook-service", "namespace": SYSTEM, "path": "/convert"});
    crd["spec"]["conversion"] = json!({
        "strategy": "Webhook",
        "webhook": {"clientConfig": {"service": service}, "conversionReviewVersions": ["v1"]},
    });
    let error = stopped_by(&client, &[crd]).await;
    assert!(error.contains("CRD emqxes.apps.emqx.io is converted by a webhook"), "{error}");
}

#[tokio::test]
async fn webhooks() {
    let (client, _alone) = prepared().await;
    let configuration = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "emqx-operator-validating-webhook-configuration"},
        "webhooks": [{
            "name": "validating.apps.emqx.io",
            "clientConfig": {"service": {"name": "emqx-operator-webhook-service", "namespace": SYSTEM}},
            "rules": [{"apiGroups": ["apps.emqx.io"], "apiVersions": ["v2beta1"], "operations": ["CREATE"], "resources": ["emqxes"]}],
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "failurePolicy": "Ignore",
        }],
    });
    let error = stopped_by(&client, &[configuration]).await;
    assert!(error.contains("ValidatingWebhookConfiguration emqx-operator-validating-webhook-configuration"), "{error}");
}

#[tokio::test]
async fn roles() {
    let (client, _alone) = prepared().await;
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "emqx-operator-manager-role"},
        "rules": [{"apiGroups": ["apps.emqx.io"], "resources": ["emqxes", "emqxes/finalizers"], "verbs": ["update"]}],
    });
    let error = stopped_by(&client, &[role]).await;
    assert!(error.contains("ClusterRole emqx-operator-manager-role belongs to another EMQX operator"), "{error}");
}

#[tokio::test]
async fn an_operator_that_works() {
    let (client, _alone) = prepared().await;
    // The node's lease was renewed a moment ago: its time is the cluster's.
    let renewed = until("the lease of the node", Duration::from_secs(60), || async {
        let now = kubectl(&["get", "--raw", "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"]);
        let leases: Value = serde_json::from_str(&now).unwrap();
        leases.pointer("/items/0/spec/renewTime").filter(|time| time.is_string()).cloned().ok_or(now)
    })
    .await;
    let lease = |holder: &str| {
        json!({
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": "19fd6fcc.emqx.io", "namespace": SYSTEM},
            "spec": {"holderIdentity": holder, "leaseDurationSeconds": 3600, "renewTime": renewed},
        })
    };
    let error = stopped_by(&client, &[lease("emqx-operator-controller-manager-5d4f_3b1c")]).await;
    assert!(
        error.contains(
            "Lease emqx-operator-system/19fd6fcc.emqx.io is held by emqx-operator-controller-manager-5d4f_3b1c"
        ),
        "{error}"
    );
}
