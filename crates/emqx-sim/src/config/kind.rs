//! The type of a single field, guessed from its default, and what EMQX says about a value that does not fit.

use serde_json::Value;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Bool,
    Integer,
    Number,
    Duration,
    Bytes,
    Percent,
    Bind,
    OneOf(&'static [&'static str]),
    Text,
    /// Unions such as "integer or infinity": not checked here.
    Open,
}

const LEVELS: &[&str] =
    &["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency", "all", "none"];

/// Enumerations users get wrong most often, by field name.
const ENUMS: [(&str, &[&str]); 9] = [
    ("level", LEVELS),
    ("formatter", &["text", "json"]),
    ("discovery_strategy", &["manual", "singleton", "static", "dns", "etcd", "k8s"]),
    ("record_type", &["a", "aaaa", "srv"]),
    ("role", &["core", "replicant"]),
    ("verify", &["verify_peer", "verify_none"]),
    ("no_match", &["allow", "deny"]),
    ("deny_action", &["ignore", "disconnect"]),
    (
        "shared_subscription_strategy",
        &["random", "round_robin", "round_robin_per_group", "sticky", "local", "hash_topic", "hash_clientid"],
    ),
];

impl Kind {
    /// From the field's name and its default or sample.
    pub(super) fn of(field: &str, sample: &Value) -> Self {
        if let Some((_, symbols)) = ENUMS.iter().find(|(name, _)| *name == field) {
            return Self::OneOf(symbols);
        }
        match (field, sample) {
            ("bind", _) => Self::Bind,
            ("password_expired_time", _) => Self::Duration,
            (_, Value::Bool(_)) => Self::Bool,
            (_, Value::Number(number)) if number.is_f64() => Self::Number,
            (_, Value::Number(_)) => Self::Integer,
            (_, Value::String(text)) => Self::of_text(text),
            _ => Self::Open,
        }
    }

    fn of_text(sample: &str) -> Self {
        match sample {
            _ if is_duration(sample) => Self::Duration,
            _ if is_bytes(sample) => Self::Bytes,
            _ if is_percent(sample) => Self::Percent,
            "infinity" | "disabled" | "lowest" | "none" => Self::Open,
            _ => Self::Text,
        }
    }

    /// The value as EMQX keeps it, or the reason why it is refused.
    pub(super) fn cast(self, value: &Value) -> Result<Value, String> {
        if self == Self::Open {
            return Ok(value.clone());
        }
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Bool(_) | Value::Number(_) => value.to_string(),
            Value::Null | Value::Array(_) | Value::Object(_) => return Err(self.reason()),
        };
        self.cast_text(&text, value).ok_or_else(|| self.reason())
    }

    fn cast_text(self, text: &str, value: &Value) -> Option<Value> {
        let kept = |fits: bool| fits.then(|| value.clone());
        match self {
            Self::Bool => as_bool(text).map(Value::Bool),
            Self::Integer => text.parse::<i64>().ok().map(Value::from),
            Self::Number => {
                text.parse::<f64>().ok().map(|number| if value.is_number() { value.clone() } else { number.into() })
            }
            Self::Duration => kept(is_duration(text) || text == "infinity" || text.parse::<u64>().is_ok()),
            Self::Bytes => kept(is_bytes(text) || text == "infinity" || text.parse::<u64>().is_ok()),
            Self::Percent => kept(is_percent(text) || text.parse::<f64>().is_ok()),
            Self::Bind => kept(super::listeners::Bind::parse(text).is_some()),
            Self::OneOf(symbols) => kept(symbols.contains(&text)),
            Self::Text => Some(Value::String(text.to_owned())),
            Self::Open => Some(value.clone()),
        }
    }

    /// Bytes, durations and symbols in the words of real brokers; the others were not recorded.
    fn reason(self) -> String {
        match self {
            Self::Bytes => "Not a valid bytesize",
            Self::Duration => "Not a valid duration",
            Self::Percent => "Not a valid percent",
            Self::Bind => "bad_ip_port",
            Self::OneOf(_) | Self::Bool => "unable_to_convert_to_enum_symbol",
            Self::Integer => "Unable to cast to integer()",
            Self::Number => "Unable to cast to number()",
            Self::Text | Self::Open => "Unable to cast to string()",
        }
        .to_owned()
    }
}

fn as_bool(text: &str) -> Option<bool> {
    match text {
        "true" | "on" => Some(true),
        "false" | "off" => Some(false),
        _ => None,
    }
}

fn is_duration(text: &str) -> bool {
    counted(text, &["ms", "s", "m", "h", "d", "w", "f"])
}

fn is_bytes(text: &str) -> bool {
    counted(text, &["b", "kb", "mb", "gb"])
}

fn is_percent(text: &str) -> bool {
    text.strip_suffix('%').is_some_and(|number| number.trim().parse::<f64>().is_ok())
}

/// One or more integers, each followed by a unit: `1h30m`.
fn counted(text: &str, units: &[&str]) -> bool {
    let text = text.to_ascii_lowercase();
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let number = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let tail = &rest[number..];
        let unit = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        if number == 0 || !units.contains(&&tail[..unit]) {
            return false;
        }
        rest = &tail[unit..];
    }
    !text.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_kept_cast_or_refused() {
        let rows = [
            (json!("300s"), json!("1h30m"), Some(json!("1h30m"))),
            (json!("300s"), json!(15), Some(json!(15))),
            (json!("300s"), json!("banana"), None),
            (json!("1MB"), json!("2mb"), Some(json!("2mb"))),
            (json!("1MB"), json!("1.5MB"), None),
            (json!("80%"), json!("70%"), Some(json!("70%"))),
            (json!(true), json!("off"), Some(json!(false))),
            (json!(true), json!(1), None),
            (json!(3), json!("4"), Some(json!(4))),
            (json!(3), json!("many"), None),
            (json!("text"), json!(123), Some(json!("123"))),
            (json!("text"), json!({}), None),
            (json!("infinity"), json!(10), Some(json!(10))),
        ];
        for (sample, value, expected) in rows {
            assert_eq!(Kind::of("field", &sample).cast(&value).ok(), expected, "{value} for {sample}");
        }
        assert!(Kind::of("bind", &json!(1883)).cast(&json!("localhost:1883")).is_err());
        assert!(Kind::of("level", &json!("info")).cast(&json!("loud")).is_err());
    }
}
