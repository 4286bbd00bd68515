//! Texts that are never printed.

use serde::Serialize;
use std::fmt;

/// Random texts, drawn by the shell for every pass, used only where a secret does not exist yet.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct FreshSecrets {
    pub cookie: String,
    pub operator_secret: String,
}

impl fmt::Debug for FreshSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FreshSecrets")
    }
}

/// A text that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Sensitive(pub String);

impl fmt::Debug for Sensitive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

impl Serialize for Sensitive {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("(secret)")
    }
}
