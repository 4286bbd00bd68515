//! What a broken or hanging node does to a request, told apart.

use crate::server::{Act, credentials, hang, json, nobody, serve};
use emqx_client::api::{Availability, GetAvailability, GetNodes, GetStatus, GetTopology};
use emqx_client::{Client, Code, Error, NoCredentials};
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(10);
const SHORT: Duration = Duration::from_millis(200);
const NODES: &str = r#"[{"node":"emqx@a","node_status":"running"}]"#;

/// The head of an answer that promises this many bytes.
fn promise(length: usize) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n")
}

/// Asks a server of this behavior for its nodes, and returns the error's text.
async fn error(act: impl Fn() -> Act + Send + Sync + 'static, deadline: Duration) -> (Error, String) {
    let server = serve(move |_, _| act()).await;
    let error = Client::new().unwrap().ask(&server.endpoint, &credentials(), &GetNodes, deadline).await.unwrap_err();
    let text = error.to_string();
    (error, text)
}

#[tokio::test]
async fn nobody_listening_is_unreachable() {
    let endpoint = nobody().await;
    let error = Client::new().unwrap().ask(&endpoint, &credentials(), &GetNodes, LONG).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
    assert!(error.to_string().starts_with("GET /nodes: cannot connect: "), "{error}");
    assert!(!error.may_have_been_applied());
}

#[tokio::test]
async fn a_deadline_holds_against_silence_before_and_within_the_body() {
    let cut = || Act::BytesThenSilence(format!("{}[", promise(1000)).into_bytes());
    for (name, act) in [("before", hang as fn() -> Act), ("within", cut)] {
        let started = Instant::now();
        let (error, text) = error(act, SHORT).await;
        assert!(matches!(error, Error::TimedOut { .. }), "{name}: {error:?}");
        assert_eq!(text, "GET /nodes: no answer within 0.2 s", "{name}");
        assert!(started.elapsed() < LONG, "{name}");
        assert!(error.may_have_been_applied(), "{name}");
    }
}

#[tokio::test]
async fn unreadable_answers_name_the_place_and_not_the_content() {
    let answers = [
        ("empty", String::new(), "it is empty"),
        ("not JSON", "<html>s3cret</html>".to_owned(), "not JSON at line 1 column 1"),
        ("cut JSON", NODES[..20].to_owned(), "it ends too early at line 1 column 20"),
        ("other JSON", r#"{"s3cret":1}"#.to_owned(), "unexpected structure at line 1 column 0"),
        ("no status", r#"[{"node":"s3cret"}]"#.to_owned(), "unexpected structure at line 1 column 18"),
    ];
    for (name, body, problem) in answers {
        let (error, text) = error(move || json(200, &body), LONG).await;
        assert!(matches!(error, Error::Unreadable { .. }), "{name}: {error:?}");
        assert_eq!(text, format!("GET /nodes: the answer cannot be read: {problem}"), "{name}");
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_unreadable() {
    let (error, text) = error(|| Act::Bytes(format!("{}[{{", promise(1000)).into_bytes()), LONG).await;
    assert!(matches!(error, Error::Unreadable { .. }), "{error:?}");
    assert_eq!(text, "GET /nodes: the answer cannot be read: it breaks off after 2 bytes");
}

#[tokio::test]
async fn a_huge_body_is_not_read() {
    let blank = vec![b' '; 9 << 20];
    let honest = [promise(blank.len()).into_bytes(), blank.clone()].concat();
    let endless = [b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), blank].concat();
    for (name, bytes) in [("announced", honest), ("until the connection ends", endless)] {
        let (_, text) = error(move || Act::BytesThenSilence(bytes.clone()), LONG).await;
        assert_eq!(text, "GET /nodes: the answer cannot be read: it is larger than 4 MiB", "{name}");
    }
}

#[tokio::test]
async fn a_closed_connection_may_have_done_the_work() {
    for (name, bytes) in [("no answer", ""), ("half a head", "HTTP/1.1 20"), ("no HTTP", "s3cret\r\n\r\n")] {
        let (error, text) = error(|| Act::Bytes(bytes.as_bytes().to_vec()), LONG).await;
        assert!(matches!(error, Error::Broken { .. }), "{name}: {error:?}");
        assert!(text.starts_with("GET /nodes: the connection broke before the answer"), "{name}: {text}");
        assert!(!text.contains("s3cret"), "{name}: {text}");
        assert!(error.may_have_been_applied(), "{name}");
    }
}

#[tokio::test]
async fn refused_credentials_are_told_apart_and_may_work_a_moment_later() {
    let refused = r#"{"code":"BAD_API_KEY_OR_SECRET","message":"Check api_key/api_secret"}"#;
    let server = serve(move |_, index| if index == 0 { json(401, refused) } else { json(200, NODES) }).await;
    let client = Client::new().unwrap();
    let first = client.ask(&server.endpoint, &credentials(), &GetNodes, LONG).await.unwrap_err();
    assert_eq!(first.to_string(), "GET /nodes: the credentials are not accepted (BAD_API_KEY_OR_SECRET)");
    let second = client.ask(&server.endpoint, &credentials(), &GetNodes, LONG).await.unwrap();
    assert_eq!(second[0].node, "emqx@a");
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let elsewhere = serve(|_, _| json(200, NODES)).await;
    let location = elsewhere.endpoint.to_string();
    let moved = move || {
        Act::Bytes(format!("HTTP/1.1 302 Found\r\nlocation: {location}/\r\ncontent-length: 0\r\n\r\n").into_bytes())
    };
    let (error, _) = error(moved, LONG).await;
    assert!(matches!(error, Error::Broker { status: 302, .. }), "{error:?}");
    assert!(elsewhere.received().is_empty(), "the API key went elsewhere");
}

#[tokio::test]
async fn keys_are_sent_where_they_are_needed_only() {
    let server = serve(|_, _| json(200, "[]")).await;
    let client = Client::new().unwrap();
    client.ask(&server.endpoint, &credentials(), &GetTopology, LONG).await.unwrap();
    client.ask(&server.endpoint, &NoCredentials, &GetAvailability, LONG).await.unwrap();
    let received = server.received();
    assert_eq!(received[0].header("authorization"), Some("Basic b3BlcmF0b3I6czNjcmV0"));
    assert_eq!(received[0].header("accept"), Some("application/json"));
    assert_eq!(received[1].header("authorization"), None);
}

#[tokio::test]
async fn evacuation_is_an_answer_and_other_503s_are_failures() {
    let evacuating = r#"{"code":"NODE_EVACUATING","message":"Node Evacuating"}"#;
    let server = serve(move |_, index| json(503, if index == 0 { evacuating } else { "" })).await;
    let client = Client::new().unwrap();
    let first = client.ask(&server.endpoint, &NoCredentials, &GetAvailability, LONG).await;
    assert_eq!(first.unwrap(), Availability::Evacuating);
    let second = client.ask(&server.endpoint, &NoCredentials, &GetAvailability, LONG).await.unwrap_err();
    assert!(matches!(second, Error::Broker { status: 503, code: Code::Absent, .. }), "{second:?}");
}

#[tokio::test]
async fn a_node_that_answers_503_with_its_status_is_understood() {
    let status = r#"{"node_name":"emqx@a","broker_status":"started","app_status":"not_running"}"#;
    let server = serve(move |_, index| json(503, if index == 0 { status } else { "" })).await;
    let client = Client::new().unwrap();
    let stopped = client.ask(&server.endpoint, &NoCredentials, &GetStatus, LONG).await.unwrap();
    assert_eq!(stopped.app_status, emqx_client::api::AppStatus::NotRunning);
    let listener_down = client.ask(&server.endpoint, &NoCredentials, &GetStatus, LONG).await.unwrap_err();
    assert!(matches!(listener_down, Error::Broker { status: 503, .. }), "{listener_down:?}");
}

#[tokio::test]
async fn names_in_paths_are_encoded() {
    let server = serve(|_, _| json(200, r#"{"node":"x","node_status":"running"}"#)).await;
    let request = emqx_client::api::GetNode { node: "emqx@a/../b?c=d#e f".to_owned() };
    Client::new().unwrap().ask(&server.endpoint, &credentials(), &request, LONG).await.unwrap();
    assert_eq!(server.received()[0].path, "/api/v5/nodes/emqx@a%2F..%2Fb%3Fc%3Dd%23e%20f");
}
