//! Entries of the spec that name one thing twice, in lists that Kubernetes takes for maps: no such list may get into an
//! object. Of entries that are equal one stays; where they differ the user has to say which one is meant.

use super::canonical;
use super::errors::{Mistake, Mistakes};
use crate::merge_keys::{merge_keys, unique_fields};
use crate::text::{field, quoted};
use emqx_operator_api::hub::EMQXSpec;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The spec without duplicates; `None` if it has none.
pub(super) fn merged(spec: &EMQXSpec) -> Result<Option<EMQXSpec>, Mistakes> {
    let mut value = serde_json::to_value(spec).expect("a spec is plain data");
    // Configuration is EMQX's, and its lists are lists.
    if let Value::Object(fields) = &mut value {
        fields.remove("config");
    }
    let mut found = Found::default();
    walk("spec", &mut value, &mut found);
    found.mistakes.finish()?;
    if !found.merged {
        return Ok(None);
    }
    let merged: EMQXSpec = serde_json::from_value(value).map_err(|error| Mistakes::unreadable(&error.to_string()))?;
    Ok(Some(EMQXSpec { config: spec.config.clone(), ..merged }))
}

#[derive(Default)]
struct Found {
    mistakes: Mistakes,
    merged: bool,
}

fn walk(path: &str, value: &mut Value, found: &mut Found) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                let path = field(path, key);
                walk(&path, value, found);
                if let (Value::Array(items), Some(keys)) = (value, merge_keys(key)) {
                    merge(&path, key, keys, items, found);
                }
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter_mut().enumerate() {
                walk(&format!("{path}[{index}]"), value, found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn merge(path: &str, list: &str, keys: &'static [&'static str], items: &mut Vec<Value>, found: &mut Found) {
    let mut known: BTreeMap<(&[&str], Vec<String>), usize> = BTreeMap::new();
    let mut kept: Vec<(usize, Value)> = Vec::new();
    for (index, item) in std::mem::take(items).into_iter().enumerate() {
        let names: [&[&str]; 2] = [keys, unique_fields(list)];
        let names: Vec<_> = names.into_iter().filter_map(|fields| Some((fields, key_of(&item, fields)?))).collect();
        match names.iter().find_map(|name| Some((name, &kept[*known.get(name)?]))) {
            Some((_, (_, first))) if complete(first) == complete(&item) => found.merged = true,
            Some(((fields, key), (first, _))) => {
                let item = complete(&item);
                let said: Vec<_> = fields.iter().copied().filter(|field| item.get(field).is_some()).collect();
                let problem = format!(
                    "has the {} of {list}[{first}] ({}) and is not equal to it; leave one of the two out",
                    said.join(" and "),
                    quoted(&key.join("/"))
                );
                found.mistakes.push(Mistake::invalid(format!("{path}[{index}]"), problem));
            }
            None => {
                known.extend(names.into_iter().map(|name| (name, kept.len())));
                kept.push((index, item));
            }
        }
    }
    items.extend(kept.into_iter().map(|(_, item)| item));
}

/// The values of these fields; `None` without any.
fn key_of(item: &Value, fields: &[&str]) -> Option<Vec<String>> {
    let item = complete(item);
    let values: Vec<_> = fields.iter().filter_map(|field| item.get(field)).map(text_of).collect();
    (!values.is_empty()).then_some(values)
}

fn text_of(value: &Value) -> String {
    match value {
        // A folder is the same folder with a slash behind it.
        Value::String(text) if text.starts_with('/') => text.trim_end_matches('/').to_owned(),
        Value::String(text) => text.clone(),
        value => canonical(value),
    }
}

/// With what Kubernetes adds to the key of a port.
fn complete(item: &Value) -> Value {
    let mut item = item.clone();
    let is_port = item.get("containerPort").is_some() || item.get("port").is_some();
    if let Value::Object(fields) = &mut item
        && is_port
    {
        fields.entry("protocol").or_insert_with(|| json!("TCP"));
    }
    item
}
