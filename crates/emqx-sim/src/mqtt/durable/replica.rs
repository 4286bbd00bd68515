//! What one node keeps, in memory and on its volume: a journal with one line per change, written before anything is
//! answered.

use super::super::session::{Message, MessageId};
use super::super::topics;
use super::{Head, Record};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

/// Acknowledgements of so many messages are remembered per session.
const REMEMBERED: usize = 2000;

#[derive(Default)]
pub(in super::super) struct Replica {
    records: BTreeMap<String, Record>,
    journal: Option<File>,
}

#[derive(Serialize, Deserialize)]
enum Line {
    Head(String, Head),
    Message(String, Message),
    Acknowledged(String, MessageId),
}

impl Replica {
    /// What the volume holds; the journal is written anew without what is over.
    pub(in super::super) fn open(folder: &Path) -> io::Result<Self> {
        let path = folder.join("messages/journal");
        let mut replica = Self::default();
        for line in std::fs::read_to_string(&path).unwrap_or_default().lines() {
            // The last line is cut when the machine was lost while it was written.
            if let Ok(line) = serde_json::from_str(line) {
                replica.apply(line);
            }
        }
        std::fs::create_dir_all(folder.join("messages"))?;
        let fresh = path.with_extension("new");
        replica.journal = Some(File::create(&fresh)?);
        let lines: Vec<Line> = replica.records.iter().flat_map(|(client, record)| lines(client, record)).collect();
        lines.iter().try_for_each(|line| replica.write(line))?;
        std::fs::rename(fresh, path)?;
        Ok(replica)
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

    pub(super) fn records(&self) -> Vec<(String, Record)> {
        self.records.iter().map(|(client, record)| (client.clone(), record.clone())).collect()
    }

    pub(super) fn merge(&mut self, client: &str, record: &Record) -> io::Result<()> {
        lines(client, record).into_iter().try_for_each(|line| self.change(line))
    }

    fn change(&mut self, line: Line) -> io::Result<()> {
        self.write(&line)?;
        self.apply(line);
        Ok(())
    }

    fn write(&mut self, line: &Line) -> io::Result<()> {
        let Some(journal) = &mut self.journal else { return Ok(()) };
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        journal.write_all(&text)
    }

    fn apply(&mut self, line: Line) {
        match line {
            Line::Head(client, head) => {
                let record = self.records.entry(client).or_default();
                if head.version > record.head.version {
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

fn lines(client: &str, record: &Record) -> Vec<Line> {
    let head = Line::Head(client.to_owned(), record.head.clone());
    let messages = record.messages.iter().map(|message| Line::Message(client.to_owned(), message.clone()));
    let done = record.acknowledged.iter().map(|id| Line::Acknowledged(client.to_owned(), *id));
    std::iter::once(head).chain(messages).chain(done).collect()
}
