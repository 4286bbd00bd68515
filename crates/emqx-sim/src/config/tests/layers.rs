//! Who wins at boot, and what keeps a node from booting.

use crate::config::*;
use serde_json::json;

fn layers(base: &str, cluster: &str, main: &str, environment: &[(&str, &str)]) -> Layers {
    let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Layers { base: base.into(), cluster: cluster.into(), main: main.into(), environment }
}

fn boot(layers: &Layers) -> (Config, Vec<String>) {
    Config::boot("5.10.4".parse().unwrap(), layers).unwrap()
}

#[test]
fn later_layers_win() {
    let [base, cluster, main] = [3, 4, 5].map(|size| format!("mqtt.max_packet_size = {size}MB"));
    let env = [("EMQX_MQTT__MAX_PACKET_SIZE", "7MB")];
    let rows = [
        (layers("", "", "", &[]), "1MB"),
        (layers(&base, "", "", &[]), "3MB"),
        (layers(&base, &cluster, "", &[]), "4MB"),
        (layers(&base, &cluster, &main, &[]), "5MB"),
        (layers(&base, &cluster, &main, &env), "7MB"),
    ];
    for (layers, expected) in rows {
        assert_eq!(boot(&layers).0.text("mqtt.max_packet_size"), Some(expected));
    }
}

#[test]
fn variables_are_read_as_a_broker_reads_them() {
    let rows = [
        ("EMQX_DASHBOARD__DEFAULT_PASSWORD", "abc#1", "dashboard.default_password", json!("abc")),
        ("EMQX_DASHBOARD__DEFAULT_PASSWORD", "\"abc#1\"", "dashboard.default_password", json!("abc#1")),
        ("EMQX_DASHBOARD__DEFAULT_PASSWORD", "pa ss", "dashboard.default_password", json!("pass")),
        ("EMQX_DASHBOARD__DEFAULT_PASSWORD", "123", "dashboard.default_password", json!("123")),
        ("EMQX_API_KEY__BOOTSTRAP_FILE", "/opt/keys", "api_key.bootstrap_file", json!("/opt/keys")),
        ("EMQX_NODE__COOKIE", "a#b", "node.cookie", json!("a#b")),
        ("EMQX_NODE_COOKIE", "old", "node.cookie", json!("old")),
        ("emqx_listeners__tcp__MyTcp__bind", "2883", "listeners.tcp.mytcp.bind", json!(2883)),
        ("EMQX_CLUSTER__STATIC__SEEDS", "[a@h1, b@h2]", "cluster.static.seeds", json!(["a@h1", "b@h2"])),
        ("EMQX_AUTHENTICATION__1__ENABLE", "false", "authentication", json!([{"enable": false}])),
        ("EMQX_DURABLE_STORAGE__MESSAGES__N_SITES", "3", "durable_storage.messages.n_sites", json!(3)),
    ];
    for (name, value, path, expected) in rows {
        let (config, warnings) = boot(&layers("", "", "", &[(name, value)]));
        assert_eq!(config.value(path), Some(&expected), "{name}={value}");
        assert_eq!(warnings, Vec::<String>::new());
    }
}

#[test]
fn the_old_name_of_a_variable_wins() {
    let both = [("EMQX_NODE__NAME", "new@h"), ("EMQX_NODE_NAME", "old@h")];
    assert_eq!(boot(&layers("", "", "", &both)).0.node_name(), Some("old@h"));
}

#[test]
fn unknown_names_warn_or_are_ignored() {
    let (_, warnings) =
        boot(&layers("", "", "nonsense { a = 1 }", &[("EMQX_PORT", "tcp://1"), ("EMQX_MQTT__FOO", "1")]));
    assert_eq!(warnings.len(), 2);
    assert!(warnings[0].contains("config_key_not_recognized: nonsense") && warnings[1].contains("EMQX_MQTT__FOO"));
}

#[test]
fn mistakes_keep_a_node_from_booting() {
    let rows = [
        (layers("mqtt {", "", "", &[]), "failed to read base.hocon: line 1: syntax error before: "),
        (layers("", "", "mqtt.foo = 1", &[]), "\"unknown\":\"foo\""),
        (layers("", "", "", &[("EMQX_MQTT__MAX_INFLIGHT", "many")]), "\"path\":\"mqtt.max_inflight\""),
    ];
    for (layers, expected) in rows {
        let text = Config::boot("5.10.4".parse().unwrap(), &layers).unwrap_err().to_string();
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn without_a_bind_the_api_is_off() {
    assert_eq!(boot(&Layers::default()).0.dashboard_listeners(), vec![]);
    let binds = [
        ("EMQX_DASHBOARD__LISTENERS__HTTP__BIND", "18083"),
        ("EMQX_DASHBOARD__LISTENERS__HTTPS__BIND", "\"[::]:18084\""),
    ];
    let found = boot(&layers("", "", "", &binds)).0.dashboard_listeners();
    assert_eq!(
        found.iter().map(|one| (one.bind.to_string(), one.tls.is_some())).collect::<Vec<_>>(),
        [(":18083".to_owned(), false), ("[::]:18084".to_owned(), true)]
    );
}

#[test]
fn four_listeners_exist_unless_disabled() {
    let shown = |config: &Config| -> Vec<String> {
        config
            .listeners()
            .into_iter()
            .filter(|one| one.enable)
            .map(|one| format!("{} {}", one.id(), one.bind))
            .collect()
    };
    let all =
        ["tcp:default 0.0.0.0:1883", "ssl:default 0.0.0.0:8883", "ws:default 0.0.0.0:8083", "wss:default 0.0.0.0:8084"];
    assert_eq!(shown(&boot(&Layers::default()).0), all);
    let text = "listeners { ssl.default.enabled = false, ws.default = marked_for_deletion, wss.default.enable = false, quic.q {} }";
    assert_eq!(shown(&boot(&layers(text, "", "", &[])).0), ["tcp:default 0.0.0.0:1883", "quic:q :14567"]);
}

#[test]
fn layers_come_from_files_and_go_back() {
    let folder = tempfile::tempdir().unwrap();
    assert!(Layers::load(folder.path(), folder.path(), vec![]).is_err(), "emqx.conf must exist");
    std::fs::write(folder.path().join("emqx.conf"), "mqtt.max_inflight = 9").unwrap();
    save_cluster_hocon(folder.path(), "mqtt.max_inflight = 8\nmqtt.max_awaiting_rel = 7\n").unwrap();
    let (config, _) = boot(&Layers::load(folder.path(), folder.path(), vec![]).unwrap());
    assert_eq!((config.number("mqtt.max_inflight"), config.number("mqtt.max_awaiting_rel")), (Some(9), Some(7)));
}
