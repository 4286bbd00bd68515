//! Turns written fields into plain values: dotted keys become objects, later fields merge over earlier ones, and
//! substitutions take the final value of the path they name.

use super::SyntaxError;
use super::parse::Node;
use crate::config::value::merge;
use serde_json::{Map, Value};

type Fields = [(Vec<String>, Node)];

pub(super) fn build(fields: &Fields) -> Result<Map<String, Value>, SyntaxError> {
    Builder { root: fields, open: Vec::new() }.object(fields)
}

struct Builder<'a> {
    root: &'a Fields,
    /// Substitutions being resolved, to notice circles.
    open: Vec<String>,
}

impl<'a> Builder<'a> {
    fn object(&mut self, fields: &'a Fields) -> Result<Map<String, Value>, SyntaxError> {
        let mut object = Value::Object(Map::new());
        for (path, node) in fields {
            match (node, self.value(node)?) {
                (Node::Null, _) => remove(&mut object, path),
                (_, Some(value)) => object = merge(object, nest(path, value)),
                (_, None) => {}
            }
        }
        match object {
            Value::Object(map) => Ok(map),
            _ => Ok(Map::new()),
        }
    }

    /// None for `null` and for an optional substitution of something undefined.
    fn value(&mut self, node: &'a Node) -> Result<Option<Value>, SyntaxError> {
        Ok(Some(match node {
            Node::Null => return Ok(None),
            Node::Bool(value) => Value::Bool(*value),
            Node::Number(number) => Value::Number(number.clone()),
            Node::Text(text) => Value::String(text.clone()),
            Node::Variable { path, optional } => return self.variable(path, *optional),
            Node::Array(items) => Value::Array(self.all(items)?),
            Node::Object(fields) => Value::Object(self.object(fields)?),
            Node::Joined(parts) => return Ok(self.all(parts)?.into_iter().reduce(join)),
        }))
    }

    fn all(&mut self, nodes: &'a [Node]) -> Result<Vec<Value>, SyntaxError> {
        nodes.iter().filter_map(|node| self.value(node).transpose()).collect()
    }

    fn variable(&mut self, path: &str, optional: bool) -> Result<Option<Value>, SyntaxError> {
        if self.open.iter().any(|open| open == path) {
            return Err(SyntaxError::Resolve { reason: format!("circular variable: {path}") });
        }
        self.open.push(path.to_owned());
        let names: Vec<&str> = path.split('.').collect();
        let found = self.lookup(self.root, &names)?;
        self.open.pop();
        if found.is_none() && !optional {
            return Err(SyntaxError::Resolve { reason: format!("undefined variable: {path}") });
        }
        Ok(found)
    }

    /// Only fields on the way to the path are evaluated: a neighbor may hold the substitution we are in.
    fn lookup(&mut self, fields: &'a Fields, names: &[&str]) -> Result<Option<Value>, SyntaxError> {
        let mut found = None;
        for (key, node) in fields {
            let next = match (names.strip_prefix(&as_str(key)[..]), node) {
                (Some(rest), Node::Object(inner)) if !rest.is_empty() => self.lookup(inner, rest)?,
                (Some(rest), node) => self.value(node)?.and_then(|value| at(&value, rest)),
                (None, node) => self.below(key, node, names)?,
            };
            found = match (found, next) {
                (Some(old), Some(new)) => Some(merge(old, new)),
                (old, new) => new.or(old),
            };
        }
        Ok(found)
    }

    /// `a.b = 1` is part of what `${a}` names.
    fn below(&mut self, key: &[String], node: &'a Node, names: &[&str]) -> Result<Option<Value>, SyntaxError> {
        match key.len() > names.len() && as_str(&key[..names.len()]) == names {
            true => Ok(self.value(node)?.map(|value| nest(&key[names.len()..], value))),
            false => Ok(None),
        }
    }
}

fn as_str(path: &[String]) -> Vec<&str> {
    path.iter().map(String::as_str).collect()
}

fn at(value: &Value, names: &[&str]) -> Option<Value> {
    names.iter().try_fold(value, |value, name| value.get(name)).cloned()
}

fn nest(path: &[String], value: Value) -> Value {
    path.iter().rev().fold(value, |value, name| Value::Object(Map::from_iter([(name.clone(), value)])))
}

fn remove(object: &mut Value, path: &[String]) {
    let Some((last, parents)) = path.split_last() else { return };
    let parent = parents.iter().try_fold(object, |value, name| value.get_mut(name));
    if let Some(Value::Object(parent)) = parent {
        parent.remove(last);
    }
}

fn join(left: Value, right: Value) -> Value {
    match (left, right) {
        (Value::Array(mut left), Value::Array(right)) => {
            left.extend(right);
            Value::Array(left)
        }
        (left @ Value::Object(_), right @ Value::Object(_)) => merge(left, right),
        (left, right) => Value::String(text(&left) + &text(&right)),
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
