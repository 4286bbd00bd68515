//! Requests to the API server, counted by its audit log.

use crate::cluster::setting;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Seek as _, SeekFrom};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

/// The user that operators of tests are.
const OPERATOR: &str = "emqx-operator";

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
    log()
        .requests
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

/// Waits until nothing was written to a namespace for the time of a rest. That a broker did not answer for some seconds
/// of a busy machine is told in the status, and that it does again; who writes regularly writes in each of three rests.
pub async fn silent(namespace: &str, rest: Duration) {
    let mut written = Vec::new();
    for _ in 0..3 {
        let before = writes(namespace).len();
        tokio::time::sleep(rest).await;
        let later = writes(namespace).split_off(before);
        if later.is_empty() {
            return;
        }
        written.push(later);
    }
    panic!("written in each of three rests: {written:#?}");
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
    log().requests.clone()
}

/// What has been read of the log so far. It is long, and tests ask hundreds of times: each line is read once.
struct Log {
    read: u64,
    /// Requests of the operator.
    requests: Vec<Value>,
}

fn log() -> MutexGuard<'static, Log> {
    static LOG: Mutex<Log> = Mutex::new(Log { read: 0, requests: Vec::new() });
    let mut log = LOG.lock().expect("nobody has failed to read the audit log");
    log.read_on().expect("the audit log can be read");
    log
}

impl Log {
    fn read_on(&mut self) -> anyhow::Result<()> {
        let mut file = File::open(setting("EMQX_TEST_AUDIT_LOG")?)?;
        file.seek(SeekFrom::Start(self.read))?;
        let (mut lines, mut line) = (BufReader::new(file), String::new());
        let of_operator = format!("\"{OPERATOR}\"");
        // A line that is still being written is read when it is complete.
        while lines.read_line(&mut line)? > 0 && line.ends_with('\n') {
            self.read += u64::try_from(line.len())?;
            // The log has the requests of everybody: to parse them all takes seconds.
            if line.contains(&of_operator) {
                let event = serde_json::from_str::<Value>(&line).ok();
                self.requests.extend(event.filter(|event| event["user"]["username"] == OPERATOR));
            }
            line.clear();
        }
        Ok(())
    }
}
