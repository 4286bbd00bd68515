//! The recorded calls on disk.

use base64::Engine;
use emqx_sim::http::Call;
use serde_json::Value;
use std::path::{Path, PathBuf};

pub(crate) struct Recording {
    /// File name without `.json`.
    pub(crate) name: String,
    pub(crate) request: Value,
    pub(crate) response: Value,
}

fn folder(version: &str, situation: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/recordings").join(version).join(situation)
}

fn files(version: &str, situation: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder(version, situation)).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

pub(crate) fn count(version: &str, situation: &str) -> usize {
    files(version, situation).len()
}

impl Recording {
    pub(crate) fn of(version: &str, situation: &str, scenario: &str) -> Vec<Self> {
        let read = |file: PathBuf| {
            let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
            let mut json: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
            Self { name, request: json["request"].take(), response: json["response"].take() }
        };
        let all = files(version, situation).into_iter().map(read);
        all.filter(|one| one.name.split('-').next() == Some(scenario)).collect()
    }

    pub(crate) fn call(&self) -> Call {
        let text = |field: &str| self.request[field].as_str().map(str::to_owned);
        let whole = text("path").unwrap();
        let (path, query) = whole.split_once('?').unwrap_or((&whole, ""));
        let (body, kind) = match &self.request["body"] {
            Value::Null => (Vec::new(), None),
            Value::String(text) => (text.clone().into_bytes(), Some("text/plain")),
            json => (json.to_string().into_bytes(), Some("application/json")),
        };
        Call {
            method: text("method").unwrap(),
            path: path.to_owned(),
            query: query
                .split('&')
                .filter_map(|pair| pair.split_once('='))
                .map(|(a, b)| (a.to_owned(), b.to_owned()))
                .collect(),
            accept: text("accept"),
            content_type: text("content_type").or(kind.map(str::to_owned)),
            authorization: text("as").map(|who| {
                let secret = if who == "bad" { "op:wrong".to_owned() } else { format!("{who}:secret") };
                format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(secret))
            }),
            body,
        }
    }
}
