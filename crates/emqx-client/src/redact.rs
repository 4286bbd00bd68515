//! Text for users from EMQX's error bodies. The bodies quote the request, and that may be a password, so only what
//! is known to be harmless passes: paths, reasons in words, causes from a list. Values never do.

use crate::text::plain;
use serde_json::Value;

/// The longest text that is taken from an answer.
const LONGEST: usize = 300;

/// Of several errors the first are enough for users.
const MOST_ERRORS: usize = 5;

const MISSING_FILE: &str = "a file does not exist";

/// Whether EMQX refuses a configuration because a file is not there that it names.
pub fn lacks_a_file(refusal: &str) -> bool {
    refusal.contains(MISSING_FILE)
}

/// What the reason of a failed change may hold, and what it means. Anything else of the reason may be a value.
const CAUSES: [(&str, &str); 9] = [
    ("eaddrinuse", "the address is in use"),
    ("eaddrnotavail", "the address does not belong to the node"),
    ("eacces", "permission denied"),
    ("enoent", MISSING_FILE),
    ("no_such_file", MISSING_FILE),
    ("econnrefused", "the connection was refused"),
    ("nxdomain", "the host name is unknown"),
    ("timeout", "it took too long"),
    ("is currently not supported", "this cannot be changed while EMQX runs"),
];

/// Why EMQX refused, from the body of a 4xx.
pub(crate) fn refusal(status: u16, body: &Value) -> String {
    let text = match (&body["errors"], &body["message"]) {
        (Value::Object(errors), _) if errors.contains_key("type") => syntax_error(errors.get("line"), &body["errors"]),
        (Value::Object(errors), _) => joined(errors.iter().map(|(root, error)| config_error(root, error))),
        (Value::String(text), _) => failed_change(text),
        (_, Value::String(text)) => message(text),
        // Imports answer with a message per namespace.
        (_, Value::Object(parts)) => joined(parts.iter().map(|(name, part)| format!("{name}: {}", words(part)))),
        _ => format!("refused with HTTP status {status}"),
    };
    short(&text)
}

/// From the dump of a crash: `#{reason => unknown_fields,path => "mqtt",unknown => "foo",…}`.
pub(crate) fn unknown_field(dump: &str) -> String {
    let field = |name: &str| {
        let rest = dump.split_once(&format!("{name} => "))?.1;
        rest.trim_start_matches(['\\', '"', '<']).split(['\\', '"', ',', '>', '}', ']']).next()
    };
    let (path, unknown) = (field("path").unwrap_or("configuration"), field("unknown").unwrap_or("(not named)"));
    short(&format!("{path}: unknown field {unknown}"))
}

/// One line, cut where it becomes too long.
pub(crate) fn short(text: &str) -> String {
    plain(text, LONGEST)
}

fn joined(texts: impl Iterator<Item = String>) -> String {
    texts.take(MOST_ERRORS).collect::<Vec<_>>().join("; ")
}

/// EMQX's own reason quotes the text around the error, so only the position is reported.
fn syntax_error(line: Option<&Value>, error: &Value) -> String {
    let what = if error["type"] == "scan_error" { "illegal character" } else { "syntax error" };
    match line.and_then(Value::as_u64) {
        Some(line) => format!("{what} in line {line} of the configuration"),
        None => format!("{what} in the configuration"),
    }
}

/// One root's error: an object with path and reason, or an Erlang term.
fn config_error(root: &str, error: &Value) -> String {
    match error {
        Value::Object(_) => validation_error(root, error),
        Value::Array(errors) => joined(errors.iter().map(|error| validation_error(root, error))),
        Value::String(term) if term.contains("root_key_not_found") => format!("{root}: unknown root"),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => format!("{root}: refused"),
    }
}

/// `{"kind":"validation_error","path":"mqtt.x","reason":"Not a valid bytesize","value":"banana"}`.
fn validation_error(root: &str, error: &Value) -> String {
    let path = error["path"].as_str().unwrap_or(root);
    let expected = &error["reason"]["expected"];
    match (&error["reason"], &error["unknown"]) {
        (Value::String(reason), Value::String(unknown)) if reason == "unknown_fields" => {
            format!("{path}: unknown field {unknown}")
        }
        (Value::String(reason), _) => format!("{path}: {}", without(&error["value"], reason)),
        _ if expected.is_string() => format!("{path}: expected {}", words(expected)),
        _ => format!("{path}: refused"),
    }
}

/// Some reasons repeat the value.
fn without(value: &Value, reason: &str) -> String {
    let repeated = value.as_str().is_some_and(|value| !value.is_empty() && reason.contains(value));
    before_terms(if repeated { "the value is not valid" } else { reason })
}

/// A text with the effective and the wanted configuration, then the root and the reason as an Erlang term.
fn failed_change(text: &str) -> String {
    if text.starts_with("Cannot update read-only key") {
        return before_terms(text.lines().next().unwrap_or_default());
    }
    let Some((_, tail)) = text.rsplit_once("Root key: ") else {
        return "the change failed; the log of the node tells why".to_owned();
    };
    let (root, reason) = tail.split_once("Reason: ").unwrap_or((tail, ""));
    let root = before_terms(root.lines().next().unwrap_or_default());
    match CAUSES.iter().find(|(sign, _)| reason.contains(sign)) {
        Some((_, cause)) if *cause == MISSING_FILE => {
            let which: Vec<_> = quoted(reason).filter(|text| is_path(text) || FILES.contains(text)).collect();
            format!("{root}: the change failed: {cause} {}", which.join(" ")).trim_end().to_owned()
        }
        Some((_, cause)) => format!("{root}: the change failed: {cause}"),
        None => format!("{root}: the change failed; the log of the node tells why"),
    }
}

/// The fields whose values are files.
const FILES: [&str; 3] = ["cacertfile", "certfile", "keyfile"];

/// Strings and binaries of an Erlang term.
fn quoted(term: &str) -> impl Iterator<Item = &str> {
    term.split('"').skip(1).step_by(2)
}

fn is_path(text: &str) -> bool {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-".contains(letter);
    text.starts_with('/') && text.chars().all(plain)
}

/// A message may be JSON again, with the value in it.
fn message(text: &str) -> String {
    match serde_json::from_str::<Value>(text) {
        Ok(error @ Value::Object(_)) => validation_error("request", &error),
        _ => before_terms(text),
    }
}

fn words(value: &Value) -> String {
    before_terms(value.as_str().unwrap_or("refused"))
}

/// Erlang's maps and binaries hold values; the words before them are enough.
fn before_terms(text: &str) -> String {
    let end = ["#{", "<<", "\""].iter().filter_map(|start| text.find(start)).min();
    let words = text[..end.unwrap_or(text.len())].split_whitespace().collect::<Vec<_>>().join(" ");
    if words.is_empty() { "refused".to_owned() } else { words }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn refusals_tell_path_and_reason_and_never_the_value() {
        let failed =
            |reason: &str| json!({"errors": format!("a = \"s3cret\"\nRoot key: listeners\nReason: {reason}\n")});
        let invalid = |reason: Value| json!({"errors": {"mqtt": {"kind": "validation_error", "path": "mqtt.x", "reason": reason, "value": "s3cret"}}});
        let table = [
            ("bad value", invalid(json!("Not a valid bytesize")), "mqtt.x: Not a valid bytesize"),
            ("reason repeats the value", invalid(json!("bad: s3cret")), "mqtt.x: the value is not valid"),
            ("reason with a term", invalid(json!("bad #{v => other}")), "mqtt.x: bad"),
            ("reason as an object", invalid(json!({"expected": "pos_integer()"})), "mqtt.x: expected pos_integer()"),
            ("unreadable reason", invalid(json!([{"password": "s3cret"}])), "mqtt.x: refused"),
            (
                "unknown field",
                json!({"errors": {"mqtt": {"path": "mqtt", "reason": "unknown_fields", "unknown": "foo"}}}),
                "mqtt: unknown field foo",
            ),
            (
                "several errors",
                json!({"errors": {"mqtt": [{"path": "a", "reason": "x"}, {"path": "b", "reason": "y"}]}}),
                "a: x; b: y",
            ),
            ("unknown root", json!({"errors": {"no": "{root_key_not_found,<<\"no\">>}"}}), "no: unknown root"),
            (
                "missing file",
                failed(
                    "{pre_config_update,emqx_listeners,\n {bad_ssl_config,#{which_option => <<\"certfile\">>,pem_check => invalid_pem,\n file_read => enoent,file => <<\"/tls/tls.crt\">>,given => <<\"s3cret\">>}}}",
                ),
                "listeners: the change failed: a file does not exist certfile /tls/tls.crt",
            ),
            ("root with a term", json!({"errors": {"mqtt": "{bad,\"s3cret\"}"}}), "mqtt: refused"),
            (
                "syntax",
                json!({"errors": {"type": "parse_error", "line": 3, "reason": "before: s3cret"}}),
                "syntax error in line 3 of the configuration",
            ),
            (
                "scan",
                json!({"errors": {"type": "scan_error", "line": 1, "reason": "s3cret"}}),
                "illegal character in line 1 of the configuration",
            ),
            (
                "read-only",
                json!({"errors": "Cannot update read-only key 'node'."}),
                "Cannot update read-only key 'node'.",
            ),
            (
                "port in use",
                failed("{x,\"s3cret: eaddrinuse\"}"),
                "listeners: the change failed: the address is in use",
            ),
            ("other reason", failed("{x,\"s3cret\"}"), "listeners: the change failed; the log of the node tells why"),
            ("no root", json!({"errors": "s3cret"}), "the change failed; the log of the node tells why"),
            ("plain message", json!({"code": 400, "message": "Unknown sites: FFFF"}), "Unknown sites: FFFF"),
            (
                "JSON message",
                json!({"message": "{\"path\":\"root.rate\",\"reason\":{\"expected\":\"pos_integer()\"},\"value\":0}"}),
                "root.rate: expected pos_integer()",
            ),
            ("message with a term", json!({"message": "failed: #{secret => s3cret}"}), "failed:"),
            ("message per namespace", json!({"message": {"global": "refused: <<\"s3cret\">>"}}), "global: refused:"),
            ("no JSON", Value::Null, "refused with HTTP status 400"),
        ];
        for (name, body, expected) in table {
            assert_eq!(refusal(400, &body), expected, "{name}");
        }
    }

    #[test]
    fn dumps_without_the_fields_still_make_a_text() {
        assert_eq!(unknown_field("unknown_fields"), "configuration: unknown field (not named)");
    }
}
