//! `GET /listeners` and its relatives. The nodes supply the running listeners and the connected clients.

use super::{Listener, TYPES};
use crate::config::answer::Answer;
use crate::config::check;
use crate::config::error::message;
use crate::config::update::{Applied, StartCheck};
use crate::config::{Config, ConfigError, Put};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// One listener on one node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ListenerRuntime {
    pub running: bool,
    pub connections: u64,
}

/// All listeners of one running node, by id.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
pub struct NodeListeners {
    pub node: String,
    pub listeners: BTreeMap<String, ListenerRuntime>,
}

impl NodeListeners {
    fn of(&self, ids: &[String]) -> ListenerRuntime {
        let found = ids.iter().filter_map(|id| self.listeners.get(id));
        found.fold(ListenerRuntime::default(), |sum, one| ListenerRuntime {
            running: sum.running || one.running,
            connections: sum.connections + one.connections,
        })
    }
}

impl Config {
    /// `GET /listeners?type=`
    pub fn get_listeners(&self, kind: Option<&str>, nodes: &[NodeListeners]) -> Answer {
        if let Some(kind) = kind.filter(|kind| !TYPES.contains(kind)) {
            return Answer::error(400, "BAD_REQUEST", &crate::config::error::bad_symbol("type", kind));
        }
        let shown = self.listeners().into_iter().filter(|listener| kind.is_none_or(|kind| kind == listener.kind));
        Answer::json(200, &shown.map(|listener| row(&listener, nodes)).collect())
    }

    /// `GET /listeners_status`: one row per type, alphabetical.
    pub fn get_listeners_status(&self, nodes: &[NodeListeners]) -> Answer {
        let mut types: BTreeMap<String, Vec<Listener>> = BTreeMap::new();
        for listener in self.listeners() {
            types.entry(listener.kind.clone()).or_default().push(listener);
        }
        Answer::json(200, &types.iter().map(|(kind, listeners)| type_row(kind, listeners, nodes)).collect())
    }

    /// `GET /listeners/:id`: the configuration with what this node sees of it.
    pub fn get_listener(&self, id: &str, here: &NodeListeners) -> Answer {
        let Some(listener) = self.listener(id) else { return not_found() };
        let runtime = here.of(&[id.to_owned()]);
        Answer::json(200, &Value::Object(detail(&listener, runtime)))
    }

    /// `PUT /listeners/:id` changes a listener, `POST /listeners` (with `id` or `type` and `name` in the body) adds one.
    pub fn put_listener(
        &mut self,
        id: Option<&str>,
        body: &Map<String, Value>,
        can_start: StartCheck<'_>,
    ) -> Result<(Answer, Applied), Answer> {
        let (kind, name) = identity(id, body)?;
        let id_text = format!("{kind}:{name}");
        match (id, self.listener(&id_text)) {
            (Some(_), None) => return Err(not_found()),
            (None, Some(_)) => return Err(Answer::error(400, "BAD_LISTENER_ID", "Already existed")),
            (Some(_), Some(_)) | (None, None) => {}
        }
        let mut root = self.listeners_root();
        let described = ["id", "type", "name", "running", "current_connections"];
        let config: Map<_, _> = body
            .iter()
            .filter(|(key, _)| !described.contains(&key.as_str()))
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect();
        entries(&mut root, &kind).insert(name, Value::Object(config));
        let applied = self.set_listeners(root, can_start)?;
        let listener = self.listener(&id_text).ok_or_else(not_found)?;
        let runtime = ListenerRuntime { running: listener.enable, connections: 0 };
        Ok((Answer::json(200, &Value::Object(detail(&listener, runtime))), applied))
    }

    /// `DELETE /listeners/:id`
    pub fn delete_listener(&mut self, id: &str) -> Result<(Answer, Applied), Answer> {
        let listener = self.listener(id).ok_or_else(not_found)?;
        let mut root = self.listeners_root();
        entries(&mut root, &listener.kind).remove(&listener.name);
        let applied = self.adopt(Map::from_iter([("listeners".to_owned(), Value::Object(root))]));
        Ok((Answer::empty(204), applied))
    }

    fn listeners_root(&self) -> Map<String, Value> {
        self.effective.get("listeners").and_then(Value::as_object).cloned().unwrap_or_default()
    }

    fn set_listeners(&mut self, root: Map<String, Value>, can_start: StartCheck<'_>) -> Result<Applied, Answer> {
        let root = Value::Object(root);
        check::fill(self.schema, "listeners", Some(&root)).map_err(|problems| {
            Answer::error(400, "BAD_REQUEST", &problems.first().map(message).unwrap_or_default())
        })?;
        let text = json!({"listeners": root}).to_string();
        let profile = self.profile;
        self.put(&Put { text: &text, mode: Some("replace"), ..Put::default() }, can_start).map_err(
            |error| match error {
                ConfigError::Refused { text, .. } => {
                    let reason = text.rsplit("Reason: ").next().unwrap_or_default().trim();
                    Answer::error(400, "BAD_REQUEST", reason)
                }
                other => other.answer(profile),
            },
        )
    }
}

fn entries<'a>(root: &'a mut Map<String, Value>, kind: &str) -> &'a mut Map<String, Value> {
    let kind = root.entry(kind).or_insert_with(|| json!({}));
    if !kind.is_object() {
        *kind = json!({});
    }
    kind.as_object_mut().expect("made an object above")
}

fn identity(id: Option<&str>, body: &Map<String, Value>) -> Result<(String, String), Answer> {
    let field = |name| body.get(name).and_then(Value::as_str);
    let pair = match id.or(field("id")) {
        Some(id) => id.split_once(':'),
        None => field("type").zip(field("name")),
    };
    let known = pair.filter(|(kind, name)| TYPES.contains(kind) && !name.is_empty());
    let (kind, name) =
        known.ok_or_else(|| Answer::error(400, "BAD_LISTENER_ID", "Bad listener id: TYPE:NAME is expected"))?;
    Ok((kind.to_owned(), name.to_owned()))
}

fn not_found() -> Answer {
    Answer::error(404, "BAD_LISTENER_ID", "Listener id not found")
}

fn row(listener: &Listener, nodes: &[NodeListeners]) -> Value {
    let mut row = statuses(std::slice::from_ref(listener), nodes);
    row.insert("id".into(), listener.id().into());
    row.insert("type".into(), listener.kind.clone().into());
    row.insert("name".into(), listener.name.clone().into());
    row.insert("enable".into(), listener.enable.into());
    row.insert("bind".into(), listener.bind.to_string().into());
    row.insert("acceptors".into(), listener.config.get("acceptors").cloned().unwrap_or(json!(16)));
    row.insert("number".into(), nodes.len().into());
    Value::Object(row)
}

fn type_row(kind: &str, listeners: &[Listener], nodes: &[NodeListeners]) -> Value {
    let mut row = statuses(listeners, nodes);
    row.insert("type".into(), kind.into());
    row.insert("enable".into(), listeners.iter().any(|listener| listener.enable).into());
    row.insert("ids".into(), listeners.iter().map(Listener::id).collect());
    Value::Object(row)
}

/// `status` over all nodes and `node_status` of each.
fn statuses(listeners: &[Listener], nodes: &[NodeListeners]) -> Map<String, Value> {
    let ids: Vec<String> = listeners.iter().map(Listener::id).collect();
    let most = max_connections(listeners);
    let seen: Vec<ListenerRuntime> = nodes.iter().map(|node| node.of(&ids)).collect();
    let connections = seen.iter().map(|one| one.connections).sum();
    let by_node = nodes
        .iter()
        .zip(&seen)
        .map(|(node, one)| json!({"node": node.node, "status": status(&one.running.into(), &most, one.connections)}));
    Map::from_iter([
        ("node_status".to_owned(), by_node.collect()),
        ("status".to_owned(), status(&agreed(&seen), &most, connections)),
    ])
}

fn status(running: &Value, most: &Value, connections: u64) -> Value {
    json!({"running": running, "max_connections": most, "current_connections": connections})
}

fn agreed(seen: &[ListenerRuntime]) -> Value {
    match (seen.iter().any(|one| one.running), seen.iter().all(|one| one.running)) {
        (true, true) => true.into(),
        (true, false) => "inconsistent".into(),
        (false, _) => false.into(),
    }
}

/// A sum, or `infinity` as soon as one listener has no limit.
fn max_connections(listeners: &[Listener]) -> Value {
    let limits = listeners.iter().map(|listener| listener.config.get("max_connections").and_then(Value::as_u64));
    limits.sum::<Option<u64>>().map_or_else(|| "infinity".into(), Value::from)
}

fn detail(listener: &Listener, runtime: ListenerRuntime) -> Map<String, Value> {
    let mut detail = listener.config.clone();
    detail.insert("bind".into(), listener.bind.to_string().into());
    detail.insert("id".into(), listener.id().into());
    detail.insert("type".into(), listener.kind.clone().into());
    detail.insert("running".into(), runtime.running.into());
    detail.insert("current_connections".into(), runtime.connections.into());
    detail
}
