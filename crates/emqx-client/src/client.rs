//! Sends requests. One client serves all clusters: it keeps few idle connections, and none for long.

use crate::api::Request;
use crate::endpoint::{Credentials, Endpoint};
use crate::error::{Error, of_status};
use crate::tls;
use std::time::Duration;

/// Larger answers are not read: a node list of a thousand nodes has half a megabyte.
const LARGEST_ANSWER: usize = 8 << 20;

/// Cheap to clone.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
}

impl Client {
    pub fn new() -> Result<Client, Error> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .pool_max_idle_per_host(1)
            // Longer than the interval at rest would keep a connection to every cluster for ever.
            .pool_idle_timeout(Duration::from_secs(10))
            .tls_backend_preconfigured(tls::any_certificate())
            .build()
            .map_err(Error::Setup)?;
        Ok(Client { http })
    }

    /// Sends one request to one node. The deadline covers everything, the body included.
    pub async fn ask<R: Request>(
        &self,
        endpoint: &Endpoint,
        credentials: &Credentials,
        request: &R,
        deadline: Duration,
    ) -> Result<R::Answer, Error> {
        let timed_out = Error::TimedOut { operation: R::OPERATION, seconds: deadline.as_secs_f32() };
        let answer = tokio::time::timeout(deadline, self.exchange(endpoint, credentials, request)).await;
        let (status, body) = answer.map_err(|_| timed_out)??;
        if (200..300).contains(&status) {
            request.read(&body).map_err(|problem| Error::Unreadable { operation: R::OPERATION, problem })
        } else {
            let error = of_status(R::OPERATION, status, &body);
            request.read_error(error)
        }
    }

    async fn exchange<R: Request>(
        &self,
        endpoint: &Endpoint,
        credentials: &Credentials,
        request: &R,
    ) -> Result<(u16, Vec<u8>), Error> {
        let unreachable = |_: reqwest::Error| Error::Unreachable { operation: R::OPERATION };
        let parts = request.parts();
        let mut call = self
            .http
            .request(parts.method, endpoint.url(&parts.path))
            .basic_auth(&credentials.key, Some(&credentials.secret))
            // Without it errors come as HTML.
            .header(reqwest::header::ACCEPT, "application/json");
        if let Some((content_type, body)) = parts.body {
            call = call.header(reqwest::header::CONTENT_TYPE, content_type).body(body);
        }
        let mut response = call.send().await.map_err(unreachable)?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if body.len() + chunk.len() > LARGEST_ANSWER {
                let problem = format!("it is larger than {} MiB", LARGEST_ANSWER >> 20);
                return Err(Error::Unreadable { operation: R::OPERATION, problem });
            }
            body.extend_from_slice(&chunk);
        }
        Ok((response.status().as_u16(), body))
    }
}
