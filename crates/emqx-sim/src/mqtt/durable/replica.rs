//! What one node keeps, in memory and on its volume: a journal with one line per change, written before anything is
//! answered.

use super::super::session::{Message, MessageId};
use super::super::topics;
use super::{Head, Record};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// Acknowledgements of so many messages are remembered per session.
const REMEMBERED: usize = 2000;

/// A journal is not compacted before it has so many lines.
const SHORTEST: usize = 50_000;

#[derive(Default)]
pub(in super::super) struct Replica {
    records: BTreeMap<String, Record>,
    journal: Option<Journal>,
    /// The node was killed; another one may have the volume by now.
    closed: bool,
}

struct Journal {
    path: PathBuf,
    file: File,
    lines: usize,
    /// With so many lines it is compacted.
    limit: usize,
}

#[derive(Serialize, Deserialize)]
enum Line {
    Head(String, Head),
    Message(String, Message),
    Acknowledged(String, MessageId),
}

impl Replica {
    /// What the volume holds; the journal is compacted without finished sessions.
    pub(in super::super) fn open(folder: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(folder.join("messages"))?;
        let path = folder.join("messages/journal");
        let mut replica = Self::default();
        for line in std::fs::read_to_string(&path).unwrap_or_default().lines() {
            // The last line is cut when the machine was lost while it was written.
            if let Ok(line) = serde_json::from_str(line) {
                replica.apply(line);
            }
        }
        replica.journal = Some(replica.compacted(path)?);
        Ok(replica)
    }

    /// Keeps nothing any more.
    pub(in super::super) fn close(&mut self) {
        self.closed = true;
    }

    fn compacted(&self, path: PathBuf) -> io::Result<Journal> {
        let fresh = path.with_extension("new");
        let mut journal = Journal { path, file: File::create(&fresh)?, lines: 0, limit: usize::MAX };
        let lines = self.records.iter().flat_map(|(client, record)| lines(client, record));
        lines.into_iter().try_for_each(|line| journal.write(&line))?;
        std::fs::rename(fresh, &journal.path)?;
        journal.limit = SHORTEST.max(journal.lines * 4);
        Ok(journal)
    }

    pub(super) fn head(&mut self, client: &str, head: Head) -> io::Result<()> {
        self.change(Line::Head(client.to_owned(), head))
    }

    /// Returns the clients for whom it was kept.
    pub(super) fn store(&mut self, message: &Message, clients: Option<Vec<String>>) -> io::Result<Vec<String>> {
        let clients = clients.unwrap_or_else(|| self.interested(message));
        for client in &clients {
            self.change(Line::Message(client.clone(), message.clone()))?;
        }
        Ok(clients)
    }

    fn interested(&self, message: &Message) -> Vec<String> {
        let wants = |record: &Record| {
            let mut filters = record.head.subscriptions.iter();
            record.is_alive() && filters.any(|(filter, qos)| *qos > 0 && topics::matches(filter, &message.topic))
        };
        self.records.iter().filter(|(_, record)| wants(record)).map(|(client, _)| client.clone()).collect()
    }

    pub(super) fn acknowledge(&mut self, client: &str, id: MessageId) -> io::Result<()> {
        self.change(Line::Acknowledged(client.to_owned(), id))
    }

    pub(super) fn record(&self, client: &str) -> Option<&Record> {
        self.records.get(client)
    }

    pub(super) fn records(&self, wanted: impl Fn(&str) -> bool) -> Vec<(String, Record)> {
        let records = self.records.iter().filter(|(client, _)| wanted(client));
        records.map(|(client, record)| (client.clone(), record.clone())).collect()
    }

    pub(super) fn heads(&self) -> Vec<(String, Record)> {
        let bare = |record: &Record| Record { head: record.head.clone(), ..Record::default() };
        self.records.iter().map(|(client, record)| (client.clone(), bare(record))).collect()
    }

    pub(super) fn waiting(&self, before: MessageId) -> BTreeSet<String> {
        let old = |record: &Record| record.is_alive() && record.messages.iter().any(|message| message.id < before);
        self.records.iter().filter(|(_, record)| old(record)).map(|(client, _)| client.clone()).collect()
    }

    pub(super) fn merge(&mut self, client: &str, record: &Record) -> io::Result<()> {
        let news: Vec<Line> = lines(client, record).into_iter().filter(|line| !self.knows(line)).collect();
        news.into_iter().try_for_each(|line| self.change(line))
    }

    /// Whether it would change nothing.
    fn knows(&self, line: &Line) -> bool {
        let (Line::Head(client, _) | Line::Message(client, _) | Line::Acknowledged(client, _)) = line;
        let Some(record) = self.records.get(client) else { return false };
        match line {
            Line::Head(_, head) => !head.replaces(&record.head),
            Line::Message(_, message) => {
                record.acknowledged.binary_search(&message.id).is_ok()
                    || record.messages.iter().any(|one| one.id == message.id)
            }
            Line::Acknowledged(_, id) => record.acknowledged.binary_search(id).is_ok(),
        }
    }

    fn change(&mut self, line: Line) -> io::Result<()> {
        if self.closed {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if let Some(journal) = &mut self.journal {
            journal.write(&line)?;
        }
        self.apply(line);
        if let Some(journal) = self.journal.take_if(|journal| journal.lines > journal.limit) {
            self.journal = Some(self.compacted(journal.path)?);
        }
        Ok(())
    }

    fn apply(&mut self, line: Line) {
        match line {
            Line::Head(client, head) => {
                let record = self.records.entry(client).or_default();
                if head.replaces(&record.head) {
                    record.head = head;
                    record.tidy();
                }
            }
            Line::Message(client, message) => {
                let record = self.records.entry(client).or_default();
                let known = record.messages.iter().any(|one| one.id == message.id);
                if !known && record.acknowledged.binary_search(&message.id).is_err() {
                    record.messages.push(message);
                }
            }
            Line::Acknowledged(client, id) => {
                let record = self.records.entry(client).or_default();
                record.messages.retain(|message| message.id != id);
                if let Err(place) = record.acknowledged.binary_search(&id) {
                    record.acknowledged.insert(place, id);
                }
                let excess = record.acknowledged.len().saturating_sub(REMEMBERED);
                record.acknowledged.drain(..excess);
            }
        }
    }
}

impl Journal {
    fn write(&mut self, line: &Line) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        self.lines += 1;
        self.file.write_all(&text)
    }
}

fn lines(client: &str, record: &Record) -> Vec<Line> {
    let head = Line::Head(client.to_owned(), record.head.clone());
    let messages = record.messages.iter().map(|message| Line::Message(client.to_owned(), message.clone()));
    let done = record.acknowledged.iter().map(|id| Line::Acknowledged(client.to_owned(), *id));
    std::iter::once(head).chain(messages).chain(done).collect()
}

#[cfg(test)]
mod tests {
    use super::{Head, Message, Replica, SHORTEST};
    use crate::mqtt::session::next_id;
    use std::collections::BTreeMap;

    fn subscribed() -> Head {
        let subscriptions = BTreeMap::from([("t".to_owned(), 1)]);
        Head { version: next_id(), subscriptions, expiry: 60, ..Head::default() }
    }

    fn message(text: &str) -> Message {
        Message { id: next_id(), topic: "t".into(), payload: text.into(), qos: 1, retain: false }
    }

    fn waiting(replica: &Replica) -> Vec<String> {
        let messages = replica.record("c").map(|record| record.messages.clone()).unwrap_or_default();
        messages.into_iter().map(|message| String::from_utf8(message.payload).unwrap()).collect()
    }

    #[test]
    fn a_volume_brings_back_what_was_not_acknowledged_even_if_its_last_line_is_cut() {
        let folder = tempfile::tempdir().unwrap();
        let mut replica = Replica::open(folder.path()).unwrap();
        replica.head("c", subscribed()).unwrap();
        let (first, second) = (message("first"), message("second"));
        assert_eq!(replica.store(&first, None).unwrap(), ["c"]);
        replica.store(&second, None).unwrap();
        replica.acknowledge("c", first.id).unwrap();
        let journal = folder.path().join("messages/journal");
        let mut text = std::fs::read_to_string(&journal).unwrap();
        text.push_str("{\"Acknowledged\":[\"c\",");
        std::fs::write(&journal, text).unwrap();
        let mut replica = Replica::open(folder.path()).unwrap();
        assert_eq!(waiting(&replica), ["second"]);
        replica.store(&first, Some(vec!["c".into()])).unwrap();
        assert_eq!(waiting(&replica), ["second"], "another replica brought back what the client has");
    }

    #[test]
    fn a_journal_does_not_grow_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let mut replica = Replica::open(folder.path()).unwrap();
        replica.head("c", subscribed()).unwrap();
        for number in 0..SHORTEST {
            let message = message(&number.to_string());
            replica.store(&message, None).unwrap();
            replica.acknowledge("c", message.id).unwrap();
        }
        replica.store(&message("last"), None).unwrap();
        drop(replica);
        let lines = std::fs::read_to_string(folder.path().join("messages/journal")).unwrap().lines().count();
        assert!(lines < SHORTEST, "{lines} lines");
        assert_eq!(waiting(&Replica::open(folder.path()).unwrap()), ["last"]);
    }
}
