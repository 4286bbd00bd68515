//! Asks several nodes in turn. A slow or hanging one is left for the next: in a cluster with a broken link every node
//! list takes 30 s on one side, and a replicant without a core hangs for a minute.

use crate::api::Request;
use crate::client::Client;
use crate::endpoint::{Credentials, Endpoint};
use crate::error::Error;
use std::fmt;
use std::time::Duration;
use tokio::time::Instant;

/// An answer, and who gave it.
#[derive(Debug)]
pub struct Answered<T> {
    pub by: Endpoint,
    pub answer: T,
}

/// Nobody gave a definite answer.
#[derive(Debug)]
pub struct NoAnswer {
    pub failures: Vec<(Endpoint, Error)>,
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.failures.is_empty() {
            return f.write_str("there was nobody to ask");
        }
        for (index, (endpoint, error)) in self.failures.iter().enumerate() {
            let separator = if index > 0 { "; " } else { "" };
            write!(f, "{separator}{endpoint}: {error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for NoAnswer {}

impl NoAnswer {
    /// The refusal, if EMQX understood the request and refused it.
    pub fn refusal(&self) -> Option<&Error> {
        self.failures.iter().map(|(_, error)| error).find(|error| error.is_definite())
    }
}

impl Client {
    /// The first definite answer. Each candidate gets an equal share of what is left of the deadline, so that the last
    /// one is asked even when all before it hang. A refusal is definite: no other node is asked.
    pub async fn ask_any<R: Request>(
        &self,
        candidates: &[Endpoint],
        credentials: &Credentials,
        request: &R,
        deadline: Duration,
    ) -> Result<Answered<R::Answer>, NoAnswer> {
        let end = Instant::now() + deadline;
        let mut failures = Vec::new();
        for (index, endpoint) in candidates.iter().enumerate() {
            let left = end.saturating_duration_since(Instant::now());
            let waiting = u32::try_from(candidates.len() - index).unwrap_or(u32::MAX);
            match self.ask(endpoint, credentials, request, left / waiting).await {
                Ok(answer) => return Ok(Answered { by: endpoint.clone(), answer }),
                Err(error) => {
                    let definite = error.is_definite();
                    failures.push((endpoint.clone(), error));
                    if definite {
                        break;
                    }
                }
            }
        }
        Err(NoAnswer { failures })
    }
}
