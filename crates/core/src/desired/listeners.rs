//! Ports, read off the configuration.
//!
//! Services come from the spec, not from a running broker: they are right before the first node has started and stay
//! right while none answers. EMQX's own rules apply: four listeners exist unless they are disabled, an added listener does
//! not replace them, and a `bind` may be a port or an address with a port.

use super::errors::{Mistake, Mistakes};
use crate::text::{field, kind, quoted};
use k8s_openapi::api::core::v1::EnvVar;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Where the dashboard and the HTTP API listen; at least one of both does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct DashboardPorts {
    pub http: Option<u16>,
    pub https: Option<u16>,
}

/// A port that clients connect to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ListenerPort {
    /// `<type>-<name>`, or `<gateway>-<type>-<name>`; the name of the port in the Service.
    pub name: String,
    pub port: u16,
    pub transport: Transport,
    /// `kubernetes.io/ws` or `kubernetes.io/wss` for WebSocket.
    pub app_protocol: Option<&'static str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Transport {
    Tcp,
    Udp,
}

impl Transport {
    /// As Kubernetes spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Transport::Tcp => "TCP",
            Transport::Udp => "UDP",
        }
    }
}

const DASHBOARD_PORT: u16 = 18083;
const LONGEST_PORT_NAME: usize = 63;

/// Type, default port of the type, whether EMQX has a default listener of it.
const MQTT_TYPES: [(&str, u16, bool); 5] =
    [("tcp", 1883, true), ("ssl", 8883, true), ("ws", 8083, true), ("wss", 8084, true), ("quic", 14567, false)];

/// Listener types of gateways.
const GATEWAY_TYPES: [&str; 6] = ["tcp", "ssl", "udp", "dtls", "ws", "wss"];

/// The dashboard's ports. At least one is needed: probes and the operator ask EMQX through them.
pub(super) fn dashboard(root: Option<&Value>) -> Result<DashboardPorts, Mistakes> {
    let path = "spec.config.roots.dashboard.listeners";
    let listener = |name: &str| root.and_then(|root| root.get("listeners")).and_then(|listeners| listeners.get(name));
    let port = |name: &str, default: Option<u16>| -> Result<Option<u16>, Mistakes> {
        let Some(listener) = listener(name) else { return Ok(default) };
        if disabled(listener) {
            return Ok(None);
        }
        match listener.get("bind") {
            None => Ok(default),
            Some(bind) if is_off(bind) => Ok(None),
            Some(value) => bind(&format!("{path}.{name}.bind"), value).map(Some),
        }
    };
    let mut mistakes = Mistakes::default();
    let http = mistakes.collect(port("http", Some(DASHBOARD_PORT)));
    let https = mistakes.collect(port("https", None));
    mistakes.finish()?;
    let ports = DashboardPorts { http: http.flatten(), https: https.flatten() };
    if ports.http.is_none() && ports.https.is_none() {
        let problem = "http and https are both off; probes and the operator need one of them";
        return Err(Mistake::invalid(path, problem).into());
    }
    Ok(ports)
}

/// All ports that clients connect to, sorted by name.
pub(super) fn listeners(
    root: Option<&Value>,
    gateways: Option<&Value>,
    env: &Map<String, Value>,
) -> Result<Vec<ListenerPort>, Mistakes> {
    let mut mistakes = Mistakes::default();
    let mut ports = Vec::new();
    ports.extend(mistakes.collect(mqtt(root, env)).into_iter().flatten());
    ports.extend(mistakes.collect(of_gateways(gateways)).into_iter().flatten());
    mistakes.collect(check_collisions(&ports));
    mistakes.finish()?;
    ports.sort();
    Ok(ports)
}

fn mqtt(root: Option<&Value>, env: &Map<String, Value>) -> Result<Vec<ListenerPort>, Mistakes> {
    let path = "spec.config.roots.listeners";
    let mut mistakes = Mistakes::default();
    let mut ports = Vec::new();
    let given = mistakes.collect(object(path, root)).unwrap_or_default();
    for kind in given.keys().filter(|kind| !MQTT_TYPES.iter().any(|(known, ..)| known == kind)) {
        let problem = "EMQX has no listeners of this type; there are tcp, ssl, ws, wss and quic";
        mistakes.push(Mistake::invalid(field(path, kind), problem));
    }
    for (kind, default_port, has_default) in MQTT_TYPES {
        let path = format!("{path}.{kind}");
        let mut named = mistakes.collect(object(&path, given.get(kind))).unwrap_or_default();
        if has_default {
            named.entry("default").or_insert_with(|| json!({}));
        }
        overlay(&mut named, env.get(kind));
        for (name, listener) in &named {
            let path = field(&path, name);
            let port = mistakes.collect(listener_port(&path, listener, Some(default_port))).flatten();
            let named = port.map(|port| listener_named(&path, &format!("{kind}-{name}"), kind, port));
            ports.extend(named.and_then(|named| mistakes.collect(named)));
        }
    }
    mistakes.finish()?;
    Ok(ports)
}

fn of_gateways(root: Option<&Value>) -> Result<Vec<ListenerPort>, Mistakes> {
    let path = "spec.config.roots.gateway";
    let mut mistakes = Mistakes::default();
    let mut ports = Vec::new();
    for (gateway, value) in mistakes.collect(object(path, root)).unwrap_or_default() {
        if disabled(&value) {
            continue;
        }
        let path = format!("{}.listeners", field(path, &gateway));
        for (kind, named) in mistakes.collect(object(&path, value.get("listeners"))).unwrap_or_default() {
            let path = field(&path, &kind);
            if !GATEWAY_TYPES.contains(&kind.as_str()) {
                let problem = "gateways have no listeners of this type; there are tcp, ssl, udp, dtls, ws and wss";
                mistakes.push(Mistake::invalid(path, problem));
                continue;
            }
            for (name, listener) in mistakes.collect(object(&path, Some(&named))).unwrap_or_default() {
                let path = field(&path, &name);
                let port = mistakes.collect(listener_port(&path, &listener, None)).flatten();
                let named = port.map(|port| listener_named(&path, &format!("{gateway}-{kind}-{name}"), &kind, port));
                ports.extend(named.and_then(|named| mistakes.collect(named)));
            }
        }
    }
    mistakes.finish()?;
    Ok(ports)
}

/// Names of ports have at most 63 characters of these, and end with a letter or digit.
fn listener_named(path: &str, name: &str, kind: &str, port: u16) -> Result<ListenerPort, Mistakes> {
    let made = name.to_ascii_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    let made = made.trim_end_matches('-').to_owned();
    if made.len() > LONGEST_PORT_NAME {
        let problem = format!(
            "the port of the Service would have the name '{}' of {} characters; Kubernetes takes {LONGEST_PORT_NAME}: shorten \
             the name of the listener",
            quoted(&made),
            made.len()
        );
        return Err(Mistake::invalid(path, problem).into());
    }
    Ok(ListenerPort {
        name: made,
        port,
        transport: if ["quic", "udp", "dtls"].contains(&kind) { Transport::Udp } else { Transport::Tcp },
        app_protocol: match kind {
            "ws" => Some("kubernetes.io/ws"),
            "wss" => Some("kubernetes.io/wss"),
            _ => None,
        },
    })
}

/// EMQX would not start, and say so in its log only.
pub(super) fn check_dashboard(dashboard: DashboardPorts, ports: &[ListenerPort]) -> Result<(), Mistakes> {
    let taken = |port: &&ListenerPort| {
        port.transport == Transport::Tcp && [dashboard.http, dashboard.https].contains(&Some(port.port))
    };
    let mistakes = ports.iter().filter(taken).map(|port| {
        let problem = format!("{} listens on {}, which is the port of the dashboard", quoted(&port.name), port.port);
        Mistake::invalid("spec.config.roots.listeners", problem)
    });
    Mistakes::from(mistakes.collect::<Vec<_>>()).finish()
}

/// `None` for a disabled listener.
fn listener_port(path: &str, listener: &Value, default: Option<u16>) -> Result<Option<u16>, Mistakes> {
    if listener == "marked_for_deletion" {
        return Ok(None);
    }
    if !listener.is_object() {
        return Err(Mistake::invalid(path, format!("is {}; a listener is an object", kind(listener))).into());
    }
    if disabled(listener) {
        return Ok(None);
    }
    match (listener.get("bind"), default) {
        (Some(value), _) => bind(&format!("{path}.bind"), value).map(Some),
        (None, Some(port)) => Ok(Some(port)),
        (None, None) => {
            Err(Mistake::invalid(format!("{path}.bind"), "is missing; gateways have no default ports").into())
        }
    }
}

fn disabled(value: &Value) -> bool {
    ["enable", "enabled"].iter().any(|key| value.get(key).is_some_and(|on| on == false || on == "false"))
}

fn is_off(bind: &Value) -> bool {
    *bind == 0 || bind == "0"
}

/// The port of `1883`, `":1883"`, `"0.0.0.0:1883"` or `"[::]:1883"`.
fn bind(path: &str, value: &Value) -> Result<u16, Mistakes> {
    let wrong = |problem: String| Mistakes::from(Mistake::invalid(path, problem));
    let text = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.trim().to_owned(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
            return Err(wrong(format!("is {}; it is a port, or an address with a port", kind(value))));
        }
    };
    let said = quoted(&text);
    let (host, port) = text.rsplit_once(':').unwrap_or(("", &text));
    let port: u16 = match port.parse() {
        Ok(0) | Err(_) => return Err(wrong(format!("'{said}' has no port between 1 and 65535"))),
        Ok(port) => port,
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if host.is_empty() || host == "::" {
        return Ok(port);
    }
    match host.trim_end_matches(':').parse::<std::net::IpAddr>() {
        Ok(address) if address.is_loopback() => {
            Err(wrong(format!("'{said}' is reachable from inside the pod only; use 0.0.0.0:{port}")))
        }
        Ok(_) => Ok(port),
        Err(_) if host.chars().all(|c| c == ':') => Ok(port),
        Err(_) => Err(wrong(format!("'{said}': EMQX takes no host names here, only IP addresses"))),
    }
}

fn object(path: &str, value: Option<&Value>) -> Result<Map<String, Value>, Mistakes> {
    match value {
        None => Ok(Map::new()),
        Some(Value::Object(fields)) => Ok(fields.clone()),
        Some(other) => Err(Mistake::invalid(path, format!("is {}; it must be an object", kind(other))).into()),
    }
}

/// Two listeners on one port: EMQX would not start, and say so in its log only. Two of one name: Kubernetes refuses the
/// Service.
fn check_collisions(ports: &[ListenerPort]) -> Result<(), Mistakes> {
    let mut taken: BTreeMap<(u16, Transport), &str> = BTreeMap::new();
    let mut names = BTreeSet::new();
    let mut mistakes = Vec::new();
    for port in ports {
        let name = quoted(&port.name);
        if let Some(other) = taken.insert((port.port, port.transport), &port.name) {
            let other = quoted(other);
            let problem = format!("{other} and {name} both listen on {}/{}", port.port, port.transport.as_str());
            mistakes.push(Mistake::invalid("spec.config.roots.listeners", problem));
        }
        if !names.insert(&port.name) {
            let problem = format!("two listeners have the name {name} in the Service; rename one of them");
            mistakes.push(Mistake::invalid("spec.config.roots.listeners", problem));
        }
    }
    Mistakes::from(mistakes).finish()
}

/// Listener settings in the environment (`EMQX_LISTENERS__TCP__DEFAULT__BIND=1884`) as `{tcp: {default: {bind: …}}}`.
pub(super) fn from_environment(env: &[EnvVar]) -> Map<String, Value> {
    let mut found = Map::new();
    for variable in env {
        let name = variable.name.to_ascii_lowercase();
        let (Some(path), Some(value)) = (name.strip_prefix("emqx_listeners__"), &variable.value) else { continue };
        if let [kind, listener, key] = path.split("__").collect::<Vec<_>>()[..] {
            let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value.as_str()));
            let named = found.entry(kind).or_insert_with(|| json!({}));
            named[listener][key] = value;
        }
    }
    found
}

/// The environment overrides the files.
fn overlay(named: &mut Map<String, Value>, env: Option<&Value>) {
    for (name, settings) in env.and_then(Value::as_object).into_iter().flatten() {
        let listener = named.entry(name).or_insert_with(|| json!({}));
        if let (Value::Object(listener), Value::Object(settings)) = (listener, settings) {
            listener.extend(settings.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{dashboard, from_environment, listeners};
    use k8s_openapi::api::core::v1::EnvVar;
    use serde_json::{Value, json};

    fn ports(root: Value, gateway: Value) -> Result<Vec<String>, String> {
        listeners(Some(&root), Some(&gateway), &Default::default())
            .map(|ports| ports.iter().map(|p| format!("{}={}/{}", p.name, p.port, p.transport.as_str())).collect())
            .map_err(|mistakes| mistakes.to_string())
    }

    #[test]
    fn four_listeners_exist_unless_disabled() {
        assert_eq!(
            ports(json!({}), json!({})).unwrap(),
            ["ssl-default=8883/TCP", "tcp-default=1883/TCP", "ws-default=8083/TCP", "wss-default=8084/TCP"]
        );
        let root = json!({
            "ssl": {"default": {"enable": false}},
            "ws": {"default": "marked_for_deletion"},
            "wss": {"default": {"enabled": "false"}},
            "tcp": {"default": {"bind": "0.0.0.0:11883"}, "Internal": {"bind": ":2883"}},
            "quic": {"default": {}},
        });
        assert_eq!(
            ports(root, json!({})).unwrap(),
            ["quic-default=14567/UDP", "tcp-default=11883/TCP", "tcp-internal=2883/TCP"]
        );
    }

    #[test]
    fn gateways_are_ports_too() {
        let off = json!({"tcp": {"default": {"enable": false}}, "ssl": {"default": {"enable": false}},
            "ws": {"default": {"enable": false}}, "wss": {"default": {"enable": false}}});
        let gateway = json!({
            "coap": {"listeners": {"udp": {"default": {"bind": 5683}}}},
            "stomp": {"enable": false, "listeners": {"tcp": {"default": {"bind": 61613}}}},
        });
        assert_eq!(ports(off, gateway).unwrap(), ["coap-udp-default=5683/UDP"]);
    }

    #[test]
    fn what_emqx_would_not_start_with_is_refused_by_path() {
        let cases = [
            (json!({"tpc": {}}), "spec.config.roots.listeners.tpc: "),
            (json!({"tcp": []}), "spec.config.roots.listeners.tcp: is a list"),
            (json!({"tcp": {"default": 1883}}), "spec.config.roots.listeners.tcp.default: is a number"),
            (
                json!({"tcp": {"default": {"bind": "localhost:1883"}}}),
                "spec.config.roots.listeners.tcp.default.bind: 'localhost:1883'",
            ),
            (json!({"tcp": {"default": {"bind": "127.0.0.1:1883"}}}), "inside the pod only"),
            (json!({"tcp": {"default": {"bind": 70000}}}), "'70000' has no port"),
            (json!({"tcp": {"default": {"bind": true}}}), "is a boolean"),
            (json!({"tcp": {"a": {"bind": 8083}}}), "tcp-a and ws-default both listen on 8083/TCP"),
            (json!({"tcp": {"a.b": {"bind": 1}, "A-b": {"bind": 2}}}), "two listeners have the name tcp-a-b"),
            (json!({"ws": {"x".repeat(61): {"bind": 1}}}), "of 64 characters; Kubernetes takes 63"),
        ];
        for (root, expected) in cases {
            let text = ports(root.clone(), json!({})).expect_err(&root.to_string());
            assert!(text.contains(expected), "{root}: {text}");
        }
    }

    #[test]
    fn ipv6_binds_are_understood() {
        for bind in ["[::]:1884", ":::1884", "[2001:db8::1]:1884"] {
            let root = json!({"tcp": {"default": {"bind": bind}}});
            assert!(ports(root, json!({})).unwrap().contains(&"tcp-default=1884/TCP".to_owned()), "{bind}");
        }
    }

    #[test]
    fn the_environment_beats_the_files() {
        let env = from_environment(&[EnvVar {
            name: "EMQX_LISTENERS__TCP__DEFAULT__BIND".into(),
            value: Some("11883".into()),
            ..EnvVar::default()
        }]);
        let found = listeners(Some(&json!({"tcp": {"default": {"bind": 1}}})), None, &env).unwrap();
        assert!(found.iter().any(|port| port.name == "tcp-default" && port.port == 11883));
    }

    #[test]
    fn one_dashboard_port_is_needed() {
        let ports = |root: Value| dashboard(Some(&json!({"listeners": root}))).map(|ports| (ports.http, ports.https));
        assert_eq!(ports(json!({})).unwrap(), (Some(18083), None));
        assert_eq!(ports(json!({"http": {"bind": 0}, "https": {"bind": 18084}})).unwrap(), (None, Some(18084)));
        assert_eq!(ports(json!({"http": {"bind": "[::]:8080"}})).unwrap(), (Some(8080), None));
        assert!(ports(json!({"http": {"bind": 0}})).is_err());
        assert!(ports(json!({"http": {"bind": "here"}})).is_err());
    }
}
