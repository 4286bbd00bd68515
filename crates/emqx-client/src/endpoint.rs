//! Whom to ask.

use std::fmt;

/// The HTTP API of one node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    pub https: bool,
    /// An IP address; brackets around IPv6 are added where they are needed.
    pub host: String,
    pub port: u16,
}

impl Endpoint {
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{self}{path}")
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.https { "https" } else { "http" };
        let port = self.port;
        if self.host.contains(':') && !self.host.starts_with('[') {
            write!(f, "{scheme}://[{}]:{port}", self.host)
        } else {
            write!(f, "{scheme}://{}:{port}", self.host)
        }
    }
}
