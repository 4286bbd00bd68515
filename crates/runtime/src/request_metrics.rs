//! Counts the requests to the API server, by verb and by how they ended.

use crate::report::KubernetesRequests;
use axum::http::{Method, Request, Response};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use std::task::{Context, Poll};
use tower::{Layer, Service};

/// Puts a [`CountedService`] around a service.
pub struct CountRequests(pub KubernetesRequests);

impl<S> Layer<S> for CountRequests {
    type Service = CountedService<S>;

    fn layer(&self, inner: S) -> CountedService<S> {
        CountedService { inner, requests: self.0.clone() }
    }
}

/// Counts requests when they have ended.
pub struct CountedService<S> {
    inner: S,
    requests: KubernetesRequests,
}

impl<S, A, B> Service<Request<A>> for CountedService<S>
where
    S: Service<Request<A>, Response = Response<B>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        let verb = verb(request.method(), request.uri().path(), request.uri().query());
        let (method, requests) = (request.method().to_string(), self.requests.clone());
        let answer = self.inner.call(request);
        async move {
            let answer = answer.await;
            requests.ended(verb, &method, answer.as_ref().ok().map(|answer| answer.status().as_u16()));
            answer
        }
        .boxed()
    }
}

/// The verb of Kubernetes' own access rules.
fn verb(method: &Method, path: &str, query: Option<&str>) -> &'static str {
    match *method {
        Method::GET if is_watch(query) => "watch",
        Method::GET if is_collection(path) => "list",
        Method::GET => "get",
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE => "delete",
        _ => "other",
    }
}

pub fn is_watch(query: Option<&str>) -> bool {
    query.is_some_and(|query| query.split('&').any(|pair| matches!(pair, "watch=true" | "watch=1")))
}

/// `/api/v1/pods`, `/apis/apps/v1/namespaces/ns/replicasets`: the last part is a kind, not a name.
fn is_collection(path: &str) -> bool {
    let mut parts = path.trim_matches('/').split('/');
    let group = parts.next();
    let rest: Vec<_> = match group {
        Some("api") => parts.skip(1).collect(),
        Some("apis") => parts.skip(2).collect(),
        _ => return false,
    };
    matches!(rest[..], [_] | ["namespaces", _, _])
}

#[cfg(test)]
mod tests {
    use super::verb;
    use axum::http::Method;

    #[test]
    fn verbs_are_those_of_access_rules() {
        let get = |path, query| verb(&Method::GET, path, query);
        assert_eq!(get("/api/v1/pods", None), "list");
        assert_eq!(get("/api/v1/pods", Some("limit=500&watch=true")), "watch");
        assert_eq!(get("/api/v1/namespaces/ns/pods", Some("labelSelector=a")), "list");
        assert_eq!(get("/api/v1/namespaces/ns/pods/iot-core-0", None), "get");
        assert_eq!(get("/api/v1/namespaces/ns/pods/iot-core-0/exec", None), "get");
        assert_eq!(get("/apis/apps.emqx.io/v3beta1/emqxes", None), "list");
        assert_eq!(get("/apis/apps/v1/namespaces/ns/statefulsets/iot-core", None), "get");
        assert_eq!(get("/version", None), "get");
        assert_eq!(verb(&Method::PATCH, "/api/v1/namespaces/ns/pods/x", None), "patch");
    }
}
