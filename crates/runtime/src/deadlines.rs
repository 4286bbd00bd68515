//! Every request to the API server ends. A connection that leads nowhere, as after the failure of a machine or of a load
//! balancer, would otherwise hold a reconcile for ever: the library bounds only the making of connections.
//!
//! Of a watch the beginning of the answer is bounded here, and its length by the watcher.

use axum::http::{Request, Response};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use http_body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep};
use tower::{BoxError, Layer, Service};

/// An API server that is well answers within a second, and a page of a list within some.
const LIMIT: Duration = Duration::from_secs(20);

/// Why a request was given up.
#[derive(Debug, thiserror::Error)]
#[error("the API server has not answered within {} s", LIMIT.as_secs())]
struct TooLate;

/// Puts a [`Bounded`] around a service.
pub struct Deadlines;

impl<S> Layer<S> for Deadlines {
    type Service = Bounded<S>;

    fn layer(&self, inner: S) -> Bounded<S> {
        Bounded { inner }
    }
}

/// Gives up requests that take too long.
pub struct Bounded<S> {
    inner: S,
}

impl<S, A, B> Service<Request<A>> for Bounded<S>
where
    S: Service<Request<A>, Response = Response<B>>,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
{
    type Response = Response<BoundedBody<B>>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        let end = Instant::now() + LIMIT;
        let lasts = crate::request_metrics::is_watch(request.uri().query()) || is_session(request.uri().path());
        let answer = self.inner.call(request);
        async move {
            let answer = tokio::time::timeout_at(end, answer).await.map_err(|_| TooLate)?.map_err(Into::into)?;
            let limit = (!lasts).then(|| Box::pin(tokio::time::sleep_until(end)));
            Ok(answer.map(|body| BoundedBody { body: Box::pin(body), limit }))
        }
        .boxed()
    }
}

/// Commands in pods have a deadline of their own.
fn is_session(path: &str) -> bool {
    path.ends_with("/exec")
}

/// A body that ends in time, or with an error.
pub struct BoundedBody<B> {
    body: Pin<Box<B>>,
    limit: Option<Pin<Box<Sleep>>>,
}

impl<B> Body for BoundedBody<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        if let Poll::Ready(frame) = self.body.as_mut().poll_frame(context) {
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        match self.limit.as_mut().map(|limit| limit.poll_unpin(context)) {
            Some(Poll::Ready(())) => Poll::Ready(Some(Err(TooLate.into()))),
            Some(Poll::Pending) | None => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::{Deadlines, LIMIT};
    use axum::body::Body;
    use axum::http::{Request, Response};
    use http_body_util::BodyExt as _;
    use std::convert::Infallible;
    use std::time::Duration;
    use tower::{BoxError, Layer as _, Service as _};

    /// Answers after one delay, and ends the body after another.
    async fn ask(uri: &str, head: Duration, body: Duration) -> Result<usize, BoxError> {
        let server = tower::service_fn(move |_: Request<Body>| async move {
            tokio::time::sleep(head).await;
            let chunks = futures::stream::once(async move {
                tokio::time::sleep(body).await;
                Ok::<_, Infallible>("data")
            });
            Ok::<_, Infallible>(Response::new(Body::from_stream(chunks)))
        });
        let request = Request::get(uri).body(Body::empty())?;
        let answer = Deadlines.layer(server).call(request).await?;
        Ok(answer.into_body().collect().await?.to_bytes().len())
    }

    const SOON: Duration = Duration::from_secs(1);
    const NEVER: Duration = Duration::from_secs(3600);
    const POD: &str = "/api/v1/namespaces/ns/pods/iot-core-0";
    const WATCH: &str = "/api/v1/pods?watch=true";

    #[tokio::test(start_paused = true)]
    async fn every_request_ends() {
        assert_eq!(ask(POD, SOON, SOON).await.expect("an answer"), 4);
        let begun = tokio::time::Instant::now();
        for (uri, head, body) in [(POD, NEVER, SOON), (POD, SOON, NEVER), (WATCH, NEVER, SOON)] {
            let error = ask(uri, head, body).await.expect_err("nobody waits for that").to_string();
            assert!(error.contains("has not answered within 20 s"), "{error}");
        }
        assert!(begun.elapsed() <= 3 * LIMIT + SOON);
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_may_last() {
        assert_eq!(ask(WATCH, SOON, NEVER).await.expect("an event"), 4);
    }
}
