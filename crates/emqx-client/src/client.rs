//! Sends requests. One client serves all clusters: it keeps few idle connections, and none for long.

use crate::api::{Parts, Request};
use crate::credentials::Authorize;
use crate::endpoint::Endpoint;
use crate::error::Error;
use crate::failure::Failure;
use crate::redact;
use crate::tls::{self, Trust};
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::{RequestBuilder, Response};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Larger answers are not read: a node list of a thousand nodes has half a megabyte.
const LARGEST_ANSWER: usize = 4 << 20;

/// The most that is read of an error. EMQX's refusal of a configuration quotes all of it and gives the cause at the end,
/// so this is more than a configuration has.
const LARGEST_ERROR: usize = 256 << 10;

/// Packets to the address of a pod that is gone are dropped without a word. A node that lives accepts at once.
const CONNECT_DEADLINE: Duration = Duration::from_secs(3);

/// Called for every request when it has ended: its method, and the code of the answer, if there was one in time.
pub trait Observer: std::fmt::Debug + Send + Sync {
    fn ended(&self, method: &str, answer: Option<u16>);
}

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    observer: Option<Arc<dyn Observer>>,
    budget: Option<Arc<Budget>>,
}

/// How many bytes may still be read.
#[derive(Debug)]
struct Budget {
    left: AtomicUsize,
    total: usize,
}

impl Client {
    /// A client that takes any certificate; see [`Trust::AnyCertificate`].
    pub fn new() -> Result<Client, Error> {
        Client::with_trust(&Trust::AnyCertificate)
    }

    pub fn with_trust(trust: &Trust) -> Result<Client, Error> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_DEADLINE)
            .pool_max_idle_per_host(1)
            // Longer than the interval at rest would keep a connection to every cluster for ever.
            .pool_idle_timeout(Duration::from_secs(10))
            .tls_backend_preconfigured(tls::config(trust)?)
            .build()
            .map_err(Error::Setup)?;
        Ok(Client { http, observer: None, budget: None })
    }

    /// The same client, with an observer.
    pub fn observed_by(self, observer: Arc<dyn Observer>) -> Client {
        Client { observer: Some(observer), ..self }
    }

    /// The same client for one conversation: all answers together have no more than so many bytes.
    pub fn reading_at_most(self, bytes: usize) -> Client {
        let budget = Budget { left: AtomicUsize::new(bytes), total: bytes };
        Client { budget: Some(Arc::new(budget)), ..self }
    }

    /// Sends one request to one node. The deadline covers everything, the body included.
    pub async fn ask<R: Request>(
        &self,
        endpoint: &Endpoint,
        credentials: &R::As,
        request: &R,
        deadline: Duration,
    ) -> Result<R::Answer, Error> {
        let parts = request.parts();
        let method = parts.method.clone();
        let call = credentials.authorize(self.call(endpoint, parts));
        let timed_out = Error::TimedOut { operation: R::OPERATION, seconds: deadline.as_secs_f32() };
        let answer = tokio::time::timeout(deadline, self.exchange(call, R::OPERATION)).await;
        let answer = answer.unwrap_or(Err(timed_out));
        if let Some(observer) = &self.observer {
            observer.ended(method.as_str(), answer.as_ref().ok().map(|(status, _)| *status));
        }
        let (status, body) = answer?;
        if (200..300).contains(&status) {
            return request.read(&body).map_err(|problem| unreadable(R::OPERATION, problem));
        }
        let failure = Failure::read(status, &body);
        request.read_failure(&failure).ok_or_else(|| failure.into_error(R::OPERATION))
    }

    async fn exchange(&self, call: RequestBuilder, operation: &'static str) -> Result<(u16, Vec<u8>), Error> {
        let response = call.send().await.map_err(|error| no_answer(operation, &error))?;
        let status = response.status();
        let body = if status.is_success() {
            self.body(response).await.map_err(|problem| unreadable(operation, problem))?
        } else {
            self.error_body(response).await
        };
        Ok((status.as_u16(), body))
    }

    async fn body(&self, mut response: Response) -> Result<Vec<u8>, String> {
        let mut body = Vec::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if body.len() + chunk.len() > LARGEST_ANSWER => {
                    return Err(format!("it is larger than {}", in_words(LARGEST_ANSWER)));
                }
                Ok(Some(chunk)) => {
                    self.budget.as_ref().map_or(Ok(()), |budget| budget.take(chunk.len()))?;
                    body.extend_from_slice(&chunk);
                }
                Ok(None) => return Ok(body),
                Err(_) => return Err(format!("it breaks off after {} bytes", body.len())),
            }
        }
    }

    /// As much as helps. The status says the most, so a body that is too long or breaks off is none.
    async fn error_body(&self, mut response: Response) -> Vec<u8> {
        let mut body = Vec::new();
        while let Ok(Some(chunk)) = response.chunk().await {
            let fits = body.len() + chunk.len() <= LARGEST_ERROR;
            if !fits || self.budget.as_ref().is_some_and(|budget| budget.take(chunk.len()).is_err()) {
                return Vec::new();
            }
            body.extend_from_slice(&chunk);
        }
        body
    }

    fn call(&self, endpoint: &Endpoint, parts: Parts) -> RequestBuilder {
        let call = self.http.request(parts.method, endpoint.url(&parts.path)).header(ACCEPT, parts.accept);
        match parts.body {
            Some((content_type, body)) => call.header(CONTENT_TYPE, content_type).body(body),
            None => call,
        }
    }
}

impl Budget {
    fn take(&self, bytes: usize) -> Result<(), String> {
        let taken = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes));
        let problem = |_| format!("with the answers before it is larger than {}", in_words(self.total));
        taken.map(drop).map_err(problem)
    }
}

fn in_words(bytes: usize) -> String {
    if bytes < 1 << 20 { format!("{} KiB", bytes >> 10) } else { format!("{} MiB", bytes >> 20) }
}

fn no_answer(operation: &'static str, error: &reqwest::Error) -> Error {
    let reason = innermost(error);
    if error.is_connect() { Error::Unreachable { operation, reason } } else { Error::Broken { operation, reason } }
}

/// The layers above repeat the address and say little.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    redact::short(&cause.to_string())
}

fn unreadable(operation: &'static str, problem: String) -> Error {
    Error::Unreadable { operation, problem }
}
