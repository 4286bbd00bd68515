//! Whom the client asks next, and when it stops asking.

use crate::server::{Act, Server, credentials, hang, json, nobody, serve};
use emqx_client::api::{Change, CreateApiKey, Expiry, ForceLeave, GetNodes, PutConfigs, UpdateMode};
use emqx_client::{Client, Credentials, Endpoint, Error, Missing, NoAnswer, Secret, Token};
use std::time::{Duration, Instant};

/// Long, for a loaded machine; no test waits for it unless a server hangs.
const DEADLINE: Duration = Duration::from_secs(9);
/// For tests in which every server hangs.
const SHORT: Duration = Duration::from_millis(900);
const UNKNOWN_PATH: &str = r#"{"code":"NOT_FOUND","message":"Request Path Not Found"}"#;
const BAD_KEY: &str = r#"{"code":"BAD_API_KEY_OR_SECRET"}"#;

/// A node that lists itself under this name.
async fn healthy(name: &'static str) -> Server {
    serve(move |_, _| json(200, &format!(r#"[{{"node":"{name}","node_status":"running"}}]"#))).await
}

async fn says(status: u16, body: &'static str) -> Server {
    serve(move |_, _| json(status, body)).await
}

async fn nodes(endpoints: &[&Endpoint]) -> Result<(Endpoint, String, usize), NoAnswer> {
    nodes_within(DEADLINE, endpoints).await
}

async fn nodes_within(deadline: Duration, endpoints: &[&Endpoint]) -> Result<(Endpoint, String, usize), NoAnswer> {
    let endpoints: Vec<_> = endpoints.iter().map(|endpoint| (*endpoint).clone()).collect();
    let answered = Client::new().unwrap().ask_any(&endpoints, &credentials(), &GetNodes, deadline).await?;
    Ok((answered.by, answered.answer[0].node.clone(), answered.failures.len()))
}

fn key() -> Credentials {
    credentials()
}

fn leave() -> ForceLeave {
    ForceLeave { node: "emqx@gone".to_owned() }
}

#[tokio::test]
async fn the_first_answers_and_the_second_is_not_asked() {
    let (first, second) = (healthy("a").await, healthy("b").await);
    assert_eq!(nodes(&[&first.endpoint, &second.endpoint]).await.unwrap(), (first.endpoint.clone(), "a".to_owned(), 0));
    assert!(second.received().is_empty());
}

#[tokio::test]
async fn whoever_cannot_answer_is_left_for_the_next() {
    let good = healthy("b").await;
    let bad = [
        ("unknown key, as while joining", says(401, BAD_KEY).await),
        ("unknown path, as while booting", says(404, UNKNOWN_PATH).await),
        ("crash", says(500, r#"{"code":"INTERNAL_ERROR","message":"x"}"#).await),
        ("unreadable", says(200, "<html>").await),
        ("closed", serve(|_, _| Act::Bytes(Vec::new())).await),
    ];
    for (name, bad) in &bad {
        let answered = nodes(&[&bad.endpoint, &good.endpoint]).await.unwrap();
        assert_eq!(answered, (good.endpoint.clone(), "b".to_owned(), 1), "{name}");
    }
    let answered = nodes(&[&nobody().await, &good.endpoint]).await.unwrap();
    assert_eq!(answered.2, 1, "nobody listens");
}

#[tokio::test]
async fn a_hanging_node_gets_a_competitor() {
    let (hanging, good) = (serve(|_, _| hang()).await, healthy("b").await);
    let started = Instant::now();
    let deadline = Duration::from_secs(60);
    let (by, _, failures) = nodes_within(deadline, &[&hanging.endpoint, &good.endpoint]).await.unwrap();
    assert_eq!((by, failures), (good.endpoint.clone(), 0));
    assert!(started.elapsed() < deadline / 2);
}

#[tokio::test]
async fn silence_everywhere_ends_at_the_deadline() {
    let (first, second) = (serve(|_, _| hang()).await, serve(|_, _| hang()).await);
    let silence = nodes_within(SHORT, &[&first.endpoint, &second.endpoint]).await.unwrap_err();
    let asked: Vec<_> = silence.failures.iter().map(|(endpoint, _)| endpoint).collect();
    assert_eq!(asked, [&first.endpoint, &second.endpoint]);
    assert!(silence.failures.iter().all(|(_, error)| matches!(error, Error::TimedOut { .. })), "{silence}");
    assert!(silence.refusal().is_none() && silence.may_have_been_applied());
}

#[tokio::test]
async fn failures_stand_in_the_order_of_the_candidates() {
    let (slow, quick) = (serve(|_, _| hang()).await, says(401, BAD_KEY).await);
    let silence = nodes(&[&slow.endpoint, &quick.endpoint]).await.unwrap_err();
    let text = silence.to_string();
    let (first, second) = text.split_once("; ").expect("two failures");
    assert!(first.starts_with(&format!("{}: GET /nodes: no answer within ", slow.endpoint)), "{text}");
    let refused = "GET /nodes: the credentials are not accepted (BAD_API_KEY_OR_SECRET)";
    assert_eq!(second, format!("{}: {refused}", quick.endpoint));
}

/// Callers spawn what waits for us.
#[test]
fn waiting_can_move_between_threads() {
    fn movable(_: impl Future + Send) {}
    let (client, key) = (Client::new().unwrap(), key());
    movable(client.ask_any(&[], &key, &GetNodes, DEADLINE));
    movable(client.ask_any(&[], &key, &leave(), DEADLINE));
}

#[tokio::test]
async fn nobody_to_ask_is_said_so() {
    let silence = nodes(&[]).await.unwrap_err();
    assert_eq!(silence.to_string(), "there is no endpoint to ask");
    assert!(silence.missing().is_none() && !silence.is_unauthorized() && !silence.may_have_been_applied());
}

#[tokio::test]
async fn a_refusal_is_definite_for_reads_and_changes() {
    let refuses = says(403, r#"{"code":"UNAUTHORIZED_ROLE"}"#).await;
    let next = healthy("b").await;
    let no = nodes(&[&refuses.endpoint, &next.endpoint]).await.unwrap_err();
    assert!(matches!(no.refusal(), Some(Error::Forbidden { .. })), "{no}");

    let invalid = says(400, r#"{"errors":{"mqtt":{"path":"mqtt.x","reason":"Not a valid bytesize"}}}"#).await;
    let request = PutConfigs { text: "mqtt {}".to_owned(), mode: UpdateMode::Replace };
    let endpoints = [invalid.endpoint.clone(), next.endpoint.clone()];
    let no = Client::new().unwrap().ask_any(&endpoints, &key(), &request, DEADLINE).await.unwrap_err();
    assert_eq!(no.refusal().unwrap().to_string(), "PUT /configs: mqtt.x: Not a valid bytesize");
    assert!(next.received().is_empty());
}

#[tokio::test]
async fn what_all_agree_on_can_be_asked_for() {
    let (path, other) = (says(404, UNKNOWN_PATH).await, says(404, UNKNOWN_PATH).await);
    let object = says(404, r#"{"code":"NOT_FOUND","message":"Node not found: x"}"#).await;
    let unauthorized = says(401, BAD_KEY).await;
    assert_eq!(nodes(&[&path.endpoint, &other.endpoint]).await.unwrap_err().missing(), Some(Missing::Path));
    assert_eq!(nodes(&[&path.endpoint, &object.endpoint]).await.unwrap_err().missing(), None);
    assert_eq!(nodes(&[&path.endpoint, &unauthorized.endpoint]).await.unwrap_err().missing(), None);
    assert!(nodes(&[&unauthorized.endpoint]).await.unwrap_err().is_unauthorized());
    assert!(!nodes(&[&unauthorized.endpoint, &path.endpoint]).await.unwrap_err().is_unauthorized());
}

#[tokio::test]
async fn a_change_goes_to_one_node_at_a_time() {
    let (hanging, good) = (serve(|_, _| hang()).await, says(204, "").await);
    let endpoints = [hanging.endpoint.clone(), good.endpoint.clone()];
    let started = Instant::now();
    let left = Client::new().unwrap().ask_any(&endpoints, &key(), &leave(), DEADLINE).await.unwrap();
    assert_eq!((left.answer, left.by, left.failures.len()), (Change::Done, good.endpoint.clone(), 1));
    assert!(started.elapsed() >= DEADLINE / 3, "the first had its share");
}

#[tokio::test]
async fn what_is_so_already_is_a_success() {
    let gone = says(400, r#"{"code":"BAD_REQUEST","message":"node_not_in_cluster"}"#).await;
    let left = Client::new().unwrap().ask_any(std::slice::from_ref(&gone.endpoint), &key(), &leave(), DEADLINE).await;
    assert_eq!(left.unwrap().answer, Change::AlreadySo);
}

#[tokio::test]
async fn what_must_not_happen_twice_is_not_sent_twice() {
    let request =
        CreateApiKey { name: "x".to_owned(), desc: String::new(), enable: true, expires: Expiry::Never, role: None };
    let token = Token(Secret::from("token"));
    let made = r#"{"name":"x","api_key":"k","api_secret":"s"}"#;
    let (broken, next) = (serve(|_, _| Act::Bytes(Vec::new())).await, says(200, made).await);
    let client = Client::new().unwrap();
    let endpoints = [broken.endpoint.clone(), next.endpoint.clone()];
    let unknown = client.ask_any(&endpoints, &token, &request, DEADLINE).await.unwrap_err();
    assert!(unknown.may_have_been_applied() && next.received().is_empty());

    let endpoints = [nobody().await, next.endpoint.clone()];
    let created = client.ask_any(&endpoints, &token, &request, DEADLINE).await.unwrap();
    assert_eq!(created.answer.credentials.secret, "s");
}
