//! Fills a root with schema defaults and checks it: fields must be known, values must fit.

use super::kind::Kind;
use super::listeners::DELETED;
use super::schema::{self, Schema, Shape};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// What is wrong with one root.
#[derive(Debug, Clone, PartialEq)]
pub enum Problem {
    UnknownFields { path: String, unknown: String, unmatched: String },
    BadValue { path: String, reason: String, value: Value },
}

impl Problem {
    /// As in the `errors` object of an answer.
    pub fn to_json(&self) -> Value {
        match self {
            Self::UnknownFields { path, unknown, unmatched } => json!({
                "kind": "validation_error", "path": path, "reason": "unknown_fields",
                "unknown": unknown, "unmatched": unmatched,
            }),
            Self::BadValue { path, reason, value } => {
                json!({"kind": "validation_error", "path": path, "reason": reason, "value": value})
            }
        }
    }
}

/// The root as given, completed with defaults; or all problems, in order of their paths.
pub(super) fn fill(schema: &Schema, root: &str, given: Option<&Value>) -> Result<Value, Vec<Problem>> {
    let mut problems = Vec::new();
    let sample = schema.known.get(root).unwrap_or(&Value::Null);
    let filled = node(root, sample, schema.defaults.get(root), given, &mut problems);
    if problems.is_empty() { Ok(filled.unwrap_or_else(|| json!({}))) } else { Err(problems) }
}

/// One value: `sample` tells its type, `default` what holds if nothing is given.
fn node(
    path: &str,
    sample: &Value,
    default: Option<&Value>,
    given: Option<&Value>,
    problems: &mut Vec<Problem>,
) -> Option<Value> {
    match (schema::shape(path), sample) {
        (Shape::Free, _) => given.or(default).cloned(),
        (Shape::Named, _) => {
            given.or(default)?;
            Some(named(path, sample, default, as_map(path, given, problems)?, problems))
        }
        (Shape::Fixed, Value::Object(known)) => {
            // A group without any default appears only when a user writes it.
            given.or(default)?;
            Some(fields(path, known, default, as_map(path, given, problems)?, problems))
        }
        (Shape::Fixed, Value::Array(_)) => list(path, given, problems).or_else(|| default.cloned()),
        (Shape::Fixed, _) => match given {
            None => default.cloned(),
            Some(value) => scalar(path, sample, value, problems),
        },
    }
}

fn as_map<'a>(path: &str, given: Option<&'a Value>, problems: &mut Vec<Problem>) -> Option<&'a Map<String, Value>> {
    static NOTHING: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
    match given {
        None => Some(&NOTHING),
        Some(Value::Object(map)) => Some(map),
        Some(value) => {
            problems.push(bad(path, "bad_value_for_struct", value));
            None
        }
    }
}

fn fields(
    path: &str,
    known: &Map<String, Value>,
    default: Option<&Value>,
    given: &Map<String, Value>,
    problems: &mut Vec<Problem>,
) -> Value {
    let given: Map<String, Value> =
        given.iter().map(|(field, value)| (alias(known, field).to_owned(), value.clone())).collect();
    if given.keys().any(|field| !known.contains_key(field)) {
        problems.push(unknown_fields(path, known, &given));
    }
    let filled = sorted(known.keys()).into_iter().filter_map(|field| {
        let default = default.and_then(|default| default.get(field));
        let value = node(&format!("{path}.{field}"), &known[field], default, given.get(field), problems)?;
        Some((field.clone(), value))
    });
    Value::Object(filled.collect())
}

fn alias<'a>(known: &Map<String, Value>, field: &'a str) -> &'a str {
    if known.contains_key(field) { field } else { schema::unaliased(field) }
}

/// Entries with names of the user's choice; the default entries exist unless they are marked for deletion.
fn named(
    path: &str,
    sample: &Value,
    default: Option<&Value>,
    given: &Map<String, Value>,
    problems: &mut Vec<Problem>,
) -> Value {
    let (template, preset) = (schema::template(path, Some(sample)), schema::template(path, default));
    let shipped = default.and_then(Value::as_object).into_iter().flat_map(Map::keys);
    let mut entries = Map::new();
    for name in sorted(shipped.chain(given.keys())) {
        let given = given.get(name);
        if given.and_then(Value::as_str) == Some(DELETED) {
            continue;
        }
        let path = format!("{path}.{name}");
        if let Some(value) = template.and_then(|template| node(&path, template, preset, given, problems)) {
            entries.insert(name.clone(), value);
        }
    }
    Value::Object(entries)
}

/// Lists are taken as they are; a text of comma separated items is a list to EMQX.
fn list(path: &str, given: Option<&Value>, problems: &mut Vec<Problem>) -> Option<Value> {
    match given? {
        list @ (Value::Array(_) | Value::String(_)) => Some(list.clone()),
        Value::Object(map) if !map.is_empty() => Some(json!([map])),
        value => {
            problems.push(bad(path, "not_array", value));
            None
        }
    }
}

fn scalar(path: &str, sample: &Value, value: &Value, problems: &mut Vec<Problem>) -> Option<Value> {
    let field = path.rsplit('.').next().unwrap_or(path);
    match Kind::of(field, sample).cast(value) {
        Ok(value) => Some(value),
        Err(reason) => {
            problems.push(bad(path, &reason, value));
            None
        }
    }
}

fn bad(path: &str, reason: &str, value: &Value) -> Problem {
    Problem::BadValue { path: path.to_owned(), reason: reason.to_owned(), value: value.clone() }
}

/// EMQX names the unknown fields and the first two it would have known.
fn unknown_fields(path: &str, known: &Map<String, Value>, given: &Map<String, Value>) -> Problem {
    let unknown: Vec<&str> =
        sorted(given.keys()).into_iter().filter(|field| !known.contains_key(*field)).map(String::as_str).collect();
    let missing: Vec<&str> =
        sorted(known.keys()).into_iter().filter(|field| !given.contains_key(*field)).map(String::as_str).collect();
    let shown = missing[..missing.len().min(2)].join(",");
    let unmatched = if missing.len() > 2 { format!("{shown},...") } else { shown };
    Problem::UnknownFields { path: path.to_owned(), unknown: unknown.join(","), unmatched }
}

fn sorted<'a>(names: impl Iterator<Item = &'a String>) -> BTreeSet<&'a String> {
    names.collect()
}
