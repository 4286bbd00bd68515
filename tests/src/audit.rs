//! Requests to the API server, counted by its audit log.

use crate::cluster::setting;
use serde_json::Value;
use std::collections::BTreeMap;

/// A write of the operator.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Write {
    pub verb: String,
    /// `resource/name`, with `/subresource` where there is one.
    pub object: String,
    pub code: i64,
}

/// Every write of the operator to a namespace, in order. Leases are left out: one is renewed for ever.
pub fn writes(namespace: &str) -> Vec<Write> {
    const WRITING: [&str; 5] = ["create", "update", "patch", "delete", "deletecollection"];
    requests()
        .iter()
        .filter(|event| event["objectRef"]["namespace"] == namespace)
        .filter(|event| event["verb"].as_str().is_some_and(|verb| WRITING.contains(&verb)))
        .map(|event| {
            let reference = &event["objectRef"];
            let part = |key: &str| reference[key].as_str().unwrap_or_default();
            // The name of an object that is created stands in no URL.
            let name = if part("name").is_empty() { "?" } else { part("name") };
            let subresource = reference["subresource"].as_str().map(|sub| format!("/{sub}")).unwrap_or_default();
            Write {
                verb: event["verb"].as_str().unwrap_or_default().to_owned(),
                object: format!("{}/{name}{subresource}", part("resource")),
                code: event["responseStatus"]["code"].as_i64().unwrap_or_default(),
            }
        })
        .filter(|write| !write.object.starts_with("leases/"))
        .collect()
}

/// How often each object was written.
pub fn counts(writes: &[Write]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for write in writes {
        *counts.entry(write.object.as_str()).or_default() += 1;
    }
    counts
}

/// Every request of the operator.
pub(crate) fn requests() -> Vec<Value> {
    let path = setting("EMQX_TEST_AUDIT_LOG").expect("the audit log is known");
    let text = std::fs::read_to_string(path).expect("the audit log can be read");
    let events = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    events.filter(|event| event["user"]["username"] == "emqx-operator").collect()
}
