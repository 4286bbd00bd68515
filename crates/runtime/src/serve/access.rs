//! Lets in those whose token says who they are, and who may `get` the path: 401, 403, or 503 when the API server cannot be
//! asked. Both answers of the API server are remembered for some seconds, so that scrapes are not doubled.

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, UserInfo};
use k8s_openapi::api::authorization::v1::{
    NonResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec, SubjectAccessReviewStatus,
};
use kube::api::{Api, PostParams};
use kube::{Client, Error};
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long an answer of the API server holds.
const REMEMBERED: Duration = Duration::from_secs(10);
/// The most tokens that are remembered. More different tokens cost requests, not memory.
const MOST: usize = 1000;
/// For both questions together. Prometheus gives up after ten seconds.
const DEADLINE: Duration = Duration::from_secs(5);

/// What the API server says about a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Admitted,
    /// The API server does not know the token.
    Stranger,
    /// The user is known and may not.
    Forbidden,
}

struct Gate {
    client: Client,
    verdicts: Mutex<HashMap<Question, (Verdict, Instant)>>,
}

/// Hash of the token, and the path.
type Question = ([u8; 32], String);

/// Asks the API server about each new token.
pub fn only_for_those_who_may_scrape(router: Router, client: Client) -> Router {
    let gate = Arc::new(Gate { client, verdicts: Mutex::default() });
    router.layer(middleware::from_fn_with_state(gate, admit))
}

async fn admit(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    let Some(token) = bearer(request.headers()) else { return refusal(Verdict::Stranger) };
    match tokio::time::timeout(DEADLINE, gate.verdict(token, request.uri().path())).await {
        Ok(Ok(Verdict::Admitted)) => next.run(request).await,
        Ok(Ok(verdict)) => refusal(verdict),
        Ok(Err(error)) => {
            tracing::warn!(%error, "failed to ask the API server about a client of the metrics endpoint");
            unavailable()
        }
        Err(_) => unavailable(),
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

fn refusal(verdict: Verdict) -> Response {
    match verdict {
        Verdict::Stranger => {
            let text = "401: send a token of a ServiceAccount as Authorization: Bearer TOKEN\n";
            (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")], text).into_response()
        }
        _ => {
            let text = "403: bind ClusterRole emqx-operator-metrics-reader to the ServiceAccount of this token\n";
            (StatusCode::FORBIDDEN, text).into_response()
        }
    }
}

fn unavailable() -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, "503: the API server cannot be asked who you are\n").into_response()
}

impl Gate {
    async fn verdict(&self, token: &str, path: &str) -> Result<Verdict, Error> {
        let question = (Sha256::digest(token).into(), path.to_owned());
        if let Some(verdict) = self.remembered(&question) {
            return Ok(verdict);
        }
        let verdict = match self.user(token).await? {
            None => Verdict::Stranger,
            Some(user) => {
                if self.may_get(user, path).await? {
                    Verdict::Admitted
                } else {
                    Verdict::Forbidden
                }
            }
        };
        self.remember(question, verdict);
        Ok(verdict)
    }

    async fn user(&self, token: &str) -> Result<Option<UserInfo>, Error> {
        let spec = TokenReviewSpec { token: Some(token.to_owned()), audiences: None };
        let review = TokenReview { spec, ..TokenReview::default() };
        let review = Api::<TokenReview>::all(self.client.clone()).create(&PostParams::default(), &review).await?;
        let status = review.status.unwrap_or_default();
        Ok(status.user.filter(|_| status.authenticated == Some(true)))
    }

    async fn may_get(&self, user: UserInfo, path: &str) -> Result<bool, Error> {
        let attributes = NonResourceAttributes { path: Some(path.to_owned()), verb: Some("get".to_owned()) };
        let spec = SubjectAccessReviewSpec {
            user: user.username,
            uid: user.uid,
            groups: user.groups,
            extra: user.extra,
            non_resource_attributes: Some(attributes),
            resource_attributes: None,
        };
        let review = SubjectAccessReview { spec, ..SubjectAccessReview::default() };
        let api = Api::<SubjectAccessReview>::all(self.client.clone());
        let status = api.create(&PostParams::default(), &review).await?.status;
        Ok(status.is_some_and(|SubjectAccessReviewStatus { allowed, .. }| allowed))
    }

    fn remembered(&self, question: &Question) -> Option<Verdict> {
        let verdicts = self.verdicts.lock();
        let (verdict, at) = verdicts.get(question)?;
        (at.elapsed() < REMEMBERED).then_some(*verdict)
    }

    fn remember(&self, question: Question, verdict: Verdict) {
        let mut verdicts = self.verdicts.lock();
        if verdicts.len() >= MOST {
            verdicts.retain(|_, (_, at)| at.elapsed() < REMEMBERED);
        }
        if verdicts.len() < MOST {
            verdicts.insert(question, (verdict, Instant::now()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::bearer;
    use axum::http::{HeaderMap, HeaderValue, header};

    #[test]
    fn a_token_is_what_follows_bearer() {
        let of = |value: &'static str| {
            let headers = HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::from_static(value))]);
            bearer(&headers).map(str::to_owned)
        };
        assert_eq!(of("Bearer abc").as_deref(), Some("abc"));
        assert_eq!(of("bearer abc").as_deref(), Some("abc"));
        assert_eq!((of("Basic abc"), of("Bearer "), of("Bearer")), (None, None, None));
        assert_eq!(bearer(&HeaderMap::new()), None);
    }
}
