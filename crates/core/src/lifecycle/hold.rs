//! Something that will not be done yet, or does not go on by itself. Not an error.

use crate::reason::Reason;
use crate::text::{beginning, both_ends};
use crate::world::Waits;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use std::fmt;

/// Something that will not be done yet, or does not go on by itself. Not an error.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Hold {
    pub reason: Reason,
    /// What it is about: a pod, an object, a field.
    pub subject: String,
    /// What is awaited, or what to do.
    pub detail: String,
    pub wake: Wake,
    pub since: Option<Since>,
}

/// What ends the waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Wake {
    /// Kubernetes will tell us.
    Watch,
    /// A moment.
    At(Timestamp),
    /// Only EMQX can tell; ask again after so many seconds.
    Poll(u32),
}

/// Since when something is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Since {
    /// As Kubernetes tells it.
    Told(Timestamp),
    /// For so long the pod has not been ready, perhaps for another reason before.
    NotReady(Timestamp),
    /// As the operator has seen it, since it was started.
    Seen(Timestamp),
}

/// Longer than any name or path.
const LONGEST_SUBJECT: usize = 400;
const LONGEST_DETAIL: usize = 1000;

/// What takes shorter is worth no time.
const LASTING: SignedDuration = SignedDuration::from_secs(30);

impl Hold {
    /// Names and answers of others stand in both texts, so both are cut.
    pub(in crate::lifecycle) fn new(
        reason: Reason,
        subject: impl AsRef<str>,
        detail: impl AsRef<str>,
        wake: Wake,
    ) -> Hold {
        let subject = both_ends(subject.as_ref(), LONGEST_SUBJECT).into_owned();
        let detail = beginning(detail.as_ref(), LONGEST_DETAIL).into_owned();
        Hold { reason, subject, detail, wake, since: None }
    }

    /// The same, since a moment that Kubernetes knows.
    pub(in crate::lifecycle) fn since(self, since: Option<Since>) -> Hold {
        Hold { since, ..self }
    }

    /// The same, of a pod that has not been ready for so long.
    pub(in crate::lifecycle) fn not_ready(self, since: Option<Timestamp>) -> Hold {
        self.since(since.map(Since::NotReady))
    }

    /// Fills in since when the operator has seen it, where Kubernetes does not tell.
    pub(crate) fn remember(&mut self, waits: &Waits, now: Timestamp) {
        // These tell the time themselves.
        if self.since.is_some() || matches!(self.reason, Reason::RolledBack | Reason::ProgressDeadlineExceeded) {
            return;
        }
        let seen = waits.since(self.reason, &self.subject, now);
        self.since = seen.filter(|seen| now.duration_since(*seen) >= LASTING).map(Since::Seen);
    }
}

/// What is awaited, and since when.
impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.detail)?;
        match self.since {
            Some(Since::Told(since)) => write!(f, " (since {since:.0})"),
            Some(Since::NotReady(since)) => write!(f, " (not ready since {since:.0})"),
            Some(Since::Seen(since)) => write!(f, " (seen since {since:.0})"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Hold, Wake};
    use crate::reason::Reason;
    use crate::world::Waits;
    use jiff::{SignedDuration, Timestamp};

    /// What is said at these seconds by passes that wait for what these subjects say.
    fn told(passes: &[(i64, &str)]) -> String {
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a time");
        let (mut waits, mut said) = (Waits::default(), String::new());
        for (second, subject) in passes {
            let now = start + SignedDuration::from_secs(*second);
            let mut hold = Hold::new(Reason::WaitingForSurvivors, *subject, "stays", Wake::Watch);
            hold.remember(&waits, now);
            waits = waits.next([(hold.reason, hold.subject.as_str())].into_iter(), now);
            said = hold.to_string();
        }
        said
    }

    #[test]
    fn a_wait_that_lasts_says_since_when_it_is_seen() {
        assert_eq!(told(&[(0, "a")]), "stays");
        assert_eq!(told(&[(0, "a"), (29, "a")]), "stays");
        assert_eq!(told(&[(0, "a"), (29, "a"), (31, "a")]), "stays (seen since 2026-01-01T00:00:00Z)");
        assert_eq!(told(&[(0, "a"), (31, "b")]), "stays", "another waits now");
        assert_eq!(told(&[(0, "a"), (10, "b"), (45, "a")]), "stays", "it had gone on in between");
        assert_eq!(told(&[(0, "a"), (31, "a"), (600, "a")]), "stays", "nobody looked in between");
    }

    #[test]
    fn what_kubernetes_knows_is_said_at_once() {
        let since: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a time");
        let mut hold =
            Hold::new(Reason::ImagePullFailed, "iot-core-1", "cannot be pulled", Wake::Watch).not_ready(Some(since));
        hold.remember(&Waits::default(), since);
        assert_eq!(hold.to_string(), "cannot be pulled (not ready since 2026-01-01T00:00:00Z)");
    }
}
