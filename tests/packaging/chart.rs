//! The chart, with real Helm: install, test, upgrade, uninstall, install again.

use crate::programs::{chart, helm, helm_fails, helm_or, kubectl};
use crate::{READY, SYSTEM, alone, installed};
use emqx_operator_api::hub::EMQX;
use emqx_operator_tests::emqx;
use kube::{Api, ResourceExt};

const INSTALL: [&str; 6] = ["--namespace", SYSTEM, "--create-namespace", "--wait", "--timeout", "120s"];

fn install(chart: &str, settings: &[&str]) {
    helm(&[&["install", "emqx-operator", chart], &INSTALL[..], settings].concat());
}

fn passes_its_tests() {
    let said = helm_or(&["test", "emqx-operator", "--namespace", SYSTEM, "--timeout", "120s"]);
    let logs = |_: &String| kubectl(&["--namespace", SYSTEM, "logs", "emqx-operator-test", "--all-containers"]);
    assert!(said.is_ok(), "{said:?}; the pod says {:?}", said.as_ref().err().map(logs));
}

#[tokio::test]
async fn a_release_lives_through_upgrades_and_its_clusters_outlive_it() {
    let (client, _alone) = alone().await;
    installed::clear(&client).await;
    kubectl(&["delete", "crd", "emqxes.apps.emqx.io", "--ignore-not-found"]);
    let chart = chart();
    install(&chart, &[]);
    passes_its_tests();
    installed::manages_a_cluster(&client).await;
    let api = Api::<EMQX>::namespaced(client.clone(), "default");
    let before = api.get("emqx").await.unwrap().uid().unwrap();

    for mode in ["proxy", "tls"] {
        let settings = format!("replicaCount=2,metrics.mode={mode}");
        let upgrade = ["upgrade", "emqx-operator", &chart, "--set", &settings];
        helm(&[&upgrade[..], &INSTALL[..]].concat());
        installed::becomes_ready();
        passes_its_tests();
    }

    helm(&["uninstall", "emqx-operator", "--namespace", SYSTEM, "--wait"]);
    assert_eq!(api.get("emqx").await.unwrap().uid().unwrap(), before, "the resource outlives the release");
    let pods = kubectl(&["--namespace", "default", "get", "pods", "--output", "name"]);
    assert_eq!(pods.lines().count(), 4, "its pods go on: {pods}");

    install(&chart, &[]);
    emqx::ready(&client, "default", "emqx", READY).await;
    assert_eq!(api.get("emqx").await.unwrap().uid().unwrap(), before);
    helm(&["uninstall", "emqx-operator", "--namespace", SYSTEM, "--wait"]);
    installed::clear(&client).await;
}

#[tokio::test]
async fn crds_go_with_the_release_when_the_user_says_so() {
    let (client, _alone) = alone().await;
    installed::clear(&client).await;
    kubectl(&["delete", "crd", "emqxes.apps.emqx.io", "--ignore-not-found"]);
    install(&chart(), &["--set", "crds.keep=false"]);
    helm(&["uninstall", "emqx-operator", "--namespace", SYSTEM, "--wait"]);
    let crds = kubectl(&["get", "crds", "--output", "name"]);
    assert!(!crds.contains("emqxes.apps.emqx.io"), "{crds}");
    installed::clear(&client).await;
}

#[test]
fn values_that_mean_nothing_are_refused() {
    let chart = chart();
    let settings = [
        "metrics.mode=htttp",
        "metrics.certManager=true",
        "replicas=2",
        "watchNamespaces={Not_A_Name}",
        "rbac.podsExec=sometimes",
        // Without its end it is the beginning of other people's names, too.
        "tenantPolicy.imagePrefixes={registry.example/team}",
    ];
    for setting in settings {
        let error = helm_fails(&["template", "emqx-operator", &chart, "--kube-version", "1.34", "--set", setting]);
        assert!(error.contains("schema"), "{setting}: {error}");
    }
}

#[test]
fn a_policy_that_the_cluster_does_not_know_is_refused() {
    let template =
        ["template", "emqx-operator", &chart(), "--kube-version", "1.29", "--set", "tenantPolicy.enabled=true"];
    let error = helm_fails(&template);
    assert!(error.contains("tenantPolicy needs Kubernetes 1.30"), "{error}");
}
