//! Replays what was sent to real brokers and compares every answer with theirs.

use crate::config::*;
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;

const VERSIONS: [&str; 3] = ["5.8.9-ce", "5.8.9-ee", "5.10.4"];

struct Recording {
    name: String,
    request: Value,
    response: Value,
}

/// The calls of one broker about configuration: the reads were made before the changes.
fn recordings(version: &str) -> Vec<Recording> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/recordings").join(version).join("single");
    let mut names: Vec<String> =
        fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_by_key(|name| (!name.starts_with("read-"), name.clone()));
    // The recordings hide the cookie.
    let text = |path: PathBuf| fs::read_to_string(path).unwrap().replace("<cookie>", "cookie");
    let load = |name: String| {
        let file: Value = serde_json::from_str(&text(folder.join(&name))).unwrap();
        Recording { name, request: file["request"].clone(), response: file["response"].clone() }
    };
    names.into_iter().filter(|name| is_ours(name)).map(load).collect()
}

/// Keys and licences belong to other modules; so does the check of credentials (`config-023`).
fn is_ours(name: &str) -> bool {
    let reads = ["014", "015", "016", "017", "018", "019", "020", "035", "036", "037"];
    let (scenario, rest) = name.split_once('-').unwrap();
    let number = &rest[..3];
    match scenario {
        "read" => reads.contains(&number),
        "config" => !["023", "027", "028"].contains(&number),
        _ => false,
    }
}

/// The environment the recorded brokers ran in.
fn recorded_broker(version: &str) -> Config {
    let shift = if version == "5.8.9-ce" { 10 } else { 0 };
    let mut environment = vec![
        ("EMQX_NODE__NAME".to_owned(), "emqx@127.0.0.1".to_owned()),
        ("EMQX_NODE__COOKIE".to_owned(), "cookie".to_owned()),
        ("EMQX_NODE__DATA_DIR".to_owned(), "/opt/emqx/data".to_owned()),
        ("EMQX_DASHBOARD__LISTENERS__HTTP__BIND".to_owned(), (18083 + shift).to_string()),
        ("EMQX_API_KEY__BOOTSTRAP_FILE".to_owned(), "/opt/emqx/etc/bootstrap_api_keys".to_owned()),
        ("EMQX_LISTENERS__TCP__DEFAULT__BIND".to_owned(), (1883 + shift).to_string()),
    ];
    for (kind, port) in [("SSL", "8883"), ("WS", "8083"), ("WSS", "8084")] {
        environment.push((format!("EMQX_LISTENERS__{kind}__DEFAULT__BIND"), port.to_owned()));
        environment.push((format!("EMQX_LISTENERS__{kind}__DEFAULT__ENABLE"), "false".to_owned()));
    }
    let layers = Layers { environment, ..Layers::default() };
    let (config, warnings) = Config::boot(version.parse().unwrap(), &layers).unwrap();
    assert_eq!(warnings, Vec::<String>::new());
    config
}

fn runtime(config: &Config) -> NodeListeners {
    let running = |listener: Listener| (listener.id(), ListenerRuntime { running: listener.enable, connections: 0 });
    NodeListeners { node: "emqx@127.0.0.1".into(), listeners: config.listeners().into_iter().map(running).collect() }
}

/// A small router: the node layer has the real one.
fn call(config: &mut Config, request: &Value) -> Answer {
    let text = |name: &str| request[name].as_str();
    let (path, query) = text("path").unwrap().split_once('?').unwrap_or((text("path").unwrap(), ""));
    let param = |name: &str| {
        query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name).map(|(_, value)| value)
    };
    let nodes = [runtime(config)];
    match (text("method").unwrap(), path.strip_prefix("/api/v5/").unwrap()) {
        ("GET", "configs") => match (param("node"), text("accept")) {
            (Some(node), _) => unknown_node(node, true),
            (None, Some("application/json")) => config.get_json(),
            _ => config.get_text(param("key")),
        },
        ("PUT", "configs") => {
            put(config, text("body").unwrap(), param("mode"), param("ignore_readonly"), text("content_type"))
        }
        ("GET", "configs/global_zone") => config.get_global_zone(),
        ("PUT", "configs/sysmon") => {
            config.put_root("sysmon", &request["body"]).map_or_else(|answer| answer, |(answer, _)| answer)
        }
        ("GET", "listeners") => config.get_listeners(None, &nodes),
        ("GET", "listeners_status") => config.get_listeners_status(&nodes),
        ("GET", "listeners/tcp:default") => config.get_listener("tcp:default", &nodes[0]),
        ("DELETE", path) => config
            .delete_listener(path.strip_prefix("listeners/").unwrap())
            .map_or_else(|answer| answer, |(answer, _)| answer),
        ("GET", "gateways") => config.get_gateways(None, "emqx@127.0.0.1", "2026-01-01T00:00:00Z"),
        ("GET", "gateways/stomp/listeners") => config.get_gateway_listeners("stomp", "emqx@127.0.0.1"),
        other => panic!("no route for {other:?}"),
    }
}

fn put(
    config: &mut Config,
    text: &str,
    mode: Option<&str>,
    ignore_readonly: Option<&str>,
    content_type: Option<&str>,
) -> Answer {
    let taken: Vec<u16> = config.dashboard_listeners().iter().map(|listener| listener.bind.port).collect();
    let mut can_start =
        |listener: &Listener| if taken.contains(&listener.bind.port) { Err("eaddrinuse".to_owned()) } else { Ok(()) };
    let profile = config.profile();
    match config.put(&Put { text, mode, ignore_readonly, content_type }, &mut can_start) {
        Ok(_) => Answer::empty(200),
        Err(error) => error.answer(profile),
    }
}

/// JSON compares as JSON whatever the content type says; text is parsed where the recording is.
fn comparable(body: &str, recorded: &Value) -> Value {
    if recorded.is_string() {
        without_stack(body.into())
    } else {
        without_stack(serde_json::from_str(body).unwrap_or_else(|_| body.into()))
    }
}

/// Stack traces and JSON inside messages: the former differ by build, the latter in the order of keys.
fn without_stack(mut body: Value) -> Value {
    let Some(message) = body.get("message").and_then(Value::as_str) else { return body };
    let plain = match serde_json::from_str(message) {
        Ok(inner) => inner,
        Err(_) => json!(message.split(",[{file,").next().map(|text| text.split(", [{hocon_tconf").next())),
    };
    body["message"] = plain;
    body
}

#[test]
fn answers_are_those_of_real_brokers() {
    let mut wrong = Vec::new();
    for version in VERSIONS {
        let mut config = recorded_broker(version);
        let all = recordings(version);
        assert_eq!(all.len(), 35, "{version}");
        for Recording { name, request, response } in all {
            let answer = call(&mut config, &request);
            let status = json!([answer.status, answer.content_type]);
            let (body, expected) =
                (comparable(&answer.body, &response["body"]), without_stack(response["body"].clone()));
            if status != json!([response["status"], response["content_type"]]) || body != expected {
                wrong.push(format!("{version}/{name}: {status}\n{body}\nexpected {}\n{expected}", response["status"]));
            }
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n\n"));
}

#[test]
fn listeners_of_several_nodes_are_shown_together() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/recordings/5.10.4/cluster");
    let mut config = recorded_broker("5.10.4");
    config.put(&Put { text: &cluster_listeners(), ..Put::default() }, &mut |_| Ok(())).unwrap();
    let up = |node: &str, connections| {
        let listeners = [("tcp:default".to_owned(), ListenerRuntime { running: true, connections })].into();
        NodeListeners { node: node.into(), listeners }
    };
    let [one, two, three] = ["emqx1@127.0.0.1", "emqx2@127.0.0.1", "emqx3@127.0.0.1"];
    let all = vec![up(three, 0), up(two, 0), up(one, 0)];
    let rows = [
        ("read-014-listeners", config.get_listeners(None, &all)),
        ("read-015-listeners-status", config.get_listeners_status(&all)),
        ("stopped-005-listeners", config.get_listeners(None, &[up(three, 19), up(one, 0)])),
    ];
    for (name, answer) in rows {
        let file: Value =
            serde_json::from_str(&fs::read_to_string(folder.join(format!("{name}.json"))).unwrap()).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&answer.body).unwrap(), file["response"]["body"], "{name}");
    }
    let down = NodeListeners { node: two.into(), ..NodeListeners::default() };
    assert!(config.get_listeners(Some("tcp"), &[up(one, 0), down]).body.contains("\"running\":\"inconsistent\""));
}

/// The recorded cluster had its first node on 1881 and the other types off.
fn cluster_listeners() -> String {
    let off = [("ssl", 8883), ("ws", 8083), ("wss", 8084)]
        .map(|(kind, port)| format!("{kind}.default {{ bind = {port}, enable = false }}"));
    format!("listeners {{ tcp.default.bind = 1881, {} }}", off.join(", "))
}
