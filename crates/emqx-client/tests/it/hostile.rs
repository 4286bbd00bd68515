//! A broker may be any program: what it says costs the operator little, and what people read of it is one plain line.

use crate::server::{Act, credentials, json, serve};
use emqx_client::api::{GetNodes, GetSites, Request};
use emqx_client::{Client, Error};
use proptest::prelude::*;
use serde_json::json as value;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(30);

/// Asks a server of this behavior for its nodes, with at most so many bytes for all of it.
async fn error(act: impl Fn() -> Act + Send + Sync + 'static, bytes: usize) -> Error {
    let server = serve(move |_, _| act()).await;
    let client = Client::new().unwrap().reading_at_most(bytes);
    client.ask(&server.endpoint, &credentials(), &GetNodes, LONG).await.unwrap_err()
}

#[tokio::test]
async fn answers_to_one_question_and_to_all_are_bounded() {
    let list = format!("[{}]", vec![r#"{"node":"emqx@a","node_status":"running"}"#; 20].join(","));
    let server = serve(move |_, _| json(200, &list)).await;
    let client = Client::new().unwrap().reading_at_most(2048);
    let ask = async || client.ask(&server.endpoint, &credentials(), &GetNodes, LONG).await;
    assert_eq!((ask().await.unwrap().len(), ask().await.unwrap().len()), (20, 20));
    let third = ask().await.unwrap_err();
    assert_eq!(
        third.to_string(),
        "GET /nodes: the answer cannot be read: with the answers before it is larger than 2 KiB"
    );
    // The next conversation has its own.
    let fresh = Client::new().unwrap().reading_at_most(2048);
    assert!(fresh.ask(&server.endpoint, &credentials(), &GetNodes, LONG).await.is_ok());
}

/// Eight million bytes of `[` or `1,` would become hundreds of megabytes of values.
#[test]
fn many_entries_are_not_taken_apart() {
    let many = 250_000;
    let lists = ["[", "{\"a\":[", "1,", "\"a\",", "{},"].map(|entry| format!("[{}", entry.repeat(many)));
    for body in lists {
        let problem = GetSites.read(body.as_bytes()).unwrap_err();
        assert_eq!(problem, "it has more than 200000 entries", "{}", &body[..8]);
    }
    let honest = value!(vec!["5B1F0C6E2D7A9A01"; 1000]).to_string();
    assert_eq!(GetSites.read(honest.as_bytes()).unwrap().len(), 1000);
}

#[tokio::test]
async fn an_error_is_told_by_its_status_however_long_its_body_is() {
    let endless = |status: u16| {
        move || Act::Bytes([format!("HTTP/1.1 {status} X\r\n\r\n").into_bytes(), vec![b'['; 9 << 20]].concat())
    };
    assert!(matches!(error(endless(401), 8 << 20).await, Error::Unauthorized { .. }));
    assert!(matches!(error(endless(403), 8 << 20).await, Error::Forbidden { .. }));
    assert!(matches!(error(endless(400), 100).await, Error::Rejected { .. }));
    assert!(matches!(error(endless(500), 100).await, Error::Broker { status: 500, .. }));
}

#[tokio::test]
async fn people_read_one_plain_line() {
    let bad = "\u{1b}[31m\r\nno\u{202e}\u{0}".to_owned() + &"x".repeat(10_000);
    for body in [value!({"code": bad, "message": bad}), value!({"errors": {"mqtt": {"path": bad, "reason": bad}}})] {
        for status in [400, 401, 403, 404, 500] {
            let text = body.to_string();
            let error = error(move || json(status, &text), 1 << 20).await.to_string();
            assert!(!error.chars().any(|c| c.is_control() || c == '\u{202e}'), "{status}: {error:?}");
            assert!(error.chars().count() < 800, "{status}: {error}");
        }
    }
}

proptest! {
    /// Sums of counts fit into a number.
    #[test]
    fn what_cannot_be_a_count_is_unknown(count in prop_oneof![any::<i64>().prop_map(|n| value!(n)), any::<f64>().prop_map(|n| value!(n)), any::<u64>().prop_map(|n| value!(n))]) {
        let body = value!([{"node": "emqx@a", "node_status": "running", "connections": count}]).to_string();
        let nodes = GetNodes.read(body.as_bytes()).unwrap();
        prop_assert!(nodes[0].connections.is_none_or(|count| (0..=1_000_000_000_000).contains(&count)));
    }
}
