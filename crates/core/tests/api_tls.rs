//! The authority that the spec trusts for the EMQX API: what is refused, whom is asked, and that no node restarts for it.

#[path = "support/resource.rs"]
mod support;

#[path = "support/planning.rs"]
mod planning;

use emqx_operator_core::desired::{Desired, Mistakes, ReferenceKind, References, SecretData, references};
use emqx_operator_core::reason::Reason;
use emqx_operator_core::world::{Kind, KubernetesView, api_candidates};
use k8s_openapi::api::core::v1::Pod;
use planning::{nobody, plan_for, written};
use serde_json::{Value, json};
use std::sync::Arc;

const CA: &str = "\
-----BEGIN CERTIFICATE-----
MIIBczCCARmgAwIBAgIUWGlZ6hBlBjkzwnzqi2YNQzOU6aYwCgYIKoZIzj0EAwIw
DzENMAsGA1UEAwwEZW1xeDAeFw0yNjExMjgxNTExNDZaFw0zNjExMjUxNTExNDZa
MA8xDTALBgNVBAMMBGVtcXgwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAATaoTuC
W8Hl9UN02tkWGrI6KnxN8DQtAb4L04n4SUG3NbkDuUYzdElJ09HpT2UoYnNz2ZAt
A8oeOXTlu7Ie+nhto1MwUTAdBgNVHQ4EFgQURCL8s3NJd3+GLfL1Nxj2SGHlwZQw
HwYDVR0jBBgwFoAURCL8s3NJd3+GLfL1Nxj2SGHlwZQwDwYDVR0TAQH/BAUwAwEB
/zAKBggqhkjOPQQDAgNIADBFAiBCJJD0YSihDo/n1vqRD1U95xpy4BKgz0Q54ky8
qF2lNwIhAObG/A+QPqGWle2PYvbtOs66vw5SW280BE57B1l9Oteo
-----END CERTIFICATE-----
";

fn resource(https: bool, api_tls: &Value) -> emqx_operator_api::hub::EMQX {
    let listeners = if https { json!({"https": {"bind": 18084}}) } else { json!({"http": {"bind": 18083}}) };
    let mut spec = json!({"image": "emqx/emqx:6.0.0", "config": {"roots": {"dashboard": {"listeners": listeners}}}});
    if !api_tls.is_null() {
        spec["apiTLS"] = api_tls.clone();
    }
    support::resource(json!({
        "apiVersion": "apps.emqx.io/v3beta1", "kind": "EMQX", "metadata": {"name": "iot"}, "spec": spec,
    }))
}

fn trusting(name: &str) -> Value {
    json!({"caSecretRef": {"name": name}})
}

fn resolve(https: bool, content: Option<(&str, &[u8])>) -> Result<Desired, Mistakes> {
    let mut found = References::default();
    if let Some((key, bytes)) = content {
        let entries = [(key.to_owned(), bytes.to_vec())].into();
        found.secrets.insert("emqx-ca".to_owned(), SecretData { resource_version: "1".to_owned(), entries });
    }
    Desired::resolve(&resource(https, &trusting("emqx-ca")), &found)
}

/// Name, key and content of the Secret if it exists, and what is said of it.
type Row<'a> = (&'a str, Option<(&'a str, &'a [u8])>, Reason, &'a str);

#[test]
fn a_secret_with_certificates_is_taken_and_anything_else_is_told() {
    let key = "ca.crt";
    let begin = "-----BEGIN CERTIFICATE-----";
    let cut = &CA[..CA.len() / 2];
    let short = format!("{begin}\nMIIBfTCC\n-----END CERTIFICATE-----\n");
    let second_is_bad = format!("{CA}{short}");
    let huge = CA.repeat(200);
    let (missing, invalid) = (Reason::MissingReference, Reason::InvalidSpec);
    let table: [Row<'_>; 9] = [
        ("no Secret", None, missing, "Secret emqx-ca does not exist"),
        ("no key", Some(("tls.crt", CA.as_bytes())), missing, "Secret emqx-ca has no key ca.crt"),
        ("empty", Some((key, b"")), invalid, "holds no certificate"),
        ("not text", Some((key, b"\xff\xfe")), invalid, "is not text"),
        ("another thing", Some((key, b"-----BEGIN PRIVATE KEY-----")), invalid, "holds no certificate"),
        ("cut", Some((key, cut.as_bytes())), invalid, "cut or damaged"),
        ("not base64", Some((key, begin.as_bytes())), invalid, "cut or damaged"),
        ("one of two", Some((key, second_is_bad.as_bytes())), invalid, "cut or damaged"),
        ("too much", Some((key, huge.as_bytes())), invalid, "64 KiB"),
    ];
    for (name, content, reason, problem) in table {
        let mistakes = resolve(true, content).expect_err(name);
        let text = mistakes.to_string();
        assert_eq!(mistakes.reason(), reason, "{name}: {text}");
        assert!(text.starts_with("spec.apiTLS.caSecretRef: ") && text.contains(problem), "{name}: {text}");
    }
    let two = format!("# made by hand\r\n{CA}\r\n{CA}").replace('\n', "\r\n");
    for good in [CA, &two] {
        assert_eq!(resolve(true, Some((key, good.as_bytes()))).expect("certificates").api_ca.as_deref(), Some(good));
    }
    let mistakes = resolve(false, Some((key, CA.as_bytes()))).expect_err("there is nothing to verify");
    assert!(mistakes.to_string().starts_with("spec.apiTLS: "), "{mistakes}");
}

#[test]
fn the_secret_is_looked_up() {
    let named = references(&resource(true, &trusting("emqx-ca")));
    assert!(named.iter().any(|one| one.kind == ReferenceKind::SecretValue && one.name == "emqx-ca"));
}

/// The operator alone reads it.
#[test]
fn no_node_restarts_for_it() {
    let made = |desired: &Desired| {
        let plan = plan_for(desired, &KubernetesView::default(), nobody());
        (written(&plan, Kind::StatefulSet), written(&plan, Kind::ConfigMap), desired.templates.revision())
    };
    let without = Desired::resolve(&resource(true, &Value::Null), &References::default()).expect("the spec is right");
    let with = resolve(true, Some(("ca.crt", CA.as_bytes()))).expect("the spec is right");
    assert_eq!((without.api_ca.as_ref(), made(&without)), (None, made(&with)));
}

/// It serves.
fn pod(name: &str, ports: &Value) -> Arc<Pod> {
    let value = json!({
        "metadata": {"name": name, "labels": {"apps.emqx.io/db-role": "core"}},
        "spec": {"containers": [{"name": "emqx", "ports": ports}]},
        "status": {"podIP": "10.0.0.1", "phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    });
    Arc::new(serde_json::from_value(value).expect("a pod"))
}

/// Pods with the labels of a cluster are as many as somebody makes.
#[test]
fn no_more_than_a_few_cores_are_asked() {
    let desired = Desired::resolve(&resource(false, &Value::Null), &References::default()).expect("the spec is right");
    let pods = (0..1000).map(|number| pod(&format!("iot-core-{number}"), &Value::Null)).collect();
    let asked = api_candidates(&desired, &KubernetesView { pods, ..KubernetesView::default() });
    assert_eq!((asked.len(), asked[15].pod.as_str()), (16, "iot-core-15"));
}

/// A node from before the HTTPS listener is asked as it can be; a rollout would never end otherwise.
#[test]
fn with_an_authority_nodes_are_asked_over_https_where_they_can_be() {
    let asked = |desired: &Desired, ports: Value| {
        let view = KubernetesView { pods: vec![pod("iot-core-0", &ports)], ..KubernetesView::default() };
        api_candidates(desired, &view).first().map(|endpoint| (endpoint.https, endpoint.port))
    };
    let http = || json!({"name": "dashboard", "containerPort": 18083});
    let https = || json!({"name": "dashboard-https", "containerPort": 18084});
    let with = resolve(true, Some(("ca.crt", CA.as_bytes()))).expect("the spec is right");
    let without = Desired::resolve(&resource(true, &Value::Null), &References::default()).expect("the spec is right");
    assert_eq!(asked(&with, json!([http(), https()])), Some((true, 18084)));
    assert_eq!(asked(&with, json!([http()])), Some((false, 18083)));
    assert_eq!(asked(&without, json!([http(), https()])), Some((false, 18083)));
    assert_eq!(asked(&without, json!([https()])), Some((true, 18084)));
}
