//! What hot updates change, keep and store beyond what was recorded call by call.

use crate::config::*;
use serde_json::json;

fn boot(version: &str, layers: &Layers) -> Config {
    Config::boot(version.parse().unwrap(), layers).unwrap().0
}

fn put(config: &mut Config, text: &str, mode: &str) -> Result<Applied, ConfigError> {
    config.put(&Put { text, mode: Some(mode), ..Put::default() }, &mut |_| Ok(()))
}

#[test]
fn the_base_layer_is_baked_into_the_cluster_layer() {
    let base = Layers { base: "mqtt.max_packet_size = 3MB".into(), ..Layers::default() };
    let mut config = boot("5.10.4", &base);
    put(&mut config, "alarm.size_limit = 5", "merge").unwrap();
    let edited =
        Layers { base: "mqtt.max_packet_size = 4MB".into(), cluster: config.cluster_hocon(), ..Layers::default() };
    assert_eq!(boot("5.10.4", &edited).text("mqtt.max_packet_size"), Some("3MB"));
}

#[test]
fn the_environment_loses_until_the_restart() {
    let environment = vec![("EMQX_MQTT__MAX_PACKET_SIZE".to_owned(), "7MB".to_owned())];
    let mut layers = Layers { environment, ..Layers::default() };
    let mut config = boot("5.10.4", &layers);
    put(&mut config, "mqtt.max_inflight = 33", "merge").unwrap();
    assert_eq!(config.text("mqtt.max_packet_size"), Some("1MB"));
    layers.cluster = config.cluster_hocon();
    let restarted = boot("5.10.4", &layers);
    assert_eq!(
        (restarted.text("mqtt.max_packet_size"), restarted.number("mqtt.max_inflight")),
        (Some("7MB"), Some(33))
    );
}

#[test]
fn merge_keeps_named_entries_and_replace_does_not() {
    let mut config = boot("5.10.4", &Layers::default());
    put(&mut config, "listeners.tcp.a.bind = 2001", "merge").unwrap();
    let applied = put(&mut config, "listeners.tcp.b.bind = 2002", "merge").unwrap();
    assert_eq!(applied.listeners.started.iter().map(Listener::id).collect::<Vec<_>>(), ["tcp:b"]);
    let applied = put(&mut config, "listeners.tcp.c.bind = 2003", "replace").unwrap();
    assert_eq!(applied.listeners.stopped.iter().map(Listener::id).collect::<Vec<_>>(), ["tcp:a", "tcp:b"]);
}

#[test]
fn a_refused_root_leaves_the_others_applied() {
    let mut config = boot("5.10.4", &Layers::default());
    let text = "alarm.size_limit = 7\nlisteners.tcp.x.bind = 2001\nmqtt.max_inflight = 8";
    let taken = &mut |_: &Listener| Err("eaddrinuse".to_owned());
    let error = config.put(&Put { text, ..Put::default() }, taken).unwrap_err();
    let ConfigError::Refused { applied, .. } = error else { panic!("{error}") };
    assert_eq!(applied.roots.keys().collect::<Vec<_>>(), ["alarm", "mqtt"]);
    assert_eq!((config.number("alarm.size_limit"), config.number("mqtt.max_inflight")), (Some(7), Some(8)));
    assert!(config.listener("tcp:x").is_none() && !config.cluster_hocon().contains("listeners"));
}

#[test]
fn an_ignored_read_only_cluster_is_stored_whole() {
    let mut config = boot("5.10.4", &Layers::default());
    let request = Put { text: "cluster { name = other }", ignore_readonly: Some("true"), ..Put::default() };
    config.put(&request, &mut |_| Ok(())).unwrap();
    assert_eq!(config.cluster_name(), "emqxcl");
    assert!(config.cluster_hocon().contains("discovery_strategy = manual"));
    let refused = put(&mut config, "cluster { name = other, links = [] }", "merge").unwrap_err();
    assert_eq!(refused, ConfigError::ReadOnly(vec!["cluster.name".into()]));
    put(&mut config, "cluster { links = [] }", "merge").unwrap();
}

#[test]
fn bodies_without_text_and_unknown_fields_depend_on_the_release() {
    let rows = [
        ("", None, 500, 200),
        ("{}", Some("application/json"), 500, 200),
        ("mqtt.foo = 1", Some("text/plain"), 500, 400),
        ("mqtt.max_inflight = 3", Some("application/octet-stream"), 200, 200),
    ];
    for (text, content_type, before, after) in rows {
        for (version, expected) in [("5.10.4", before), ("6.1.0", after)] {
            let mut config = boot(version, &Layers::default());
            let status = match config.put(&Put { text, content_type, ..Put::default() }, &mut |_| Ok(())) {
                Ok(_) => 200,
                Err(error) => error.answer(config.profile()).status,
            };
            assert_eq!(status, expected, "{version} {text:?}");
        }
    }
}

#[test]
fn listeners_are_added_changed_and_removed() {
    let mut config = boot("5.10.4", &Layers::default());
    let body = |value: serde_json::Value| value.as_object().unwrap().clone();
    let mut free = |_: &Listener| Ok(());
    let new = body(json!({"type": "tcp", "name": "new", "bind": "2001"}));
    assert_eq!(config.put_listener(None, &new, &mut free).unwrap().0.status, 200);
    assert_eq!(config.put_listener(None, &new, &mut free).unwrap_err().status, 400);
    let (answer, applied) = config.put_listener(Some("tcp:new"), &body(json!({"bind": ":2002"})), &mut free).unwrap();
    assert!(answer.body.contains("\"bind\":\":2002\""));
    assert_eq!((applied.listeners.started.len(), applied.listeners.stopped.len()), (1, 1));
    assert_eq!(config.delete_listener("tcp:new").unwrap().1.listeners.stopped.len(), 1);
    assert_eq!(config.delete_listener("tcp:new").unwrap_err().status, 404);
    assert_eq!(config.put_listener(Some("tcp:none"), &new, &mut free).unwrap_err().status, 404);
}

#[test]
fn gateways_load_with_binds_only() {
    let mut config = boot("5.10.4", &Layers::default());
    let without = json!({"listeners": [{"type": "tcp", "name": "default"}]});
    assert_eq!(config.put_gateway("stomp", &without).unwrap_err().status, 500);
    let with = json!({"listeners": [{"type": "tcp", "name": "default", "bind": "61613"}]});
    assert_eq!(config.put_gateway("stomp", &with).unwrap().0.status, 204);
    assert_eq!(config.gateway_listeners("stomp")[0].id(), "stomp:tcp:default");
    assert_eq!(config.get_gateway_listeners("stomp", "n").status, 200);
    config.enable_gateway("stomp", false).unwrap();
    assert!(config.get_gateways(Some("stopped"), "n", "t").body.contains("stomp"));
}

#[test]
fn a_deleted_shipped_listener_stays_away_after_a_restart() {
    let mut config = boot("5.10.4", &Layers::default());
    config.delete_listener("ws:default").unwrap();
    let restarted = boot("5.10.4", &Layers { cluster: config.cluster_hocon(), ..Layers::default() });
    assert_eq!(
        restarted.listeners().iter().map(Listener::id).collect::<Vec<_>>(),
        ["tcp:default", "ssl:default", "wss:default"]
    );
}

#[test]
fn fields_without_default_are_known() {
    let mut config = boot("5.10.4", &Layers::default());
    let text = "listeners.wss.x { bind = 1, max_conn_rate = \"1000/s\", ssl_options.password = secret }";
    put(&mut config, text, "merge").unwrap();
    assert_eq!(config.text("listeners.wss.x.ssl_options.password"), Some("secret"));
    assert_eq!(config.value("listeners.wss.default.max_conn_rate"), None);
}

#[test]
fn merging_into_the_dashboard_keeps_its_port() {
    let environment = vec![("EMQX_DASHBOARD__LISTENERS__HTTP__BIND".to_owned(), "18090".to_owned())];
    let mut config = boot("5.10.4", &Layers { environment, ..Layers::default() });
    put(&mut config, "dashboard.cors = true", "merge").unwrap();
    assert_eq!(config.number("dashboard.listeners.http.bind"), Some(18090));
    assert!(config.cluster_hocon().contains("bind = 18090"));
    put(&mut config, "dashboard.listeners.http.bind = 18091", "merge").unwrap();
    assert_eq!(config.number("dashboard.listeners.http.bind"), Some(18091));
}
