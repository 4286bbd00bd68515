//! Arranges tokens as keys and values. New lines mean nothing: a value ends where a key, a comma or a brace follows.

use super::SyntaxError;
use super::scan::{Kind, Token};
use serde_json::Number;

/// A value as written: not merged, substitutions open.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    Variable { path: String, optional: bool },
    Array(Vec<Node>),
    Object(Vec<(Vec<String>, Node)>),
    Joined(Vec<Node>),
}

pub(super) fn parse(tokens: &[Token]) -> Result<Vec<(Vec<String>, Node)>, SyntaxError> {
    let mut parser = Parser { tokens, at: 0 };
    let braces = parser.eat('{');
    let fields = parser.fields()?;
    if braces {
        parser.expect('}')?;
    }
    if parser.peek().is_some() { Err(parser.unexpected()) } else { Ok(fields) }
}

struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Kind> {
        self.tokens.get(self.at).map(|token| &token.kind)
    }

    fn eat(&mut self, sign: char) -> bool {
        let found = self.peek() == Some(&Kind::Sign(sign));
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, sign: char) -> Result<(), SyntaxError> {
        if self.eat(sign) { Ok(()) } else { Err(self.unexpected()) }
    }

    fn unexpected(&self) -> SyntaxError {
        let line = self.tokens.get(self.at).or(self.tokens.last()).map_or(1, |token| token.line);
        let token = self.peek().map(shown).unwrap_or_default();
        SyntaxError::Parse { line, reason: format!("syntax error before: {token}") }
    }

    fn fields(&mut self) -> Result<Vec<(Vec<String>, Node)>, SyntaxError> {
        let mut fields = Vec::new();
        while let Some(key) = self.key() {
            fields.push((key, self.value()?));
            self.eat(',');
        }
        Ok(fields)
    }

    /// Takes a key with its separator; nothing is taken if no key follows.
    fn key(&mut self) -> Option<Vec<String>> {
        let key = match self.peek()? {
            Kind::Word(word) => word.split('.').map(str::to_owned).collect(),
            Kind::Quoted(text) => vec![text.clone()],
            Kind::Number(number) => vec![number.to_string()],
            Kind::Sign(_) | Kind::Variable { .. } => return None,
        };
        match self.tokens.get(self.at + 1).map(|token| &token.kind) {
            Some(Kind::Sign('=' | ':')) => self.at += 2,
            Some(Kind::Sign('{')) => self.at += 1,
            _ => return None,
        }
        Some(key)
    }

    fn value(&mut self) -> Result<Node, SyntaxError> {
        let mut parts = vec![self.part()?.ok_or_else(|| self.unexpected())?];
        while joins(&parts[parts.len() - 1]) && !self.at_key() {
            match self.part()? {
                Some(part) => parts.push(part),
                None => break,
            }
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Node::Joined(parts) })
    }

    fn at_key(&self) -> bool {
        Parser { tokens: self.tokens, at: self.at }.key().is_some()
    }

    fn part(&mut self) -> Result<Option<Node>, SyntaxError> {
        let node = match self.peek() {
            None | Some(Kind::Sign('}' | ']' | ',' | ':' | '=')) => return Ok(None),
            Some(Kind::Sign('{')) => return self.object().map(Some),
            Some(Kind::Sign(_)) => return self.array().map(Some),
            Some(Kind::Word(word)) => literal(word),
            Some(Kind::Quoted(text)) => Node::Text(text.clone()),
            Some(Kind::Number(number)) => Node::Number(number.clone()),
            Some(Kind::Variable { path, optional }) => Node::Variable { path: path.clone(), optional: *optional },
        };
        self.at += 1;
        Ok(Some(node))
    }

    fn object(&mut self) -> Result<Node, SyntaxError> {
        self.expect('{')?;
        let fields = self.fields()?;
        self.expect('}')?;
        Ok(Node::Object(fields))
    }

    fn array(&mut self) -> Result<Node, SyntaxError> {
        self.expect('[')?;
        let mut items = Vec::new();
        while self.peek() != Some(&Kind::Sign(']')) {
            items.push(self.value()?);
            self.eat(',');
        }
        self.expect(']')?;
        Ok(Node::Array(items))
    }
}

/// Numbers and booleans stand alone; text, objects and arrays continue.
fn joins(node: &Node) -> bool {
    !matches!(node, Node::Null | Node::Bool(_) | Node::Number(_))
}

fn literal(word: &str) -> Node {
    match word {
        "null" => Node::Null,
        "true" => Node::Bool(true),
        "false" => Node::Bool(false),
        word => Node::Text(word.to_owned()),
    }
}

fn shown(kind: &Kind) -> String {
    match kind {
        Kind::Sign(sign) => format!("'{sign}'"),
        Kind::Word(word) => word.clone(),
        Kind::Quoted(text) => format!("{text:?}"),
        Kind::Number(number) => number.to_string(),
        Kind::Variable { path, .. } => path.clone(),
    }
}
