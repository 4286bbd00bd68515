//! `spec.config.roots`: what goes into which file, what it means for ports, and what is wrong with it.
//!
//! Two files carry the configuration, as in the Go operator: `emqx.conf` holds what EMQX reads only at start, and wins
//! over everything that was changed at run time; `base.hocon` holds the rest, and is outranked by run-time changes. So
//! a change of the first needs a restart, a change of the second a call to the API.

use super::errors::{Mistake, Mistakes};
use super::image::Image;
use super::listeners::{self, DashboardPorts, ListenerPort};
use super::references::References;
use super::roots;
use super::runtime_roots::RuntimeRoots;
use super::secret_refs::{Roots, SECRET_REF, SecretReference, with_secrets};
use super::settings;
use crate::text::{field, kind, name, quoted};
use emqx_operator_api::hub::EMQX;
use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt;

/// EMQX does not listen for its API by default; the shipped files set a listener, and the operator's files replace them. The
/// setting overrides changes at run time, which probes and Services would not follow. Where the nodes speak IPv6 their pods may
/// have no other address.
fn prelude(roots: &Roots) -> &'static str {
    let proto = roots.get("cluster").and_then(|cluster| cluster["proto_dist"].as_str());
    if proto.is_some_and(|proto| proto.starts_with("inet6")) {
        "dashboard.listeners.http.bind = \"[::]:18083\"\n"
    } else {
        "dashboard.listeners.http.bind = \"0.0.0.0:18083\"\n"
    }
}

/// The configuration, ready to be put into files and sent to brokers.
#[derive(Clone, Serialize)]
pub struct Config {
    /// `base.hocon`, and what is sent to the API: what EMQX can change while it runs. Empty without any such root.
    #[serde(skip)]
    pub runtime: String,
    /// `emqx.conf`: what EMQX reads only at start.
    #[serde(skip)]
    pub startup: String,
    /// Digest of everything.
    pub revision: String,
    /// Digest of the runtime roots.
    pub runtime_revision: String,
    /// The names of the runtime roots.
    pub runtime_roots: RuntimeRoots,
    /// Digest of the startup roots; `None` without any, so that clusters that never use them never roll over them.
    pub startup_revision: Option<String>,
    /// Whether the text contains values of Secrets, and so may not stand in a ConfigMap.
    pub secret: bool,
    pub dashboard: DashboardPorts,
    /// What clients connect to: MQTT listeners and gateways.
    pub listeners: Vec<ListenerPort>,
    /// Whether a license is configured that allows clusters.
    pub licensed: bool,
    /// Whether EMQX uses durable storage, by spec and version.
    pub durable: bool,
}

/// Texts may hold secrets, so only digests are printed.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Config({})", self.revision)
    }
}

pub(super) fn resolve(cr: &EMQX, references: &References) -> Result<Config, Mistakes> {
    let empty = BTreeMap::new();
    let given = cr.spec.config.as_ref().map_or(&empty, |config| &config.roots);
    let image = Image::resolve(&cr.spec.image).ok();
    if given.len() > roots::MOST {
        let problem = format!("has {} roots; EMQX has not even {}", given.len(), roots::MOST);
        return Err(Mistake::invalid("spec.config.roots", problem).into());
    }

    let mut mistakes = Mistakes::default();
    for (root, value) in given {
        mistakes.collect(check_root(root, value, image.as_ref()));
    }
    let visible = mistakes.collect(with_secrets(given, &mut |reference| reference.stand_in(references)));
    let filled = mistakes.collect(with_secrets(given, &mut |reference| reference.value(references)));
    let env = listeners::from_environment(settings::of_listeners(cr));
    mistakes.collect(settings::check_variables(cr, references));
    let dashboard = mistakes.collect(listeners::dashboard(given.get("dashboard")));
    let ports = mistakes.collect(listeners::listeners(given.get("listeners"), given.get("gateway"), &env));
    if let (Some(dashboard), Some(ports)) = (&dashboard, &ports) {
        mistakes.collect(listeners::check_dashboard(*dashboard, ports));
    }
    mistakes.finish()?;

    let everything = "every part that failed has left a mistake, so none failed";
    let (visible, filled) = (visible.expect(everything), filled.expect(everything));
    let (visible_startup, visible_runtime) = split(&visible);
    let (startup, runtime) = split(&filled);
    Ok(Config {
        runtime: render(&runtime),
        startup: format!("{}{}", prelude(given), render(&startup)),
        revision: digest(&render(&visible)),
        runtime_revision: digest(&render(&visible_runtime)),
        runtime_roots: RuntimeRoots::of(&runtime),
        startup_revision: (!visible_startup.is_empty()).then(|| digest(&render(&visible_startup))),
        secret: visible != filled,
        dashboard: dashboard.expect(everything),
        listeners: ports.expect(everything),
        licensed: given.get("license").is_some_and(is_for_clusters),
        durable: is_durable(given, cr, image.as_ref()),
    })
}

/// Durable sessions are switched on, or it is a release whose queues bring durable storage by themselves.
fn is_durable(roots: &Roots, cr: &EMQX, image: Option<&Image>) -> bool {
    let on = |value: &Value| *value == true || *value == "true";
    let in_roots = roots.get("durable_sessions").is_some_and(|root| on(&root["enable"]));
    let mut env = cr.spec.core_template.spec.node.env.iter();
    let in_env = env.any(|one| one.name == "EMQX_DURABLE_SESSIONS__ENABLE" && one.value.as_deref() == Some("true"));
    let by_itself = image.and_then(|image| image.version).is_some_and(|version| version >= (6, 0, 0));
    in_roots || in_env || by_itself
}

/// The key that every EMQX has from 5.9 on is `default`, and allows one node. What is in a Secret is not looked at.
fn is_for_clusters(license: &Value) -> bool {
    match &license["key"] {
        Value::Null => false,
        Value::String(key) => !matches!(key.trim(), "" | "default"),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => true,
    }
}

fn check_root(root: &str, value: &Value, image: Option<&Image>) -> Result<(), Mistakes> {
    let path = field("spec.config.roots", root);
    if root.contains('.') {
        let problem = format!("has dots in its name; write it nested: {}", nested(root, value));
        return Err(Mistake::invalid(path, problem).into());
    }
    if let Some(problem) = roots::misnamed(root, image) {
        return Err(Mistake::invalid(path, problem).into());
    }
    if !(value.is_object() || value.is_array() || root == "config_backup_interval") {
        let found = kind(value);
        return Err(Mistake::invalid(path, format!("is {found}; a root holds an object or a list")).into());
    }
    if value.get(SECRET_REF).is_some() {
        let problem = "holds an object or a list, and a Secret holds texts; refer to Secrets for the values in it";
        return Err(Mistake::invalid(path, problem).into());
    }
    let mut mistakes = Mistakes::default();
    for key in value.as_object().into_iter().flat_map(Map::keys) {
        if let Some(why) = settings::reserved(root, key) {
            mistakes.push(Mistake::invalid(field(&path, key), format!("is reserved for the operator: {why}")));
        }
    }
    check_keys(&path, value, &mut mistakes);
    mistakes.finish()
}

/// HOCON takes a key with dots for a path, JSON and EMQX's schema for one name: EMQX would end with an unknown field.
fn check_keys(path: &str, value: &Value, mistakes: &mut Mistakes) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                // Names of HTTP headers are not keys of EMQX.
                if key.contains('.') && !path.ends_with(".headers") {
                    let problem = format!("has dots in its name; write it nested: {}", nested(key, value));
                    mistakes.push(Mistake::invalid(field(path, key), problem));
                } else {
                    check_keys(&field(path, key), value, mistakes);
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                check_keys(&format!("{path}[{index}]"), item, mistakes);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// `{"a": {"b": …}}` of `a.b`.
fn nested(key: &str, value: &Value) -> String {
    let shown = match value {
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::Null | Value::String(_) | Value::Array(_) | Value::Object(_) => "…".to_owned(),
    };
    // Nothing of EMQX is deeper.
    let parts: Vec<_> = key.split('.').take(12).map(|part| format!("{{\"{}\": ", quoted(part))).collect();
    format!("{}{shown}{}", parts.concat(), "}".repeat(parts.len()))
}

/// Startup and runtime roots; `cluster` is divided.
fn split(all: &Roots) -> (Roots, Roots) {
    let (mut startup, mut runtime) = (Roots::new(), Roots::new());
    for (root, value) in all {
        match value {
            Value::Object(cluster) if root == "cluster" => {
                let mut rest = cluster.clone();
                if let Some(links) = rest.remove("links") {
                    runtime.insert(root.clone(), Value::Object(Map::from_iter([("links".to_owned(), links)])));
                }
                if !rest.is_empty() {
                    startup.insert(root.clone(), Value::Object(rest));
                }
            }
            value if roots::needs_restart(root) => {
                startup.insert(root.clone(), value.clone());
            }
            value => {
                runtime.insert(root.clone(), value.clone());
            }
        }
    }
    (startup, runtime)
}

/// One root per line, sorted; JSON is HOCON.
fn render(roots: &Roots) -> String {
    roots.iter().map(|(root, value)| format!("\"{root}\" = {}\n", canonical(value))).collect()
}

/// JSON with sorted keys, whatever the features of the JSON library say: revisions hang on it.
pub(crate) fn canonical(value: &Value) -> String {
    let mut text = Vec::new();
    write_canonical(value, &mut text);
    String::from_utf8(text).expect("JSON is UTF-8")
}

fn write_canonical(value: &Value, text: &mut Vec<u8>) {
    match value {
        Value::Object(fields) => {
            let mut sorted: Vec<_> = fields.iter().collect();
            sorted.sort_unstable_by_key(|(key, _)| *key);
            text.push(b'{');
            for (number, (key, value)) in sorted.into_iter().enumerate() {
                separate(number, text);
                plain(key, text);
                text.push(b':');
                write_canonical(value, text);
            }
            text.push(b'}');
        }
        Value::Array(items) => {
            text.push(b'[');
            for (number, value) in items.iter().enumerate() {
                separate(number, text);
                write_canonical(value, text);
            }
            text.push(b']');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => plain(value, text),
    }
}

fn separate(number: usize, text: &mut Vec<u8>) {
    if number > 0 {
        text.push(b',');
    }
}

fn plain(value: &impl Serialize, text: &mut Vec<u8>) {
    serde_json::to_writer(text, value).expect("memory takes all of it");
}

pub(crate) fn digest(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}

impl SecretReference<'_> {
    /// The text in place of the value in digests: it changes with the Secret and does not reveal it.
    fn stand_in(&self, references: &References) -> Result<Value, Mistake> {
        self.bytes(references)?;
        let version = references.secrets.get(self.name).map_or("", |secret| secret.resource_version.as_str());
        Ok(serde_json::json!({SECRET_REF: {"name": self.name, "key": self.key, "resourceVersion": version}}))
    }

    fn value(&self, references: &References) -> Result<Value, Mistake> {
        let bytes = self.bytes(references)?;
        let text = std::str::from_utf8(bytes).map_err(|_| {
            Mistake::invalid(&self.path, format!("key {} of Secret {} is not text", name(self.key), name(self.name)))
        })?;
        // Secrets that are created from files often end with a line break.
        Ok(Value::from(text.trim_end_matches(['\n', '\r'])))
    }

    fn bytes<'r>(&self, references: &'r References) -> Result<&'r Vec<u8>, Mistake> {
        let secret = references
            .secrets
            .get(self.name)
            .ok_or_else(|| Mistake::missing(&self.path, format!("Secret {} does not exist", name(self.name))))?;
        secret.entries.get(self.key).ok_or_else(|| {
            Mistake::missing(&self.path, format!("Secret {} has no key {}", name(self.name), name(self.key)))
        })
    }
}
