//! References to entries of Secrets in the middle of a configuration: `{"$secretRef": {"name": …, "key": …}}`.

use super::errors::{Mistake, Mistakes};
use crate::text::field;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

pub(super) type Roots = BTreeMap<String, Value>;

/// The key that marks a reference to a Secret.
pub(super) const SECRET_REF: &str = "$secretRef";

/// A reference to an entry of a Secret in the middle of a configuration.
pub(super) struct SecretReference<'a> {
    pub(super) path: String,
    pub(super) name: &'a str,
    pub(super) key: &'a str,
}

/// The roots with every reference replaced by the result of `replace`.
pub(super) fn with_secrets(
    roots: &Roots,
    replace: &mut impl FnMut(SecretReference<'_>) -> Result<Value, Mistake>,
) -> Result<Roots, Mistakes> {
    let mut mistakes = Mistakes::default();
    let mut replaced = Roots::new();
    for (root, value) in roots {
        let path = field("spec.config.roots", root);
        if let Some(value) = mistakes.collect(fill(&path, value, replace)) {
            replaced.insert(root.clone(), value);
        }
    }
    mistakes.finish()?;
    Ok(replaced)
}

fn fill(
    path: &str,
    value: &Value,
    replace: &mut impl FnMut(SecretReference<'_>) -> Result<Value, Mistake>,
) -> Result<Value, Mistakes> {
    match value {
        Value::Object(fields) if fields.contains_key(SECRET_REF) => Ok(replace(secret_reference(path, fields)?)?),
        Value::Object(fields) => {
            let mut filled = Map::new();
            for (key, value) in fields {
                filled.insert(key.clone(), fill(&field(path, key), value, replace)?);
            }
            Ok(Value::Object(filled))
        }
        Value::Array(items) => {
            let filled =
                items.iter().enumerate().map(|(index, value)| fill(&format!("{path}[{index}]"), value, replace));
            Ok(Value::Array(filled.collect::<Result<_, _>>()?))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(value.clone()),
    }
}

fn secret_reference<'a>(path: &str, fields: &'a Map<String, Value>) -> Result<SecretReference<'a>, Mistakes> {
    let text = |key: &str| fields[SECRET_REF].get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    match (text("name"), text("key"), fields.len()) {
        (Some(name), Some(key), 1) => Ok(SecretReference { path: path.to_owned(), name, key }),
        _ => Err(Mistake::invalid(path, "a reference looks like {\"$secretRef\": {\"name\": …, \"key\": …}}").into()),
    }
}

/// Paths and names of the Secrets that a root refers to. Malformed references are reported when the configuration is resolved.
pub(super) fn secret_references(path: &str, value: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let ignored = fill(path, value, &mut |reference| {
        found.push((reference.path.clone(), reference.name.to_owned()));
        Ok(Value::Null)
    });
    drop(ignored);
    found
}
