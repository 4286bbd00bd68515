//! Reads the fields of a JSON body with EMQX's words for what is wrong.

use super::Reply;
use serde_json::{Value, json};

pub(super) type Bad = Box<Reply>;

fn problem(path: &str, reason: &Value, value: &Value) -> Bad {
    let text = json!({"value": value, "reason": reason, "path": format!("root.{path}"), "kind": "validation_error"});
    Box::new(Reply::error(400, "BAD_REQUEST", &text.to_string()))
}

/// An unknown field is refused.
pub(super) fn only(body: &Value, known: &[&str]) -> Result<(), Bad> {
    let unknown: Vec<&str> = body
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, _)| name.as_str())
        .filter(|name| !known.contains(name))
        .collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let text = json!({
        "reason": "unknown_fields", "path": "root", "unknown": unknown.join(","), "unmatched": known.join(","),
        "kind": "validation_error",
    });
    Err(Box::new(Reply::error(400, "BAD_REQUEST", &text.to_string())))
}

pub(super) fn positive(body: &Value, field: &str, default: u64) -> Result<u64, Bad> {
    match body.get(field) {
        None => Ok(default),
        Some(value) => value
            .as_u64()
            .filter(|number| *number > 0)
            .ok_or_else(|| problem(field, &json!({"expected": "pos_integer()"}), value)),
    }
}

/// Integers are seconds; texts may have any unit and are rounded up.
pub(super) fn seconds(body: &Value, field: &str, default: u64) -> Result<u64, Bad> {
    let Some(value) = body.get(field) else { return Ok(default) };
    let read = value.as_u64().or_else(|| Some(millis(value.as_str()?)?.div_ceil(1000)));
    read.filter(|seconds| *seconds <= 4_294_967).ok_or_else(|| problem(field, &json!("Not a valid duration"), value))
}

pub(super) fn milliseconds(body: &Value, field: &str, default: u64) -> Result<u64, Bad> {
    let Some(value) = body.get(field) else { return Ok(default) };
    let read = value.as_u64().or_else(|| millis(value.as_str()?));
    read.ok_or_else(|| problem(field, &json!("Not a valid duration"), value))
}

/// `1m30s`, `500ms`, or a bare number of milliseconds.
fn millis(text: &str) -> Option<u64> {
    let (mut rest, mut sum) = (text.trim(), 0);
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let number: u64 = rest[..digits].parse().ok()?;
        let unit_end = rest[digits..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |at| digits + at);
        let factor = match rest[digits..unit_end].to_ascii_lowercase().as_str() {
            "" | "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        sum += number * factor;
        rest = &rest[unit_end..];
    }
    Some(sum)
}

/// A number above one, given as number or text.
pub(super) fn ratio(body: &Value, field: &str, default: f64) -> Result<f64, Bad> {
    let Some(value) = body.get(field) else { return Ok(default) };
    let read = value.as_f64().or_else(|| value.as_str()?.parse().ok());
    read.filter(|ratio| *ratio > 1.0).ok_or_else(|| problem(field, &json!({"expected": "number() > 1"}), value))
}

pub(super) fn names(body: &Value, field: &str) -> Result<Option<Vec<String>>, Bad> {
    let Some(value) = body.get(field) else { return Ok(None) };
    let list: Option<Vec<String>> =
        value.as_array().and_then(|all| all.iter().map(|one| one.as_str().map(str::to_owned)).collect());
    list.filter(|names| !names.is_empty())
        .map(Some)
        .ok_or_else(|| problem(field, &json!({"expected": "nonempty_list()"}), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_as_users_write_them() {
        let rows = [(json!(10), Some(10)), (json!("500ms"), Some(1)), (json!("1m30s"), Some(90)), (json!("x"), None)];
        for (given, wanted) in rows {
            assert_eq!(seconds(&json!({"wait": given}), "wait", 60).ok(), wanted, "{given}");
        }
        assert_eq!(seconds(&json!({}), "wait", 60).ok(), Some(60));
    }
}
