//! Every variant of the kustomize tree, installed from its rendered file by `kubectl apply`: the operator becomes Ready,
//! manages a cluster, and a real Prometheus scrapes it. Over HTTPS, others are refused.

use crate::programs::{kubectl, manifest};
use crate::prometheus::{Prometheus, Scraper, endpoint};
use crate::{SERVICE, SYSTEM, alone, installed};
use emqx_operator_tests::wait::until;
use serde_json::json;
use std::time::Duration;

async fn works(variant: &str) {
    let (client, _alone) = alone().await;
    installed::clear(&client).await;
    kubectl(&["apply", "--filename", &manifest(variant)]);
    if variant.ends_with("cert-manager") {
        issue_certificate();
    }
    installed::becomes_ready();
    installed::manages_a_node(&client).await;
    is_scraped().await;
    if variant == "kustomize-prometheus-metrics-tls" {
        break_authority().await;
        is_scraped().await;
    }
    if variant != "kustomize-default" {
        // One is removed as the documentation says, which takes longer.
        installed::stop();
    }
    installed::uninstall();
    let left = kubectl(&["--namespace", "default", "get", "emqx/emqx", "pod/emqx-core-0", "--output", "name"]);
    assert_eq!(left.lines().count(), 2, "a cluster outlives the operator: {left}");
    installed::clear(&client).await;
}

/// Somebody spoils the Secret of the authority; the next operator makes another one.
async fn break_authority() {
    let patch = r#"{"data": {"tls.key": "eA=="}}"#;
    kubectl(&["--namespace", SYSTEM, "patch", "secret", "emqx-operator-metrics-ca", "--type=merge", "--patch", patch]);
    kubectl(&["--namespace", SYSTEM, "rollout", "restart", "deployment/emqx-operator-controller-manager"]);
    installed::becomes_ready();
    until("a new authority", Duration::from_secs(30), || async {
        let key = ["get", "secret", "emqx-operator-metrics-ca", "--output", "jsonpath={.data.tls\\.key}"];
        let key = kubectl(&[&["--namespace", SYSTEM], &key[..]].concat());
        if key == "eA==" { Err(key) } else { Ok(()) }
    })
    .await;
}

/// What cert-manager does when it sees the Certificate.
fn issue_certificate() {
    let made = rcgen::generate_simple_self_signed([format!("{SERVICE}.{SYSTEM}.svc")]).unwrap();
    let certificate = made.cert.pem();
    let secret = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "metrics-server-cert", "namespace": SYSTEM},
        "type": "kubernetes.io/tls",
        "stringData": {"ca.crt": certificate, "tls.crt": certificate, "tls.key": made.signing_key.serialize_pem()},
    });
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), secret.to_string()).unwrap();
    kubectl(&["apply", "--filename", &file.path().display().to_string()]);
}

/// By whom it should be, and by nobody else.
async fn is_scraped() {
    let endpoint = endpoint();
    let secure = endpoint["scheme"] == "https";
    let scraper = if secure { Scraper::Reader } else { Scraper::Anonymous };
    let prometheus = Prometheus::start(&endpoint, scraper).await;
    prometheus.scrapes().await;
    until("the operator's metrics to be in Prometheus", Duration::from_secs(60), || async {
        let leading = prometheus.query("emqx_operator_leading == 1").await?;
        if leading.len() == 1 { Ok(()) } else { Err(format!("{leading:?}")) }
    })
    .await;
    if secure {
        refuses(Scraper::Anonymous, "401").await;
        refuses(Scraper::Stranger, "403").await;
    }
}

async fn refuses(scraper: Scraper, code: &str) {
    let error = Prometheus::start(&endpoint(), scraper).await.answered().await;
    assert!(error.contains(&format!("HTTP status {code}")), "{scraper:?} got {error:?}, not {code}");
}

macro_rules! variants {
    ($($(#[$long:meta])? $test:ident $variant:literal,)+) => {
        $(
            #[tokio::test]
            $(#[$long])?
            async fn $test() {
                works(concat!("kustomize-", $variant)).await;
            }
        )+

        #[test]
        fn no_variant_is_left_out() {
            let overlays = std::fs::read_dir(emqx_operator_tests::cluster::root().join("config/overlays")).unwrap();
            let mut found: Vec<_> =
                overlays.map(|overlay| overlay.unwrap().file_name().into_string().unwrap()).collect();
            found.push("default".to_owned());
            found.sort();
            assert_eq!(found, [$($variant),+]);
        }
    };
}

// Every time those that have what no other one has. The rest is left to `cargo xtask test --all`: each is a part of another
// one, or of what the chart and the dashboards are tested with.
variants! {
    the_default_works "default",
    #[ignore = "long: prometheus-metrics-proxy has its side-car and more"]
    metrics_behind_kube_rbac_proxy_work "metrics-proxy",
    #[ignore = "long: prometheus-metrics-tls has its certificates and more"]
    metrics_over_tls_work "metrics-tls",
    metrics_over_tls_with_cert_manager_work "metrics-tls-cert-manager",
    chosen_namespaces_work "namespaced",
    #[ignore = "long: the default with policies, which the network of local clusters does not know"]
    a_network_policy_works "network-policy",
    #[ignore = "long: the default with a role, which end-to-end tests use"]
    commands_in_pods_work "pods-exec",
    #[ignore = "long: the dashboards are tested with it"]
    monitoring_works "prometheus",
    monitoring_behind_kube_rbac_proxy_works "prometheus-metrics-proxy",
    monitoring_over_tls_works "prometheus-metrics-tls",
    pod_security_restricted_works "restricted",
    a_policy_for_tenants_works "tenant-policy",
}
