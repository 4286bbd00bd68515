//! Cuts a text into tokens. Unquoted words must start with a letter; everything else needs quotes.

use super::SyntaxError;
use serde_json::Number;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    Sign(char),
    Word(String),
    Quoted(String),
    Number(Number),
    Variable { path: String, optional: bool },
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub(super) line: usize,
    pub(super) kind: Kind,
}

const UNITS: [&str; 10] = ["ms", "s", "m", "h", "d", "kb", "mb", "gb", "%", "kib"];

pub(super) fn scan(text: &str) -> Result<Vec<Token>, SyntaxError> {
    let mut tokens = Vec::new();
    let (mut rest, mut line) = (text.trim_start_matches('\u{feff}'), 1);
    while let Some(first) = rest.chars().next() {
        let blank = blank_len(rest, first);
        let used = if blank > 0 {
            blank
        } else {
            let (kind, used) = token(rest, first).ok_or_else(|| illegal(line, first))?;
            tokens.push(Token { line, kind });
            used
        };
        line += rest[..used].matches('\n').count();
        rest = &rest[used..];
    }
    Ok(tokens)
}

fn illegal(line: usize, character: char) -> SyntaxError {
    let shown = if character == '"' { "\\\"".to_owned() } else { character.to_string() };
    SyntaxError::Scan { line, reason: format!("illegal characters \"{shown}\"") }
}

fn blank_len(rest: &str, first: char) -> usize {
    if rest.starts_with('#') || rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if first.is_whitespace() { first.len_utf8() } else { 0 }
}

/// The token at the start of `rest` and its length; none if no token starts like this.
fn token(rest: &str, first: char) -> Option<(Kind, usize)> {
    match first {
        '{' | '}' | '[' | ']' | ',' | ':' | '=' => Some((Kind::Sign(first), 1)),
        '"' if rest.starts_with("\"\"\"") => triple(rest),
        '"' => quoted(rest),
        '$' => variable(rest),
        '-' | '0'..='9' => number(rest),
        _ if first.is_ascii_alphabetic() => {
            let used = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
            Some((Kind::Word(rest[..used].to_owned()), used))
        }
        _ => None,
    }
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_.@%-|".contains(c)
}

fn triple(rest: &str) -> Option<(Kind, usize)> {
    let body = &rest[3..];
    if let Some(indented) = body.strip_prefix("~\n") {
        let end = indented.find("~\"\"\"")?;
        return Some((Kind::Quoted(unindent(&indented[..end])), 3 + 2 + end + 4));
    }
    let end = body.find("\"\"\"")?;
    Some((Kind::Quoted(body[..end].to_owned()), 3 + end + 3))
}

/// Removes the indentation all lines share; the last line holds only the closing quotes.
fn unindent(text: &str) -> String {
    let text = text.trim_end_matches([' ', '\t']);
    let indent = |line: &str| line.len() - line.trim_start_matches([' ', '\t']).len();
    let shared = text.lines().filter(|line| !line.trim().is_empty()).map(indent).min().unwrap_or(0);
    text.split_inclusive('\n').map(|line| line.get(shared..).unwrap_or("\n")).collect()
}

fn quoted(rest: &str) -> Option<(Kind, usize)> {
    let mut escaped = false;
    let end = rest[1..].find(|c| {
        let closes = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        closes || c == '\n'
    })?;
    let used = end + 2;
    let text = rest.get(..used).filter(|text| text.ends_with('"'))?;
    // JSON knows the same escapes; control characters such as tabs are allowed here and not there.
    let text = serde_json::from_str(&text.replace('\t', "\\t")).ok()?;
    Some((Kind::Quoted(text), used))
}

fn variable(rest: &str) -> Option<(Kind, usize)> {
    let end = rest.find('}')?;
    let inner = rest[..end].strip_prefix("${")?;
    let optional = inner.starts_with('?');
    let path = inner.trim_start_matches('?').trim().to_owned();
    Some((Kind::Variable { path, optional }, end + 1))
}

/// A number, or a number with a unit (`10s`, `1h30m`, `80%`), which stays text.
fn number(rest: &str) -> Option<(Kind, usize)> {
    let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '-').unwrap_or(rest.len());
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && !".-%".contains(c)).unwrap_or(rest.len());
    if end > digits && has_units(&rest[..end]) {
        return Some((Kind::Word(rest[..end].to_owned()), end));
    }
    let number = serde_json::from_str(&rest[..digits]).ok()?;
    Some((Kind::Number(number), digits))
}

fn has_units(text: &str) -> bool {
    text.to_ascii_lowercase()
        .split(|c: char| c.is_ascii_digit())
        .filter(|unit| !unit.is_empty())
        .all(|unit| UNITS.contains(&unit))
}
