//! A feature that an edition lacks looks like a node that boots; only repetition tells.

use crate::server::{Act, Received, credentials, json, serve};
use emqx_client::{Client, Feature, Presence};
use std::time::Duration;

const UNKNOWN_PATH: &str = r#"{"code":"NOT_FOUND","message":"Request Path Not Found"}"#;
const CLUSTER: &str = r#"{"self":"emqx@a","nodes":["emqx@a"]}"#;

async fn probe(answer: impl Fn(&str, usize) -> Act + Send + Sync + 'static) -> (Presence, Vec<Received>) {
    let server = serve(move |request, index| match request.path.as_str() {
        "/api/v5/cluster" => answer("cluster", index),
        path => answer(path, index),
    })
    .await;
    let client = Client::new().unwrap();
    let deadline = Duration::from_secs(10);
    let presence = client.probe(&server.endpoint, &credentials(), Feature::LoadRebalance, deadline).await;
    (presence, server.received())
}

#[tokio::test]
async fn a_missing_path_beside_a_known_one_twice_is_absent() {
    let (presence, received) = probe(|path, _| match path {
        "cluster" => json(200, CLUSTER),
        _ => json(404, UNKNOWN_PATH),
    })
    .await;
    assert_eq!(presence, Presence::Absent);
    assert_eq!(received.len(), 4);
}

#[tokio::test]
async fn a_node_that_boots_is_unknown() {
    let (presence, _) = probe(|_, _| json(404, UNKNOWN_PATH)).await;
    assert_eq!(presence, Presence::Unknown);
}

#[tokio::test]
async fn a_path_that_appears_is_present() {
    let (presence, _) = probe(|path, index| match path {
        "cluster" => json(200, CLUSTER),
        _ if index < 2 => json(404, UNKNOWN_PATH),
        _ => json(200, "{}"),
    })
    .await;
    assert_eq!(presence, Presence::Present);
}

#[tokio::test]
async fn a_path_with_something_to_say_is_present() {
    for (status, body) in [(503, r#"{"code":"NODE_EVACUATING"}"#), (403, "{}"), (200, "{}")] {
        let (presence, _) = probe(move |path, _| match path {
            "cluster" => json(200, CLUSTER),
            _ => json(status, body),
        })
        .await;
        assert_eq!(presence, Presence::Present, "{status}");
    }
}

#[tokio::test]
async fn silence_is_unknown() {
    let (presence, _) = probe(|path, _| match path {
        "cluster" => json(200, CLUSTER),
        _ => Act::Bytes(Vec::new()),
    })
    .await;
    assert_eq!(presence, Presence::Unknown);
}
