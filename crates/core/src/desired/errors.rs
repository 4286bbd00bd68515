//! Mistakes in a spec, each with the path of the field, so that the user finds it.

use crate::reason::Reason;
use crate::text::{beginning, both_ends};
use serde::Serialize;
use std::fmt;

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Mistake {
    /// Where, as in `kubectl explain`: `spec.config.roots.listeners.tcp.default.bind`.
    pub path: String,
    /// The problem, and a correct value. Never the value of a secret.
    pub problem: String,
    pub kind: MistakeKind,
}

/// What kind of repair a mistake needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum MistakeKind {
    /// A referenced object does not exist (yet).
    Missing,
    /// The spec has to be corrected.
    Invalid,
}

/// The mistakes of a spec, up to a limit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Mistakes(Vec<Mistake>);

/// More mistakes than a user reads at once.
const KEPT: usize = 100;
/// Characters of a path and of a problem: specs may quote anything.
const LONGEST_PATH: usize = 400;
const LONGEST_PROBLEM: usize = 800;

impl Mistake {
    pub fn invalid(path: impl AsRef<str>, problem: impl AsRef<str>) -> Self {
        Self::new(MistakeKind::Invalid, path.as_ref(), problem.as_ref())
    }

    pub fn missing(path: impl AsRef<str>, problem: impl AsRef<str>) -> Self {
        Self::new(MistakeKind::Missing, path.as_ref(), problem.as_ref())
    }

    fn new(kind: MistakeKind, path: &str, problem: &str) -> Self {
        let path = both_ends(path, LONGEST_PATH).into_owned();
        Self { path, problem: beginning(problem, LONGEST_PROBLEM).into_owned(), kind }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.problem)
    }
}

impl From<Mistake> for Mistakes {
    fn from(mistake: Mistake) -> Self {
        Self(vec![mistake])
    }
}

impl From<Vec<Mistake>> for Mistakes {
    fn from(mut mistakes: Vec<Mistake>) -> Self {
        mistakes.truncate(KEPT);
        Self(mistakes)
    }
}

impl Mistakes {
    /// The resource could not be read at all.
    pub fn unreadable(error: &str) -> Self {
        Mistake::invalid("spec", format!("cannot be read: {error}")).into()
    }

    pub(super) fn push(&mut self, mistake: Mistake) {
        if self.0.len() < KEPT {
            self.0.push(mistake);
        }
    }

    pub(crate) fn collect<T>(&mut self, result: Result<T, Mistakes>) -> Option<T> {
        result.map_err(|more| more.0.into_iter().for_each(|mistake| self.push(mistake))).ok()
    }

    pub(crate) fn finish(mut self) -> Result<(), Mistakes> {
        if self.0.is_empty() {
            return Ok(());
        }
        self.0.sort();
        self.0.dedup();
        Err(self)
    }

    /// The mistakes, sorted by path.
    pub fn iter(&self) -> impl Iterator<Item = &Mistake> {
        self.0.iter()
    }

    /// `MissingReference` when nothing but missing objects stands in the way, else `InvalidSpec`.
    pub fn reason(&self) -> Reason {
        if self.0.iter().all(|mistake| mistake.kind == MistakeKind::Missing) {
            Reason::MissingReference
        } else {
            Reason::InvalidSpec
        }
    }
}

/// As it stands in a condition.
impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 8;
        const LONGEST: usize = 2000;
        let shown: Vec<_> = self.0.iter().take(SHOWN).map(ToString::to_string).collect();
        f.write_str(&beginning(&shown.join("; "), LONGEST))?;
        match self.0.len() {
            0..=SHOWN => Ok(()),
            KEPT => write!(f, "; and at least {} more", KEPT - SHOWN),
            count => write!(f, "; and {} more", count - SHOWN),
        }
    }
}
