//! Sends requests. One client serves all clusters: it keeps few idle connections, and none for long.

use crate::api::{Parts, Request};
use crate::credentials::Authorize;
use crate::endpoint::Endpoint;
use crate::error::Error;
use crate::failure::Failure;
use crate::tls::{self, Trust};
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::{RequestBuilder, Response};
use std::sync::Arc;
use std::time::Duration;

/// Larger answers are not read: a node list of a thousand nodes has half a megabyte.
const LARGEST_ANSWER: usize = 8 << 20;

/// Packets to the address of a pod that is gone are dropped without a word. A node that lives accepts at once.
const CONNECT_DEADLINE: Duration = Duration::from_secs(3);

/// Told of every request when it has ended: its method, and the code of the answer, if there was one in time.
pub trait Observer: std::fmt::Debug + Send + Sync {
    fn ended(&self, method: &str, answer: Option<u16>);
}

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    observer: Option<Arc<dyn Observer>>,
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
        Ok(Client { http, observer: None })
    }

    /// The same client, with somebody who counts.
    pub fn observed_by(self, observer: Arc<dyn Observer>) -> Client {
        Client { observer: Some(observer), ..self }
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
        let answer = tokio::time::timeout(deadline, exchange(call, R::OPERATION)).await;
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

    fn call(&self, endpoint: &Endpoint, parts: Parts) -> RequestBuilder {
        let call = self.http.request(parts.method, endpoint.url(&parts.path)).header(ACCEPT, parts.accept);
        match parts.body {
            Some((content_type, body)) => call.header(CONTENT_TYPE, content_type).body(body),
            None => call,
        }
    }
}

async fn exchange(call: RequestBuilder, operation: &'static str) -> Result<(u16, Vec<u8>), Error> {
    let response = call.send().await.map_err(|error| no_answer(operation, &error))?;
    let status = response.status().as_u16();
    let body = read_body(response).await.map_err(|problem| unreadable(operation, problem))?;
    Ok((status, body))
}

async fn read_body(mut response: Response) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > LARGEST_ANSWER => {
                return Err(format!("it is larger than {} MiB", LARGEST_ANSWER >> 20));
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return Ok(body),
            Err(_) => return Err(format!("it breaks off after {} bytes", body.len())),
        }
    }
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
    cause.to_string()
}

fn unreadable(operation: &'static str, problem: String) -> Error {
    Error::Unreadable { operation, problem }
}
