//! Who was promised which message, and who got it.

use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};

/// One message. It is on the wire as text, and means the same wherever it turns up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Message {
    pub addressee: usize,
    pub publisher: usize,
    /// Counts the messages of the publisher, from one.
    pub number: u64,
}

impl Message {
    pub(super) fn payload(&self) -> String {
        format!("{} {} {}", self.addressee, self.publisher, self.number)
    }

    pub(super) fn read(payload: &[u8]) -> Option<Message> {
        let mut words = std::str::from_utf8(payload).ok()?.split(' ');
        let mut next = || words.next()?.parse::<u64>().ok();
        let (addressee, publisher, number) = (next()?, next()?, next()?);
        Some(Message {
            addressee: usize::try_from(addressee).ok()?,
            publisher: usize::try_from(publisher).ok()?,
            number,
        })
    }
}

#[derive(Default)]
pub(super) struct Ledger(Mutex<Pages>);

#[derive(Default)]
struct Pages {
    acknowledged: BTreeSet<Message>,
    /// The broker acknowledged them and said that there is no subscriber (0x10).
    nobody: BTreeSet<Message>,
    /// How often each message arrived at its addressee.
    received: BTreeMap<Message, u32>,
    /// What arrived where it was not sent.
    astray: u64,
}

/// What the ledger says at one moment.
#[derive(Default)]
pub(super) struct Balance {
    pub(super) acknowledged: usize,
    pub(super) nobody: usize,
    pub(super) lost: Vec<Message>,
    pub(super) duplicates: u64,
    pub(super) astray: u64,
}

impl Ledger {
    pub(super) fn acknowledged(&self, message: Message, nobody: bool) {
        let mut pages = self.lock();
        pages.acknowledged.insert(message);
        if nobody {
            pages.nobody.insert(message);
        }
    }

    pub(super) fn received(&self, by: usize, payload: &[u8]) {
        let mut pages = self.lock();
        match Message::read(payload).filter(|message| message.addressee == by) {
            Some(message) => *pages.received.entry(message).or_default() += 1,
            None => pages.astray += 1,
        }
    }

    pub(super) fn is_settled(&self) -> bool {
        let pages = self.lock();
        pages.acknowledged.iter().all(|message| pages.received.contains_key(message))
    }

    pub(super) fn balance(&self) -> Balance {
        let pages = self.lock();
        let lost = pages.acknowledged.iter().filter(|message| !pages.received.contains_key(message));
        Balance {
            acknowledged: pages.acknowledged.len(),
            nobody: pages.nobody.len(),
            lost: lost.copied().collect(),
            duplicates: pages.received.values().map(|count| u64::from(count - 1)).sum(),
            astray: pages.astray,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().expect("no holder of this lock panics")
    }
}
