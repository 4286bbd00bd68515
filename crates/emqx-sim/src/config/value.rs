//! The few operations on values that every layer uses.

use serde_json::{Map, Value};

/// Merges objects deeply; anything else is replaced, arrays too.
pub(super) fn merge(below: Value, above: Value) -> Value {
    match (below, above) {
        (Value::Object(below), Value::Object(above)) => Value::Object(merge_maps(below, above)),
        (_, above) => above,
    }
}

pub(super) fn merge_maps(mut below: Map<String, Value>, above: Map<String, Value>) -> Map<String, Value> {
    for (key, value) in above {
        let value = match below.remove(&key) {
            Some(old) => merge(old, value),
            None => value,
        };
        below.insert(key, value);
    }
    below
}

/// The value at a dotted path.
pub(super) fn at<'a>(root: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    let mut names = path.split('.');
    let first = root.get(names.next()?)?;
    names.try_fold(first, |value, name| value.get(name))
}
