//! Asks several nodes. A slow or hanging one is left for the next: in a cluster with a broken link every node list takes
//! 30 s on one side, and a replicant without a core hangs for a minute. A node that boots says 401 or 404 to everything,
//! so these are no answers either while another node can be asked.

use crate::api::Request;
use crate::client::Client;
use crate::endpoint::Endpoint;
use crate::error::{Error, Missing};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use reqwest::Method;
use std::fmt;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// A healthy node answers within milliseconds. Who takes this long gets a competitor.
const PATIENCE: Duration = Duration::from_secs(2);

/// An answer, who gave it, and who failed before.
#[derive(Debug)]
pub struct Answered<T> {
    pub by: Endpoint,
    pub answer: T,
    pub failures: Vec<(Endpoint, Error)>,
}

/// No endpoint gave a definite answer.
#[derive(Debug)]
pub struct NoAnswer {
    /// In the order of the endpoints; endpoints that were not asked are missing.
    pub failures: Vec<(Endpoint, Error)>,
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.failures.is_empty() {
            return f.write_str("there is no endpoint to ask");
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

    /// What is missing, if all asked endpoints say the same.
    pub fn missing(&self) -> Option<Missing> {
        let mut all = self.failures.iter().map(|(_, error)| match error {
            Error::NotFound { missing, .. } => Some(*missing),
            _ => None,
        });
        let first = all.next()??;
        all.all(|missing| missing == Some(first)).then_some(first)
    }

    /// Whether all asked endpoints refuse the credentials. A node that boots or joins does so for a moment.
    pub fn is_unauthorized(&self) -> bool {
        let mut errors = self.failures.iter().map(|(_, error)| error);
        !self.failures.is_empty() && errors.all(|error| matches!(error, Error::Unauthorized { .. }))
    }

    /// Whether the credentials are known and do not allow what was asked for.
    pub fn is_forbidden(&self) -> bool {
        self.failures.iter().any(|(_, error)| matches!(error, Error::Forbidden { .. }))
    }

    /// Whether the certificate of an asked endpoint is not trusted.
    pub fn is_untrusted(&self) -> bool {
        self.failures.iter().any(|(_, error)| error.is_untrusted())
    }

    /// Whether EMQX may have carried the request out all the same.
    pub fn may_have_been_applied(&self) -> bool {
        self.failures.iter().any(|(_, error)| error.may_have_been_applied())
    }
}

/// The outcome of one attempt, and the index of its endpoint.
type Attempt<T> = (usize, Result<T, Error>);

impl Client {
    /// The first definite answer. A refusal is definite: no other node is asked.
    ///
    /// Reads race: when an endpoint is slow the next one is asked, too, and the first answer counts. Changes are sent to one node after the other, each
    /// with an equal share of what is left of the deadline, so that the last one is asked even when all before it hang.
    /// A change that must not happen twice ([`Request::REPEATABLE`]) is not sent again once it may have been done.
    pub async fn ask_any<R: Request>(
        &self,
        endpoints: &[Endpoint],
        credentials: &R::As,
        request: &R,
        deadline: Duration,
    ) -> Result<Answered<R::Answer>, NoAnswer> {
        let mut failures = Vec::new();
        let end = Instant::now() + deadline;
        let reads = request.parts().method == Method::GET;
        let answered = if reads {
            self.race(endpoints, credentials, request, end, &mut failures).await
        } else {
            self.in_turn(endpoints, credentials, request, end, &mut failures).await
        };
        failures.sort_by_key(|(index, _)| *index);
        let failures = failures.into_iter().map(|(index, error)| (endpoints[index].clone(), error)).collect();
        match answered {
            Some((index, answer)) => Ok(Answered { by: endpoints[index].clone(), answer, failures }),
            None => Err(NoAnswer { failures }),
        }
    }

    async fn race<R: Request>(
        &self,
        endpoints: &[Endpoint],
        credentials: &R::As,
        request: &R,
        end: Instant,
        failures: &mut Vec<(usize, Error)>,
    ) -> Option<(usize, R::Answer)> {
        let patience = PATIENCE.min(share(end, endpoints.len() + 1));
        let mut waiting = endpoints.iter().enumerate();
        let mut running = FuturesUnordered::new();
        loop {
            if let Some((index, endpoint)) = waiting.next() {
                running.push(self.attempt(index, endpoint, credentials, request, share(end, 1)));
            }
            let last = waiting.len() == 0;
            let ended = tokio::select! {
                ended = running.next() => ended?,
                () = sleep(patience), if !last => continue,
            };
            match settle(ended, failures) {
                Attempted::Answered(index, answer) => return Some((index, answer)),
                Attempted::Refused => return None,
                Attempted::Failed => {}
            }
        }
    }

    async fn in_turn<R: Request>(
        &self,
        endpoints: &[Endpoint],
        credentials: &R::As,
        request: &R,
        end: Instant,
        failures: &mut Vec<(usize, Error)>,
    ) -> Option<(usize, R::Answer)> {
        for (index, endpoint) in endpoints.iter().enumerate() {
            let share = share(end, endpoints.len() - index);
            let ended = self.attempt(index, endpoint, credentials, request, share).await;
            match settle(ended, failures) {
                Attempted::Answered(index, answer) => return Some((index, answer)),
                Attempted::Refused => return None,
                Attempted::Failed if !R::REPEATABLE && may_have_been_applied(failures) => return None,
                Attempted::Failed => {}
            }
        }
        None
    }

    async fn attempt<R: Request>(
        &self,
        index: usize,
        endpoint: &Endpoint,
        credentials: &R::As,
        request: &R,
        deadline: Duration,
    ) -> Attempt<R::Answer> {
        (index, self.ask(endpoint, credentials, request, deadline).await)
    }
}

enum Attempted<T> {
    Answered(usize, T),
    Refused,
    Failed,
}

fn settle<T>((index, outcome): Attempt<T>, failures: &mut Vec<(usize, Error)>) -> Attempted<T> {
    match outcome {
        Ok(answer) => Attempted::Answered(index, answer),
        Err(error) => {
            let definite = error.is_definite();
            failures.push((index, error));
            if definite { Attempted::Refused } else { Attempted::Failed }
        }
    }
}

fn may_have_been_applied(failures: &[(usize, Error)]) -> bool {
    failures.iter().any(|(_, error)| error.may_have_been_applied())
}

/// The share of each endpoint of the time that is left.
fn share(end: Instant, among: usize) -> Duration {
    end.saturating_duration_since(Instant::now()) / u32::try_from(among).unwrap_or(u32::MAX)
}
