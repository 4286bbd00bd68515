//! How a request can fail, told apart by what the caller must do about it.

use crate::failure::Code;

/// How a request failed. Texts name the operation and never hold bodies or secrets.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The client could not be created.
    #[error("failed to set up the HTTP client")]
    Setup(#[source] reqwest::Error),
    /// The certificates to trust cannot be read.
    #[error("failed to read the trusted certificates: {problem}")]
    Certificates { problem: String },
    /// No process listens, so no request was sent. The node may be starting or gone, or its certificate is not trusted.
    #[error("{operation}: cannot connect: {reason}")]
    Unreachable { operation: &'static str, reason: String },
    /// The connection broke before the answer. What was asked for may have been done.
    #[error("{operation}: the connection broke before the answer: {reason}")]
    Broken { operation: &'static str, reason: String },
    /// The node took longer than it was given. It may hang, or wait for a peer that hangs. What was asked for may have
    /// been done, or may be done yet.
    #[error("{operation}: no answer within {seconds:.1} s")]
    TimedOut { operation: &'static str, seconds: f32 },
    /// 401. Transient while a node boots or joins.
    #[error("{operation}: the credentials are not accepted ({code})")]
    Unauthorized { operation: &'static str, code: Code },
    /// 403: the credentials are known, but their role or scopes do not allow this.
    #[error("{operation}: the credentials do not allow this ({code}); give the API key the role administrator")]
    Forbidden { operation: &'static str, code: Code },
    /// 404.
    #[error("{operation}: {missing}")]
    NotFound { operation: &'static str, missing: Missing },
    /// 4xx: EMQX understood and refuses. Asking another node changes nothing.
    #[error("{operation}: {message}")]
    Rejected { operation: &'static str, code: Code, message: String },
    /// 5xx.
    #[error("{operation}: EMQX failed with HTTP status {status} ({code}); its log may tell why")]
    Broker { operation: &'static str, status: u16, code: Code },
    /// An answer that cannot be read.
    #[error("{operation}: the answer cannot be read: {problem}")]
    Unreadable { operation: &'static str, problem: String },
}

/// What a 404 says is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    /// This EMQX has no such operation. In the first moments after a node opened its port every path is missing, so one
    /// such answer proves nothing; see [`Client::probe`](crate::Client::probe).
    #[error("this EMQX does not know the path (or does not know it yet)")]
    Path,
    /// The node, site or whatever the path names.
    #[error("not found")]
    Object,
}

impl Error {
    /// Whether another node of the cluster would say the same.
    pub fn is_definite(&self) -> bool {
        match self {
            Error::Forbidden { .. } | Error::Rejected { .. } => true,
            Error::Setup(_)
            | Error::Certificates { .. }
            | Error::Unreachable { .. }
            | Error::Broken { .. }
            | Error::TimedOut { .. }
            | Error::Unauthorized { .. }
            | Error::NotFound { .. }
            | Error::Broker { .. }
            | Error::Unreadable { .. } => false,
        }
    }

    /// Whether the server's certificate is not from a trusted authority.
    pub fn is_untrusted(&self) -> bool {
        matches!(self, Error::Unreachable { reason, .. } if reason.contains("certificate"))
    }

    /// Whether what was asked for may have been done all the same.
    pub fn may_have_been_applied(&self) -> bool {
        match self {
            Error::Broken { .. } | Error::TimedOut { .. } | Error::Broker { .. } | Error::Unreadable { .. } => true,
            Error::Setup(_)
            | Error::Certificates { .. }
            | Error::Unreachable { .. }
            | Error::Unauthorized { .. }
            | Error::Forbidden { .. }
            | Error::NotFound { .. }
            | Error::Rejected { .. } => false,
        }
    }
}
