//! `EMQX_A__B__C=value` as settings. Service links of Kubernetes (`EMQX_PORT=tcp://…`) name no root and are ignored.

use super::hocon;
use super::schema::{self, Schema, Shape};
use serde_json::{Map, Value};

/// One usable variable.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Setting {
    pub(super) path: Vec<String>,
    pub(super) value: Value,
}

/// The settings in order of their names, and the warnings a broker logs.
pub(super) fn settings<'a>(
    schema: &Schema,
    variables: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> (Vec<Setting>, Vec<String>) {
    let mut variables: Vec<_> = variables.into_iter().collect();
    variables.sort_unstable_by_key(|(name, _)| (is_legacy(name), *name));
    let (mut settings, mut warnings) = (Vec::new(), Vec::new());
    for (name, text) in variables {
        let Some(path) = path(name).filter(|path| schema.has_root(&path[0])) else { continue };
        if schema.has_path(&path) {
            let value = if is_raw(&path) { Value::String(text.to_owned()) } else { value(text) };
            settings.push(Setting { path, value });
        } else {
            warnings.push(format!("unknown_environment_variable: {name} names no field of {}", path[0]));
        }
    }
    (settings, warnings)
}

/// The old spelling of name and cookie comes last and so wins, as in the start script.
fn is_legacy(name: &str) -> bool {
    name == "EMQX_NODE_NAME" || name == "EMQX_NODE_COOKIE"
}

fn path(name: &str) -> Option<Vec<String>> {
    let name = name.to_ascii_lowercase();
    let name = if is_legacy(&name.to_ascii_uppercase()) { name.replace("node_", "node__") } else { name };
    let path: Vec<String> = name.strip_prefix("emqx_")?.split("__").map(str::to_owned).collect();
    path.iter().all(|part| !part.is_empty()).then_some(path)
}

/// The start script reads name and cookie itself, without HOCON.
fn is_raw(path: &[String]) -> bool {
    path.len() == 2 && path[0] == "node" && (path[1] == "name" || path[1] == "cookie")
}

/// The text as HOCON, or as it stands if it is none.
fn value(text: &str) -> Value {
    let parsed = hocon::parse(&format!("value = {text}\n"));
    match parsed.ok().filter(|parsed| parsed.len() == 1).and_then(|mut parsed| parsed.remove("value")) {
        Some(value) => value,
        None => Value::String(text.to_owned()),
    }
}

impl Setting {
    /// Writes the value into the tree; a number in the path counts list elements from 1.
    pub(super) fn apply(&self, root: &mut Map<String, Value>) {
        let mut here = root.entry(self.path[0].clone()).or_insert(Value::Null);
        for depth in 1..self.path.len() {
            let counts = schema::shape(&self.path[..depth].join(".")) != Shape::Named;
            here = child(here, &self.path[depth], counts);
        }
        *here = self.value.clone();
    }
}

/// `counts` is false where users name entries: there `1` is a name.
fn child<'a>(parent: &'a mut Value, name: &str, counts: bool) -> &'a mut Value {
    if counts && parent.is_null() && name.parse::<usize>().is_ok() {
        *parent = Value::Array(Vec::new());
    }
    if let (Value::Array(_), Ok(index @ 1..=1000)) = (&*parent, name.parse::<usize>()) {
        let list = parent.as_array_mut().expect("matched as an array above");
        if list.len() < index {
            list.resize(index, Value::Object(Map::new()));
        }
        return &mut list[index - 1];
    }
    if !parent.is_object() {
        *parent = Value::Object(Map::new());
    }
    parent.as_object_mut().expect("made an object above").entry(name).or_insert(Value::Null)
}
