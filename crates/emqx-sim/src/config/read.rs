//! `GET /configs` and its relatives.

use super::Config;
use super::answer::Answer;
use super::error::bad_symbol;
use super::hocon;
use super::schema;
use serde_json::{Map, Value};

/// The roots of the JSON form, also those of `GET/PUT /configs/:root`.
const JSON_ROOTS: [&str; 7] = ["alarm", "broker", "dashboard", "file_transfer", "log", "sys_topics", "sysmon"];
const ZONE_ROOTS: [&str; 5] = ["durable_sessions", "flapping_detect", "force_gc", "force_shutdown", "mqtt"];
const SECRETS: [&str; 4] = ["default_password", "password", "cookie", "secret"];

pub(super) fn is_json_root(root: &str) -> bool {
    JSON_ROOTS.contains(&root)
}

impl Config {
    /// The text form, with secrets in clear, as brokers show them.
    pub fn get_text(&self, key: Option<&str>) -> Answer {
        let Some(key) = key else {
            let visible = self.effective.iter().filter(|(root, _)| !schema::is_hidden(root));
            return Answer::text(
                200,
                hocon::print(&visible.map(|(root, value)| (root.clone(), value.clone())).collect()),
            );
        };
        match self.effective.get(key) {
            Some(value) => Answer::text(200, hocon::print_root(key, value)),
            None => Answer::error(400, "BAD_REQUEST", &bad_symbol("key", key)),
        }
    }

    /// The JSON form: few roots, secrets masked.
    pub fn get_json(&self) -> Answer {
        Answer::json(200, &masked(&Value::Object(self.pick(&JSON_ROOTS))))
    }

    /// `GET /configs/global_zone`
    pub fn get_global_zone(&self) -> Answer {
        Answer::json(200, &Value::Object(self.pick(&ZONE_ROOTS)))
    }

    /// `GET /configs/:root`; only the roots of the JSON form have a path.
    pub fn get_root(&self, root: &str) -> Answer {
        match self.effective.get(root).filter(|_| is_json_root(root)) {
            Some(value) => Answer::json(200, &masked(value)),
            None => Answer::error(404, "NOT_FOUND", "Request Path Not Found"),
        }
    }

    fn pick(&self, roots: &[&str]) -> Map<String, Value> {
        let found = roots.iter().filter_map(|root| Some(((*root).to_owned(), self.effective.get(*root)?.clone())));
        found.collect()
    }
}

/// `?node=` of a node that is not running: the text form crashes, the JSON form says what is wrong.
pub fn unknown_node(node: &str, as_json: bool) -> Answer {
    if as_json {
        Answer::error(404, "NOT_FOUND", &format!("Bad node {node}, reason not found"))
    } else {
        Answer::error(500, "INTERNAL_ERROR", "error, {badrpc,nodedown}, []")
    }
}

fn masked(value: &Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(map.iter().map(|(key, value)| (key.clone(), mask(key, value))).collect()),
        Value::Array(items) => Value::Array(items.iter().map(masked).collect()),
        scalar => scalar.clone(),
    }
}

fn mask(key: &str, value: &Value) -> Value {
    if SECRETS.contains(&key) && value.is_string() { "******".into() } else { masked(value) }
}
