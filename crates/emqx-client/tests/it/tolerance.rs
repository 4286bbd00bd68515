//! What may differ in an answer without harm, and what must not be guessed.

use emqx_client::api::*;
use emqx_client::{Code, Failure, Missing};
use std::fmt::Debug;

fn read<R: Request>(request: &R, body: &str) -> R::Answer {
    request.read(body.as_bytes()).unwrap()
}

#[test]
fn odd_values_are_unknown_and_never_zero() {
    let odd = r#"[{"node":"a","node_status":"paused","connections":"many","uptime":1.6,"role":7,"new":{}}]"#;
    let node = read(&GetNodes, odd).remove(0);
    assert_eq!(node.node_status, NodeStatus::Unknown("paused".to_owned()));
    assert_eq!((node.connections, node.uptime, node.role, node.version), (None, Some(2), None, None));
}

#[test]
fn a_stopped_core_has_three_fields() {
    let node = read(&GetNodes, r#"[{"node":"a","node_status":"stopped","role":"core"}]"#).remove(0);
    assert_eq!((node.node_status, node.role.as_deref(), node.connections), (NodeStatus::Stopped, Some("core"), None));
}

#[test]
fn a_rebalance_counts_in_floats() {
    let body = r#"{"evacuations":[],"rebalances":[{"node":"a","state":"wait_takeover","donors":["b"],
        "connection_goal":312.5,"donor_conn_avg":610}]}"#;
    let rebalance = read(&GetGlobalStatus, body).rebalances.remove(0);
    assert_eq!(rebalance.state, RebalanceState::WaitTakeover);
    assert_eq!((rebalance.connection_goal, rebalance.donor_conn_avg), (Some(312.5), Some(610.0)));
}

#[test]
fn a_local_rebalance_and_a_purge_are_read() {
    let rebalance = r#"{"status":"enabled","process":"rebalance","state":"wait_takeover","coordinator_node":"a",
        "stats":{"current_disconnected_sessions":80}}"#;
    let status = read(&GetLocalStatus, rebalance);
    assert_eq!((status.status, status.process), (Switch::Enabled, Some(Process::Rebalance)));
    assert_eq!(status.stats.unwrap().current_disconnected_sessions, Some(80));
    assert_eq!(read(&GetLocalStatus, r#"{"status":"enabled","process":"purge"}"#).process, Some(Process::Purge));
}

#[test]
fn listeners_may_be_of_two_minds() {
    let body = r#"[{"id":"tcp:a","type":"tcp","name":"a","bind":1883,
        "status":{"running":"inconsistent","max_connections":1024,"current_connections":1}}]"#;
    let listener = read(&GetListeners, body).remove(0);
    let status = listener.status.unwrap();
    assert_eq!((listener.bind.as_str(), status.running), (":1883", Running::Inconsistent));
    assert_eq!((status.max_connections, listener.enable), (Some(Limit::Count(1024)), None));
}

#[test]
fn loaded_gateways_and_their_ports_are_read() {
    let gateways =
        r#"[{"name":"stomp","status":"running","current_connections":3,"listeners":[{"id":"stomp:tcp:default"}]}]"#;
    assert_eq!(read(&GetGateways, gateways)[0].current_connections, Some(3));
    let ports = r#"[{"id":"stomp:tcp:default","type":"tcp","name":"default","bind":"0.0.0.0:61613","running":true}]"#;
    let request = GetGatewayListeners { gateway: "stomp".to_owned() };
    assert_eq!(read(&request, ports)[0].bind, "0.0.0.0:61613");
}

#[test]
fn transitions_of_shards_are_read_where_they_exist() {
    let body = r#"{"name":"messages","shards":[{"id":"0","replicas":[{"site":"A","status":"lost"}],
        "transitions":[{"site":"B","transition":"joining"},{"site":"A","transition":"leaving"}]},
        {"id":"1","replicas":[]}]}"#;
    let storage = read(&GetStorage { storage: "messages".to_owned() }, body);
    assert_eq!(storage.shards[0].replicas[0].status, ReplicaStatus::Lost);
    assert_eq!(storage.shards[0].transitions[1].transition, Transition::Leaving);
    assert!(storage.shards[1].transitions.is_empty());
}

#[test]
fn licenses_of_both_times_tell_the_sessions() {
    assert_eq!(read(&GetLicense, r#"{"max_connections":25}"#).sessions(), Some(Limit::Count(25)));
    let new = r#"{"max_sessions":50,"max_connections":25,"max_tps":"infinity"}"#;
    let license = read(&GetLicense, new);
    assert_eq!((license.sessions(), license.max_tps), (Some(Limit::Count(50)), Some(Limit::Unlimited)));
}

#[test]
fn login_and_keys_are_read() {
    let login = Login { username: "admin".to_owned(), password: "x".into() };
    let answer = read(&login, r#"{"token":"t","version":"5.8.9","license":{"edition":"ce"}}"#);
    assert_eq!((answer.token.0.0.as_str(), answer.role), ("t", None));
    let keys = r#"[{"name":"a","api_key":"k","expired_at":"infinity","scopes":"unset","namespace":null}]"#;
    assert_eq!(read(&ListApiKeys, keys)[0].expired_at.as_deref(), Some("infinity"));
}

#[test]
fn alarms_are_read() {
    let body = r#"{"data":[{"name":"partition","node":"emqx@a","message":"m","details":{},"duration":12,
        "activate_at":"2026-01-01T00:00:00+00:00"}],"meta":{"count":1}}"#;
    let alarm = read(&GetAlarms, body).alarms.remove(0);
    assert_eq!((alarm.name.as_str(), alarm.duration), ("partition", Some(12)));
}

#[test]
fn status_is_read_as_text_and_as_json() {
    let text = read(&GetStatus, "Node emqx@a is stopped\nemqx is not_running\n");
    let json = read(&GetStatus, r#"{"node_name":"emqx@a","broker_status":"stopped","app_status":"not_running"}"#);
    assert_eq!(text, json);
    for bad in ["Node emqx@a", "Node emqx@a was started\nemqx is running", "Node emqx@a is started\nno"] {
        assert!(GetStatus.read(bad.as_bytes()).is_err(), "{bad}");
    }
}

/// A list that is not there must not look like an empty one: it would allow to remove nodes.
#[test]
fn absent_lists_are_not_empty() {
    fn refused<R: Request>(request: &R, body: &str)
    where
        R::Answer: Debug,
    {
        assert!(request.read(body.as_bytes()).is_err(), "{}: {body}", R::OPERATION);
    }
    let storage = GetStorage { storage: "messages".to_owned() };
    refused(&GetSite { site: "A".to_owned() }, r#"{"node":"a","up":true}"#);
    refused(&GetSite { site: "A".to_owned() }, r#"{"node":"a","shards":[]}"#);
    refused(&storage, r#"{"name":"messages"}"#);
    refused(&storage, r#"{"name":"messages","shards":[{"id":"0"}]}"#);
    refused(&GetGlobalStatus, r#"{"rebalances":[]}"#);
    refused(&GetGlobalStatus, r#"{"evacuations":[]}"#);
    refused(&GetGlobalStatus, r#"{"evacuations":[{"node":"a"}],"rebalances":[]}"#);
    refused(&GetNodes, r#"{"code":"X"}"#);
    refused(&GetSites, "null");
}

#[test]
fn codes_come_as_names_numbers_or_not_at_all() {
    let code = |body: &str| Failure::read(400, body.as_bytes()).code;
    assert_eq!(code(r#"{"code":"BAD_REQUEST"}"#), Code::Name("BAD_REQUEST".to_owned()));
    assert_eq!(code(r#"{"code":400}"#), Code::Number(400));
    assert_eq!(code(r#"{"errors":"x"}"#), Code::Absent);
    assert_eq!(code("Unsupported code"), Code::Absent);
}

#[test]
fn a_404_tells_what_is_missing() {
    let missing = |body: &str| Failure::read(404, body.as_bytes()).missing();
    assert_eq!(missing(r#"{"code":"NOT_FOUND","message":"Request Path Not Found"}"#), Some(Missing::Path));
    assert_eq!(missing("<html>"), Some(Missing::Path));
    assert_eq!(missing(r#"{"code":"NOT_FOUND","message":"Node not found: x"}"#), Some(Missing::Object));
    assert_eq!(Failure::read(400, b"{}").missing(), None);
}

/// `already_started` in the middle of another message proves nothing.
#[test]
fn reasons_stand_at_the_end() {
    let failure = |message: &str| Failure::read(400, serde_json::json!({"message": message}).to_string().as_bytes());
    assert!(failure("error on node 'emqx@a': already_started").has_reason("already_started"));
    assert!(failure("node_not_in_cluster").has_reason("node_not_in_cluster"));
    assert!(!failure("already_started but failed").has_reason("already_started"));
    assert!(!failure("not_already_started").has_reason("already_started"));
}

#[test]
fn forgetting_tells_an_old_emqx_from_an_unknown_site() {
    let forget = ForgetSite { site: "A".to_owned() };
    let unknown = Failure::read(404, br#"{"code":"NOT_FOUND","message":"Site not found: A"}"#);
    let old = Failure::read(404, br#"{"code":"NOT_FOUND","message":"Request Path Not Found"}"#);
    assert_eq!(forget.read_failure(&unknown), Some(Change::AlreadySo));
    assert_eq!(forget.read_failure(&old), None);
}

#[test]
fn what_is_not_said_is_not_sent() {
    let body = |parts: Parts| parts.body.map(|(_, body)| body);
    let start = StartEvacuation { node: "emqx@a".to_owned(), ..StartEvacuation::default() };
    assert_eq!(body(start.parts()).as_deref(), Some("{}"));
    let start = StartEvacuation { wait_takeover: Some(0), migrate_to: vec!["b".to_owned()], ..start };
    assert_eq!(body(start.parts()).as_deref(), Some(r#"{"wait_takeover":0,"migrate_to":["b"]}"#));
    let key = CreateApiKey {
        name: "x".to_owned(),
        desc: "d".to_owned(),
        enable: true,
        expires: Expiry::Never,
        role: Some(KeyRole::Viewer),
    };
    let sent = r#"{"desc":"d","enable":true,"expired_at":"infinity","role":"viewer"}"#;
    assert_eq!(body(UpdateApiKey(key).parts()).as_deref(), Some(sent));
}
