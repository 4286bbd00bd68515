//! HOCON as EMQX reads and prints it.
//!
//! The general HOCON crates accept more (`+=`, environment variables, free unquoted text, missing braces) and report
//! errors without line and token. A stand-in that accepts what a broker refuses hides users' mistakes, so the small
//! grammar of EMQX is written out here. `include` is refused: configuration maps hold single files.

mod build;
mod parse;
mod print;
mod scan;

use serde_json::{Map, Value};
use thiserror::Error;

pub use print::print;
pub(super) use print::print_root;

/// Why a text is no configuration, in the words of EMQX.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SyntaxError {
    #[error("line {line}: {reason}")]
    Scan { line: usize, reason: String },
    #[error("line {line}: {reason}")]
    Parse { line: usize, reason: String },
    #[error("{reason}")]
    Resolve { reason: String },
}

/// Parses a text into plain values: substitutions resolved, later values merged over earlier ones.
pub fn parse(text: &str) -> Result<Map<String, Value>, SyntaxError> {
    let tokens = scan::scan(text)?;
    build::build(&parse::parse(&tokens)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn value(text: &str) -> Value {
        Value::Object(parse(text).unwrap())
    }

    #[test]
    fn what_users_write_is_read() {
        let rows = [
            ("comments", "# a\na = 1 // b\n", json!({"a": 1})),
            (
                "canonical JSON on a line",
                "\"mqtt\": {\"max_inflight\":3,\"x\":[1,\"b\"]}",
                json!({"mqtt": {"max_inflight": 3, "x": [1, "b"]}}),
            ),
            ("dotted keys merge", "a.b = 1\na { c = 2 }\na.b = 3", json!({"a": {"b": 3, "c": 2}})),
            ("quoted keys are not split", "\"a.b\" = 1", json!({"a.b": 1})),
            ("braces around", "{a = true}", json!({"a": true})),
            ("units stay text", "a = 10s, b = 1MB, c = 80%", json!({"a": "10s", "b": "1MB", "c": "80%"})),
            (
                "substitution",
                "a { b = x }\nc = ${a.b}\nd = ${a}\ne = ${?none}",
                json!({"a": {"b": "x"}, "c": "x", "d": {"b": "x"}}),
            ),
            ("quoted dollar is text", "a = \"${EMQX_ETC_DIR}/x\"", json!({"a": "${EMQX_ETC_DIR}/x"})),
            ("triple quotes", "a = \"\"\"x \"y\"\nz\"\"\"", json!({"a": "x \"y\"\nz"})),
            ("indented triple quotes", "a = \"\"\"~\n  x\n    y\n  ~\"\"\"", json!({"a": "x\n  y\n"})),
            ("null removes", "a = 1\nb = 2\na = null", json!({"b": 2})),
            ("strings join over lines", "a = \"x\"\n\"y\"\nb = 1", json!({"a": "xy", "b": 1})),
            ("blanks between words are lost", "a = pa ss", json!({"a": "pass"})),
            ("numbers", "a = -3\nb = 1.5", json!({"a": -3, "b": 1.5})),
            ("no equals sign before a brace", "a { b {} }", json!({"a": {"b": {}}})),
            ("objects join", "a = {b = 1} {c = 2}", json!({"a": {"b": 1, "c": 2}})),
            ("escapes", r#"a = "x\n\"\u00e9""#, json!({"a": "x\n\"é"})),
        ];
        for (name, text, expected) in rows {
            assert_eq!(value(text), expected, "{name}");
        }
    }

    #[test]
    fn mistakes_name_line_and_token() {
        let parse_error = |line, reason: &str| SyntaxError::Parse { line, reason: reason.into() };
        let rows = [
            ("unclosed", "mqtt { max_inflight = 3", parse_error(1, "syntax error before: ")),
            ("closed twice", "a {}\n}", parse_error(2, "syntax error before: '}'")),
            ("append", "a = [1]\na += 2", SyntaxError::Scan { line: 2, reason: "illegal characters \"+\"".into() }),
            ("path without quotes", "a = /x", SyntaxError::Scan { line: 1, reason: "illegal characters \"/\"".into() }),
            ("open string", "\na = \"x", SyntaxError::Scan { line: 2, reason: "illegal characters \"\\\"\"".into() }),
            ("unknown substitution", "a = ${b}", SyntaxError::Resolve { reason: "undefined variable: b".into() }),
            ("circular substitution", "a = ${a}", SyntaxError::Resolve { reason: "circular variable: a".into() }),
        ];
        for (name, text, expected) in rows {
            assert_eq!(parse(text).unwrap_err(), expected, "{name}");
        }
    }
}
