//! Metrics over HTTPS: who gets them, and the certificates.

use crate::environment;
use emqx_operator_runtime::{CertificateSource, OwnCertificate, Settings};
use emqx_operator_tests::cluster::apply;
use emqx_operator_tests::operator::{Operator, settings};
use emqx_operator_tests::wait::until;
use jiff::SignedDuration;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::api::PostParams;
use kube::{Api, Client};
use reqwest::{Certificate, StatusCode};
use serde_json::json;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(30);
const CA: &str = "emqx-operator-metrics-ca";

fn own(namespace: &str, lifetime: SignedDuration) -> CertificateSource {
    CertificateSource::Own(OwnCertificate {
        namespace: namespace.to_owned(),
        names: vec!["localhost".to_owned()],
        lifetime,
    })
}

/// An operator that serves metrics on a free port.
fn serving(namespace: &str, source: CertificateSource) -> (Operator, SocketAddr) {
    // In the network of the cluster a port that is free now is free in a moment, too.
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let settings =
        Settings { metrics_address: Some(address), metrics_certificate: Some(source), ..settings(&[namespace]) };
    (Operator::with(settings), address)
}

/// A scraper that trusts the certificates of a PEM text and no others.
fn scraper(trusted: &str) -> reqwest::Client {
    let certificates = Certificate::from_pem_bundle(trusted.as_bytes()).unwrap();
    let builder = reqwest::Client::builder().tls_certs_only(certificates).tls_info(true).pool_max_idle_per_host(0);
    builder.build().unwrap()
}

async fn authority(client: &Client, namespace: &str) -> String {
    until("the authority to be in its Secret", LIMIT, || async {
        let secrets = Api::<Secret>::namespaced(client.clone(), namespace);
        let secret = secrets.get(CA).await.map_err(|error| error.to_string())?;
        Ok(String::from_utf8(secret.data.unwrap()["ca.crt"].0.clone()).unwrap())
    })
    .await
}

async fn scrape(
    scraper: &reqwest::Client,
    address: SocketAddr,
    token: Option<&str>,
) -> reqwest::Result<(StatusCode, String)> {
    let mut request = scraper.get(format!("https://localhost:{}/metrics", address.port()));
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    let answer = request.send().await?;
    Ok((answer.status(), answer.text().await?))
}

/// The certificate that is served now, as bytes, to somebody who has not been there: who has resumes without one.
async fn leaf(trusted: &str, address: SocketAddr) -> Result<Vec<u8>, String> {
    let scraper = scraper(trusted);
    let url = format!("https://localhost:{}/metrics", address.port());
    let answer = scraper.get(url).send().await.map_err(|error| format!("{error:?}"))?;
    let info = answer.extensions().get::<reqwest::tls::TlsInfo>().unwrap();
    Ok(info.peer_certificate().unwrap().to_vec())
}

/// What somebody gets who may: a binding takes a moment to count, and a no is remembered for some seconds.
async fn admitted(scraper: &reqwest::Client, address: SocketAddr, token: &str) -> String {
    until("the endpoint to tell metrics", LIMIT, || async {
        let (code, text) = scrape(scraper, address, Some(token)).await.map_err(|error| format!("{error:?}"))?;
        if code == StatusCode::OK { Ok(text) } else { Err(format!("{code}: {text}")) }
    })
    .await
}

async fn token(client: &Client, namespace: &str, account: &str) -> String {
    let accounts = Api::<ServiceAccount>::namespaced(client.clone(), namespace);
    let body = json!({"metadata": {"name": account}});
    accounts.create(&PostParams::default(), &serde_json::from_value(body).unwrap()).await.unwrap();
    let request =
        TokenRequest { spec: TokenRequestSpec { audiences: vec![], ..Default::default() }, ..Default::default() };
    let made = accounts.create_token_request(account, &PostParams::default(), &request).await.unwrap();
    made.status.unwrap().token
}

/// What docs/install.md tells users to do for their Prometheus.
async fn let_scrape(client: &Client, namespace: &str, account: &str) {
    for role in emqx_operator_tests::cluster::documents("config/rbac/metrics-auth/metrics_reader_role.yaml").unwrap() {
        apply(client, None, &role).await.unwrap();
    }
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": format!("{namespace}-reader")},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "metrics-reader"},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": namespace}],
    });
    apply(client, None, &binding).await.unwrap();
}

#[tokio::test]
async fn those_who_may_get_metrics_and_nobody_else() {
    let (client, namespace) = environment("scraped").await;
    let (_operator, address) = serving(&namespace, own(&namespace, SignedDuration::from_hours(1)));
    let scraper = scraper(&authority(&client, &namespace).await);
    let reader = token(&client, &namespace, "reader").await;
    let stranger = token(&client, &namespace, "stranger").await;
    let_scrape(&client, &namespace, "reader").await;

    let text = admitted(&scraper, address, &reader).await;
    assert!(text.contains("emqx_operator_leading 1"), "{text}");
    for (token, expected) in [(None, 401), (Some("nonsense"), 401), (Some(stranger.as_str()), 403)] {
        let (code, text) = scrape(&scraper, address, token).await.unwrap();
        assert_eq!(code.as_u16(), expected, "{text}");
        assert!(!text.contains("emqx_operator_leading"), "{text}");
    }
}

/// What prometheus sees is what the reference says, no more and no less.
#[tokio::test]
async fn the_reference_names_what_is_told() {
    let (client, namespace) = environment("named").await;
    let (_operator, address) = serving(&namespace, own(&namespace, SignedDuration::from_hours(1)));
    let spec = json!({"image": "emqx/emqx:5.10.4"});
    apply(&client, Some(&namespace), &emqx_operator_tests::emqx::resource("iot", spec)).await.unwrap();
    emqx_operator_tests::emqx::settled(&client, &namespace, "iot", Duration::from_secs(180)).await;
    let reader = token(&client, &namespace, "reader").await;
    let_scrape(&client, &namespace, "reader").await;
    let scraper = scraper(&authority(&client, &namespace).await);
    let text = admitted(&scraper, address, &reader).await;

    let page = std::fs::read_to_string(emqx_operator_tests::cluster::root().join("docs/reference/metrics.md")).unwrap();
    let documented: BTreeSet<_> = page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let told: BTreeSet<_> =
        types.map(|(name, kind)| if kind == "counter" { format!("{name}_total") } else { name.to_owned() }).collect();
    let unknown: Vec<_> = told.iter().filter(|name| !documented.contains(name.as_str())).collect();
    assert!(unknown.is_empty(), "told and not documented: {unknown:?}");
    // A cluster at rest is not held up.
    let untold: Vec<_> = documented.iter().filter(|name| !told.contains(**name)).collect();
    assert_eq!(untold, [&"emqx_operator_cluster_hold_seconds"]);
    assert!(text.contains(&format!("namespace=\"{namespace}\",name=\"iot\"")), "{text}");

    emqx_operator_tests::emqx::delete(&client, &namespace, "iot").await;
    until("its series to vanish", LIMIT, || async {
        let text = admitted(&scraper, address, &reader).await;
        if text.contains("name=\"iot\"") { Err(text) } else { Ok(()) }
    })
    .await;
}

#[tokio::test]
async fn replicas_share_one_authority_and_a_leaf_is_replaced_without_a_restart() {
    let (client, namespace) = environment("rotated").await;
    // They start at the same moment, and both find no Secret.
    let (_one, first) = serving(&namespace, own(&namespace, SignedDuration::from_secs(45)));
    let (_other, second) = serving(&namespace, own(&namespace, SignedDuration::from_secs(45)));
    let trusted = authority(&client, &namespace).await;
    let mut seen = BTreeSet::new();
    for address in [first, second] {
        seen.insert(until("a certificate that is trusted", LIMIT, || leaf(&trusted, address)).await);
    }
    assert_eq!(seen.len(), 2, "each has a leaf of its own");
    // For longer than a leaf is valid it is trusted at every moment.
    let before = seen.len();
    for _ in 0..150 {
        seen.insert(leaf(&trusted, first).await.unwrap());
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert!(seen.len() >= before + 2, "a leaf of 45 s was replaced {} times in 75 s", seen.len() - before);
}

#[tokio::test]
async fn a_secret_of_somebody_else_is_left_alone_and_its_end_is_noticed() {
    let (client, namespace) = environment("foreign").await;
    let secrets = Api::<Secret>::namespaced(client.clone(), &namespace);
    let theirs = json!({"metadata": {"name": CA}, "stringData": {"tls.crt": "theirs"}});
    secrets.create(&PostParams::default(), &serde_json::from_value(theirs).unwrap()).await.unwrap();
    let (_operator, address) = serving(&namespace, own(&namespace, SignedDuration::from_hours(1)));
    tokio::time::sleep(Duration::from_secs(3)).await;
    let secret = secrets.get(CA).await.unwrap();
    assert!(!secret.data.unwrap().contains_key("ca.crt"), "somebody's Secret was overwritten");
    secrets.delete(CA, &kube::api::DeleteParams::default()).await.unwrap();
    let trusted = authority(&client, &namespace).await;
    until("a certificate that is trusted", LIMIT, || leaf(&trusted, address)).await;
}

/// Writes a certificate for `localhost`, as cert-manager would, and returns it.
fn write_pair(folder: &Path) -> String {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(folder.join("tls.crt"), made.cert.pem()).unwrap();
    std::fs::write(folder.join("tls.key"), made.signing_key.serialize_pem()).unwrap();
    made.cert.pem()
}

#[tokio::test]
async fn certificates_in_files_are_taken_and_taken_again() {
    let (_, namespace) = environment("files").await;
    let folder = tempfile::tempdir().unwrap();
    let before = write_pair(folder.path());
    let (_operator, address) = serving(&namespace, CertificateSource::Files(folder.path().to_owned()));
    until("the first certificate to be served", LIMIT, || leaf(&before, address)).await;
    let after = write_pair(folder.path());
    until("the second certificate to be served", LIMIT, || leaf(&after, address)).await;
    assert!(leaf(&before, address).await.is_err());
}
