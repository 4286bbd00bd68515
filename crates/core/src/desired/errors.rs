//! Mistakes in a spec, each with the path of the field, so that the user finds it.

use crate::reason::Reason;
use serde::Serialize;
use std::fmt;

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Mistake {
    /// Where, as in `kubectl explain`: `spec.config.roots.listeners.tcp.default.bind`.
    pub path: String,
    /// What is wrong, and what would be right. Never the value of a secret.
    pub problem: String,
    pub kind: MistakeKind,
}

/// What kind of repair a mistake needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum MistakeKind {
    /// Something that is referred to does not exist (yet).
    Missing,
    /// The spec has to be corrected.
    Invalid,
}

/// All mistakes of a spec.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Mistakes(Vec<Mistake>);

impl Mistake {
    pub fn invalid(path: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { path: path.into(), problem: problem.into(), kind: MistakeKind::Invalid }
    }

    pub fn missing(path: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { path: path.into(), problem: problem.into(), kind: MistakeKind::Missing }
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
    fn from(mistakes: Vec<Mistake>) -> Self {
        Self(mistakes)
    }
}

impl Mistakes {
    /// The resource could not be read at all.
    pub fn unreadable(error: &str) -> Self {
        Mistake::invalid("spec", format!("cannot be read: {error}")).into()
    }

    pub(crate) fn collect<T>(&mut self, result: Result<T, Mistakes>) -> Option<T> {
        result.map_err(|more| self.0.extend(more.0)).ok()
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
        for (index, mistake) in self.0.iter().take(SHOWN).enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            mistake.fmt(f)?;
        }
        if self.0.len() > SHOWN {
            write!(f, "; and {} more", self.0.len() - SHOWN)?;
        }
        Ok(())
    }
}
