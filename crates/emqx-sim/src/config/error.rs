//! Why a configuration request failed, and the answer a broker of the profile gives.

use super::answer::Answer;
use super::check::Problem;
use super::hocon::SyntaxError;
use super::profile::Profile;
use super::update::{Applied, Mode};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use thiserror::Error;

#[derive(Debug, Clone, PartialEq, Error)]
pub enum ConfigError {
    #[error("query parameter {name} is {value:?}")]
    BadQuery { name: &'static str, value: String },
    #[error("a configuration is sent as text, not as {content_type}")]
    NotText { content_type: String },
    #[error("the body holds no configuration")]
    Empty { mode: Mode, ignore_readonly: bool },
    #[error("failed to read the configuration: {0}")]
    Syntax(#[source] SyntaxError),
    #[error("cannot update read-only keys {0:?}")]
    ReadOnly(Vec<String>),
    #[error("unknown root keys {0:?}")]
    UnknownRoots(Vec<String>),
    #[error("failed to check the configuration: {0:?}")]
    Invalid(BTreeMap<String, Problem>),
    /// Some roots were refused while applying; the others are in force and must be treated as after a success.
    #[error("failed to apply the configuration: {text}")]
    Refused { text: String, applied: Applied },
}

impl ConfigError {
    /// The answer of `PUT /configs`.
    pub fn answer(&self, profile: Profile) -> Answer {
        match self {
            Self::BadQuery { name, value } => Answer::error(400, "BAD_REQUEST", &bad_symbol(name, value)),
            Self::NotText { .. } => crash("error, function_clause, [{emqx_conf_cli,load_config,[]}]"),
            Self::Empty { mode, ignore_readonly } => crash(&format!(
                "error, function_clause, [{{emqx_conf_cli,load_config,[#{{}},#{{log => none,mode => {mode},ignore_readonly => {ignore_readonly}}}],[{{file,\"emqx_conf_cli.erl\"}}]}}]"
            )),
            Self::Syntax(error) => errors(profile, &syntax(error)),
            Self::ReadOnly(keys) => {
                errors(profile, &json!(format!("Cannot update read-only key '{}'.", keys.join("', '"))))
            }
            Self::UnknownRoots(roots) => {
                let missing = |root: &String| (root.clone(), json!(format!("{{root_key_not_found,<<\"{root}\">>}}")));
                errors(profile, &Value::Object(roots.iter().map(missing).collect()))
            }
            Self::Invalid(problems) => invalid(profile, problems),
            Self::Refused { text, .. } => errors(profile, &json!(text)),
        }
    }
}

/// A query parameter or field that is none of its symbols, in the words of the HTTP layer.
pub(super) fn bad_symbol(path: &str, value: &str) -> String {
    message(&Problem::BadValue {
        path: path.to_owned(),
        reason: "unable_to_convert_to_enum_symbol".to_owned(),
        value: value.into(),
    })
}

/// JSON inside the message of a JSON answer: that is how the HTTP layer reports problems.
pub(super) fn message(problem: &Problem) -> String {
    problem.to_json().to_string()
}

/// The body is JSON in every release; before 6.1 its content type says text.
fn errors(profile: Profile, errors: &Value) -> Answer {
    let body = json!({"errors": errors});
    if profile.since(6, 1) { Answer::json(400, &body) } else { Answer::text(400, body.to_string()) }
}

fn syntax(error: &SyntaxError) -> Value {
    match error {
        SyntaxError::Scan { line, reason } => json!({"line": line, "reason": reason, "type": "scan_error"}),
        SyntaxError::Parse { line, reason } => json!({"line": line, "reason": reason, "type": "parse_error"}),
        SyntaxError::Resolve { reason } => json!({"reason": reason, "type": "resolve_error"}),
    }
}

/// Before 6.1 an unknown field crashes the request while defaults are filled in, before any value is looked at.
fn invalid(profile: Profile, problems: &BTreeMap<String, Problem>) -> Answer {
    for problem in problems.values() {
        if let (false, Problem::UnknownFields { path, unknown, unmatched }) = (profile.since(6, 1), problem) {
            let module = profile.schema_module();
            return crash(&format!(
                "throw, {{{module},[#{{reason => unknown_fields,path => \"{path}\",unknown => \"{unknown}\",kind => validation_error,unmatched => \"{unmatched}\"}}]}}, [{{hocon_tconf,assert,2,[{{file,\"hocon_tconf.erl\"}}]}}]"
            ));
        }
    }
    let all = problems.iter().map(|(root, problem)| (root.clone(), problem.to_json()));
    errors(profile, &Value::Object(all.collect()))
}

fn crash(message: &str) -> Answer {
    Answer::error(500, "INTERNAL_ERROR", message)
}
