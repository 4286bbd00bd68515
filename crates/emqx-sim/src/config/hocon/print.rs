//! Prints values as EMQX does: keys sorted, two blanks, short things on one line. `GET /configs` and error texts show it.

use serde_json::{Map, Value};

/// All roots, one after the other.
pub fn print(roots: &Map<String, Value>) -> String {
    sorted(roots).into_iter().map(|(key, value)| print_root(key, value)).collect()
}

/// One root with its name.
pub(in crate::config) fn print_root(key: &str, value: &Value) -> String {
    format!("{}\n", field(key, value, 0))
}

fn field(key: &str, value: &Value, depth: usize) -> String {
    let separator = if value.is_object() { " " } else { " = " };
    format!("{}{}{separator}{}", "  ".repeat(depth), name(key), shown(value, depth))
}

fn shown(value: &Value, depth: usize) -> String {
    match value {
        Value::Object(map) if is_short(value) => {
            format!("{{{}}}", all(map, |key, value| field(key, value, 0)).join(", "))
        }
        Value::Object(map) => block('{', &all(map, |key, value| field(key, value, depth + 1)), "\n", depth, '}'),
        Value::Array(items) if is_short(value) => {
            format!("[{}]", items.iter().map(|item| shown(item, 0)).collect::<Vec<_>>().join(", "))
        }
        Value::Array(items) => {
            let item = |item| format!("{}{}", "  ".repeat(depth + 1), shown(item, depth + 1));
            block('[', &items.iter().map(item).collect::<Vec<_>>(), ",\n", depth, ']')
        }
        Value::String(text) if is_word(text) => text.clone(),
        scalar => scalar.to_string(),
    }
}

fn block(open: char, lines: &[String], separator: &str, depth: usize, close: char) -> String {
    format!("{open}\n{}\n{}{close}", lines.join(separator), "  ".repeat(depth))
}

fn all(map: &Map<String, Value>, line: impl Fn(&str, &Value) -> String) -> Vec<String> {
    sorted(map).into_iter().map(|(key, value)| line(key, value)).collect()
}

/// The order does not depend on how the map keeps its entries.
fn sorted(map: &Map<String, Value>) -> Vec<(&String, &Value)> {
    let mut entries: Vec<_> = map.iter().collect();
    entries.sort_unstable_by_key(|(key, _)| *key);
    entries
}

/// Objects of up to two numbers, switches or words, and arrays of such, share a line.
fn is_short(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.len() <= 2 && map.values().all(|value| is_short(value) && !value.is_object()),
        Value::Array(items) => items.iter().all(|item| is_short(item) && !item.is_object()),
        Value::String(text) => is_word(text),
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
    }
}

/// Text that needs no quotes and would be read back as text.
fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_".contains(c))
        && !["true", "false", "null", "on", "off"].contains(&text)
}

fn name(key: &str) -> String {
    let plain = key.starts_with(|c: char| c.is_ascii_alphabetic())
        && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if plain { key.to_owned() } else { Value::from(key).to_string() }
}
