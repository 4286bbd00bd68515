//! Compares an answer with a recorded one: status, content type, keys and types; values where they carry meaning.

use crate::recording::Recording;
use emqx_sim::http::Reply;
use serde_json::Value;

/// Fields whose value a client acts on.
const EXACT: [&str; 20] = [
    "code",
    "node_status",
    "state",
    "status",
    "role",
    "edition",
    "version",
    "node",
    "core_node",
    "id",
    "type",
    "name",
    "enable",
    "running",
    "process",
    "broker_status",
    "app_status",
    "node_name",
    "rel_vsn",
    "transition",
];
/// Lists that brokers give in no order.
const SORT_BY: [&str; 4] = ["node", "core_node", "id", "name"];

pub(crate) fn difference(recording: &Recording, reply: &Reply) -> Option<String> {
    let wanted = &recording.response;
    if wanted["status"] != reply.status {
        let body = String::from_utf8_lossy(&reply.body);
        return Some(format!(
            "status {} instead of {}: {}",
            reply.status,
            wanted["status"],
            body.chars().take(200).collect::<String>()
        ));
    }
    if wanted["content_type"].as_str() != reply.content_type {
        return Some(format!("content type {:?} instead of {}", reply.content_type, wanted["content_type"]));
    }
    match &wanted["body"] {
        Value::String(text) => text_difference(text, &String::from_utf8_lossy(&reply.body)),
        json => match serde_json::from_slice(&reply.body) {
            Ok(given) => compare("body", json, &given),
            Err(error) => Some(format!("the body is no JSON: {error}")),
        },
    }
}

/// Texts of one line are the same; longer ones have the same first words in each unindented line.
fn text_difference(wanted: &str, given: &str) -> Option<String> {
    let roots = |text: &str| -> Vec<String> {
        let top = text.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_alphabetic()));
        top.map(|line| line.split([' ', '{']).next().unwrap_or_default().to_owned()).collect()
    };
    let (wanted, given) = (roots(wanted), roots(given));
    let odd = |from: &[String], among: &[String]| {
        from.iter().filter(|root| !among.contains(root)).cloned().collect::<Vec<_>>()
    };
    let (missing, extra) = (odd(&wanted, &given), odd(&given, &wanted));
    (!missing.is_empty() || !extra.is_empty()).then(|| format!("missing {missing:?}, extra {extra:?}"))
}

fn compare(path: &str, wanted: &Value, given: &Value) -> Option<String> {
    match (wanted, given) {
        (Value::Object(wanted), Value::Object(given)) => {
            let missing: Vec<_> = wanted.keys().filter(|key| !given.contains_key(*key)).collect();
            let extra: Vec<_> = given.keys().filter(|key| !wanted.contains_key(*key)).collect();
            if !missing.is_empty() || !extra.is_empty() {
                return Some(format!("{path}: missing {missing:?}, extra {extra:?}"));
            }
            wanted.iter().find_map(|(key, value)| {
                let here = format!("{path}.{key}");
                let exact = EXACT.contains(&key.as_str()) && !value.is_object() && !value.is_array();
                if exact && *value != given[key] {
                    return Some(format!("{here}: {} instead of {value}", given[key]));
                }
                compare(&here, value, &given[key])
            })
        }
        (Value::Array(wanted), Value::Array(given)) => {
            if wanted.len() != given.len() {
                return Some(format!("{path}: {} elements instead of {}", given.len(), wanted.len()));
            }
            let (wanted, given) = (sorted(wanted), sorted(given));
            wanted.iter().zip(&given).enumerate().find_map(|(at, (a, b))| compare(&format!("{path}[{at}]"), a, b))
        }
        (Value::Number(wanted), Value::Number(given)) => {
            // A float may happen to be whole, an integer never has a fraction.
            (wanted.is_u64() && given.is_f64() && given.as_f64().is_some_and(|number| number.fract() != 0.0))
                .then(|| format!("{path}: {given} instead of an integer"))
        }
        (wanted, given) => {
            (kind(wanted) != kind(given)).then(|| format!("{path}: {} instead of {}", kind(given), kind(wanted)))
        }
    }
}

fn sorted(list: &[Value]) -> Vec<Value> {
    let mut list = list.to_vec();
    let key = |value: &Value| SORT_BY.iter().find_map(|field| value.get(field)?.as_str().map(str::to_owned));
    list.sort_by_key(key);
    list
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "text",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
    }
}
