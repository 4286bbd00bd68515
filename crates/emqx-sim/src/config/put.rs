//! The requests that change configuration: `PUT /configs` and `PUT /configs/:root`. All roots of a request are checked
//! before the first is applied.

use super::Config;
use super::answer::Answer;
use super::check;
use super::error::{ConfigError, message};
use super::hocon;
use super::update::{Applied, Mode, StartCheck};
use super::value::merge_maps;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

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
        if mode == Mode::Merge {
            given = self.with_dashboard_binds(given);
        }
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

    /// Merging into `dashboard` kept the port in force on real brokers, although other defaults come back: without
    /// this the API would vanish, for the default bind means off.
    fn with_dashboard_binds(&self, given: Map<String, Value>) -> Map<String, Value> {
        if !given.contains_key("dashboard") {
            return given;
        }
        let binds = ["http", "https"].into_iter().filter_map(|kind| {
            let bind = self.value(&format!("dashboard.listeners.{kind}.bind"))?;
            Some((kind.to_owned(), json!({"bind": bind})))
        });
        let kept = json!({"listeners": binds.collect::<Map<_, _>>()});
        merge_maps(Map::from_iter([("dashboard".to_owned(), kept)]), given)
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

/// The HTTP layer checks this body itself and calls the top of it `root`.
fn bad_root(root: &str, problems: &[check::Problem]) -> Answer {
    let text = problems.first().map(message).unwrap_or_default();
    let text = text.replace(&format!("\"path\":\"{root}"), "\"path\":\"root");
    Answer::error(400, "BAD_REQUEST", &text)
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
