//! Changes at run time. Every given root is first filled with schema defaults, then merged or replaced, so fields that
//! a request leaves out fall back to their defaults. All roots are checked before the first is applied; while applying,
//! a refused root does not stop the others.

use super::Config;
use super::answer::Answer;
use super::check;
use super::error::{ConfigError, message};
use super::hocon;
use super::listeners::{Listener, ListenerChanges};
use super::value::merge;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fmt;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Merge,
    Replace,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Merge => "merge",
            Self::Replace => "replace",
        })
    }
}

/// `PUT /configs` as it came in.
#[derive(Debug, Clone, Copy, Default)]
pub struct Put<'a> {
    pub text: &'a str,
    /// Query `mode`, `merge` if absent.
    pub mode: Option<&'a str>,
    /// Query `ignore_readonly`, `false` if absent.
    pub ignore_readonly: Option<&'a str>,
    pub content_type: Option<&'a str>,
}

/// What is now in force; the node layer acts on it, stores `cluster.hocon` and sends `roots` to its peers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Applied {
    /// Whole effective roots, for `Config::adopt` on the other nodes.
    pub roots: Map<String, Value>,
    pub listeners: ListenerChanges,
}

impl Applied {
    /// Whether the HTTP listeners of the API must be looked at again.
    pub fn changes_dashboard(&self) -> bool {
        self.roots.contains_key("dashboard")
    }

    pub fn changes_gateways(&self) -> bool {
        self.roots.contains_key("gateway")
    }
}

/// Asked for each listener that would start; an error text such as `eaddrinuse` refuses the root.
pub type StartCheck<'a> = &'a mut dyn FnMut(&Listener) -> Result<(), String>;

const FIRST: [&str; 4] = ["connectors", "actions", "sources", "rule_engine"];

impl Config {
    /// `PUT /configs`: 200 with empty body, or the answer of the error.
    pub fn put(&mut self, request: &Put<'_>, can_start: StartCheck<'_>) -> Result<Applied, ConfigError> {
        let mode = parse_mode(request.mode)?;
        let ignore_readonly = parse_flag(request.ignore_readonly)?;
        if let Some(content_type) = request.content_type.filter(|value| is_decoded(value)) {
            return self.no_text(ConfigError::NotText { content_type: content_type.to_owned() });
        }
        let mut given = hocon::parse(request.text).map_err(ConfigError::Syntax)?;
        if given.is_empty() {
            return self.no_text(ConfigError::Empty { mode, ignore_readonly });
        }
        self.drop_readonly(&mut given, ignore_readonly)?;
        let filled = self.checked(&given)?;
        self.apply_all(filled, mode, can_start)
    }

    /// From 6.1 on a body without text is a success without effect, before it crashes the request.
    fn no_text(&self, error: ConfigError) -> Result<Applied, ConfigError> {
        if self.profile.since(6, 1) { Ok(Applied::default()) } else { Err(error) }
    }

    /// Read-only keys are refused or dropped; `cluster` remains, so that it is written whole, as brokers do.
    fn drop_readonly(&self, given: &mut Map<String, Value>, ignore: bool) -> Result<(), ConfigError> {
        let mut found: Vec<String> =
            ["node", "rpc"].into_iter().filter(|root| given.contains_key(*root)).map(str::to_owned).collect();
        let cluster = given.get("cluster").and_then(Value::as_object).into_iter().flat_map(Map::keys);
        found.extend(cluster.filter(|key| *key != "links").map(|key| format!("cluster.{key}")));
        if !ignore && !found.is_empty() {
            return Err(ConfigError::ReadOnly(found));
        }
        given.remove("node");
        given.remove("rpc");
        if let Some(Value::Object(cluster)) = given.get_mut("cluster") {
            for (key, value) in self.effective.get("cluster").and_then(Value::as_object).into_iter().flatten() {
                if key != "links" || !cluster.contains_key("links") {
                    cluster.insert(key.clone(), value.clone());
                }
            }
        }
        Ok(())
    }

    fn checked(&self, given: &Map<String, Value>) -> Result<BTreeMap<String, Value>, ConfigError> {
        let unknown: Vec<String> = given.keys().filter(|root| !self.schema.has_root(root)).cloned().collect();
        if !unknown.is_empty() {
            return Err(ConfigError::UnknownRoots(unknown));
        }
        let (mut filled, mut problems) = (BTreeMap::new(), BTreeMap::new());
        for (root, value) in given {
            match check::fill(self.schema, root, Some(value)) {
                Ok(value) => drop(filled.insert(root.clone(), value)),
                Err(found) => problems.extend(found.into_iter().next().map(|problem| (root.clone(), problem))),
            }
        }
        if problems.is_empty() { Ok(filled) } else { Err(ConfigError::Invalid(problems)) }
    }

    fn apply_all(
        &mut self,
        filled: BTreeMap<String, Value>,
        mode: Mode,
        can_start: StartCheck<'_>,
    ) -> Result<Applied, ConfigError> {
        let mut roots: Vec<_> = filled.into_iter().collect();
        // Stable: the rest stays in alphabetical order.
        roots.sort_by_key(|(root, _)| FIRST.iter().position(|first| first == root).unwrap_or(FIRST.len()));
        let (mut applied, mut refusals) = (Applied::default(), Vec::new());
        for (root, value) in roots {
            match self.apply(&root, value.clone(), mode, can_start) {
                Ok(one) => applied.absorb(one),
                Err(reason) => refusals.push(self.refusal(&root, &value, mode, &reason)),
            }
        }
        if refusals.is_empty() {
            return Ok(applied);
        }
        Err(ConfigError::Refused { text: refusals.join("\n"), applied })
    }

    /// Puts one root in force, or tells in EMQX's words why not.
    fn apply(&mut self, root: &str, filled: Value, mode: Mode, can_start: StartCheck<'_>) -> Result<Applied, String> {
        let old = self.effective.get(root).cloned();
        let new = match (mode, &old) {
            (Mode::Merge, Some(old)) => merge(old.clone(), filled),
            (Mode::Merge, None) | (Mode::Replace, _) => filled,
        };
        if root == "durable_sessions" && old.as_ref().and_then(|old| old.get("enable")) != new.get("enable") {
            return Err("{pre_config_update,emqx_persistent_message,\n                           \"Hot update of durable_sessions.enable parameter is currently not supported\"}".to_owned());
        }
        if root == "listeners" {
            refuse_unstartable(&ListenerChanges::between(old.as_ref(), Some(&new)), can_start)?;
        }
        Ok(self.adopt(Map::from_iter([(root.to_owned(), new)])))
    }

    /// Puts whole roots in force that were checked elsewhere: by `put` here, or by the node that took the request.
    pub fn adopt(&mut self, roots: Map<String, Value>) -> Applied {
        let mut listeners = ListenerChanges::default();
        if let Some(new) = roots.get("listeners") {
            listeners = ListenerChanges::between(self.effective.get("listeners"), Some(new));
        }
        for (root, value) in &roots {
            self.effective.insert(root.clone(), value.clone());
            let stored = if root == "listeners" { self.with_deletions(value) } else { value.clone() };
            self.stored.insert(root.clone(), stored);
        }
        Applied { roots, listeners }
    }

    /// The text to keep as `data/configs/cluster.hocon`: base and cluster layer with every updated root whole.
    pub fn cluster_hocon(&self) -> String {
        hocon::print(&self.stored)
    }

    fn refusal(&self, root: &str, filled: &Value, mode: Mode, reason: &str) -> String {
        let effective = self.effective.get(root).map(|value| hocon::print_root(root, value)).unwrap_or_default();
        let tried = hocon::print_root(root, filled);
        format!(
            "The effective configurations:\n```\n{effective}```\n\nTry to {mode} with:\n```\n{tried}```\n\nCan't {mode} the new configurations!\nRoot key: {root}\nReason: {reason}\n"
        )
    }

    /// `PUT /configs/:root` with a JSON body: the root is replaced; 200 with the new root.
    pub fn put_root(&mut self, root: &str, body: &Value) -> Result<(Answer, Applied), Answer> {
        if !super::read::is_json_root(root) {
            return Err(Answer::error(404, "NOT_FOUND", "Request Path Not Found"));
        }
        let filled = check::fill(self.schema, root, Some(body)).map_err(|problems| bad_root(root, &problems))?;
        let applied = self
            .apply(root, filled, Mode::Replace, &mut |_| Ok(()))
            .map_err(|reason| Answer::error(400, "UPDATE_FAILED", &reason))?;
        let shown = applied.roots.get(root).cloned().unwrap_or(json!({}));
        Ok((Answer::json(200, &shown), applied))
    }
}

impl Applied {
    fn absorb(&mut self, other: Self) {
        let Self { roots, listeners } = other;
        self.roots.extend(roots);
        self.listeners.started.extend(listeners.started);
        self.listeners.stopped.extend(listeners.stopped);
    }
}

/// The HTTP layer checks this body itself and calls the top of it `root`.
fn bad_root(root: &str, problems: &[check::Problem]) -> Answer {
    let text = problems.first().map(message).unwrap_or_default();
    let text = text.replace(&format!("\"path\":\"{root}"), "\"path\":\"root");
    Answer::error(400, "BAD_REQUEST", &text)
}

fn refuse_unstartable(changes: &ListenerChanges, can_start: StartCheck<'_>) -> Result<(), String> {
    for listener in &changes.started {
        can_start(listener).map_err(|reason| {
            format!(
                "{{post_config_update,emqx_listeners,\n            {{failed_to_start,\n                \"{}({}) : {{shutdown,{{failed_to_start_child,listener,{reason}}}}}\"}}}}",
                listener.id(),
                listener.bind
            )
        })?;
    }
    Ok(())
}

fn parse_mode(mode: Option<&str>) -> Result<Mode, ConfigError> {
    match mode {
        None | Some("merge") => Ok(Mode::Merge),
        Some("replace") => Ok(Mode::Replace),
        Some(value) => Err(ConfigError::BadQuery { name: "mode", value: value.to_owned() }),
    }
}

fn parse_flag(flag: Option<&str>) -> Result<bool, ConfigError> {
    match flag {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(value) => Err(ConfigError::BadQuery { name: "ignore_readonly", value: value.to_owned() }),
    }
}

/// The HTTP layer decodes these before the handler could read text.
fn is_decoded(content_type: &str) -> bool {
    content_type.starts_with("application/json") || content_type.starts_with("multipart/")
}
