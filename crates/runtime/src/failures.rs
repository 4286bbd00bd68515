//! Repeated failures, by the request that failed: when it is retried, and from when on it is reported.
//!
//! With any answer of the API server, a request that keeps failing is reported, and retried with growing delays.

use emqx_operator_core::reason::Reason;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::Instant;

/// Once or twice may happen: an API server restarts, another writer was faster.
const REPORTED_AFTER: u32 = 3;
const REPORTED_WITHIN: Duration = Duration::from_secs(60);

/// The class of a failure, which decides about the retry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FailureClass {
    /// The object has changed meanwhile. The watch brings the newer one within moments.
    Conflict,
    /// The request failed this time.
    Failure,
    /// The request is not allowed. The operator does not watch quotas, policies and roles.
    Refusal,
    /// EMQX does not carry the request out for now.
    Busy,
}

impl FailureClass {
    /// The first delay, and the longest.
    fn delays(self) -> (Duration, Duration) {
        match self {
            FailureClass::Conflict => (Duration::from_millis(100), Duration::from_secs(30)),
            FailureClass::Failure => (Duration::from_millis(250), Duration::from_secs(120)),
            FailureClass::Refusal => (Duration::from_secs(30), Duration::from_secs(120)),
            FailureClass::Busy => (Duration::from_secs(30), Duration::from_secs(30)),
        }
    }
}

/// Repeated failures of one request.
#[derive(Clone, Debug)]
pub struct Streak {
    class: FailureClass,
    times: u32,
    since: Instant,
    due: Instant,
    reason: Reason,
    text: String,
}

impl Streak {
    /// Whether the failure is reported. While pods come and go, sets change several times a second, so conflicts are reported only
    /// when they last.
    pub fn is_reported(&self) -> bool {
        let often = self.times >= REPORTED_AFTER && self.class != FailureClass::Conflict;
        often || self.since.elapsed() >= REPORTED_WITHIN
    }

    /// Reason and text of the last failure.
    pub fn last_error(&self) -> (Reason, &str) {
        (self.reason, &self.text)
    }
}

/// Repeated failures, by request.
#[derive(Default)]
pub struct Failures(Mutex<State>);

#[derive(Default)]
struct State {
    generation: Option<i64>,
    streaks: BTreeMap<String, Streak>,
}

impl Failures {
    /// A spec that was edited is tried at once, whatever failed before.
    pub fn begin(&self, generation: Option<i64>) {
        let mut state = self.0.lock();
        if state.generation != generation {
            *state = State { generation, streaks: BTreeMap::new() };
        }
    }

    /// One more failure. Delays differ a little, so that a thousand clusters that fail together do not come back together.
    pub fn note(&self, tried: &str, class: FailureClass, reason: Reason, text: &str) -> Streak {
        let mut state = self.0.lock();
        let (before, now) = (state.streaks.get(tried), Instant::now());
        let times = before.map_or(1, |before| before.times.saturating_add(1));
        let since = before.map_or(now, |before| before.since);
        let delay = delay(class, times).mul_f64(rand::random_range(0.75..1.25));
        let streak = Streak { class, times, since, due: now + delay, reason, text: text.to_owned() };
        state.streaks.insert(tried.to_owned(), streak.clone());
        streak
    }

    /// The failures of a request that is not retried yet, whatever triggered the reconcile.
    pub fn postponed(&self, tried: &str) -> Option<Streak> {
        let state = self.0.lock();
        let streak = state.streaks.get(tried)?;
        (streak.is_reported() && Instant::now() < streak.due).then(|| streak.clone())
    }

    /// Everything else has worked, or is not wanted any more.
    pub fn retain(&self, failing: &BTreeSet<&str>) {
        self.0.lock().streaks.retain(|tried, _| failing.contains(tried.as_str()));
    }

    /// How long until the first of them is tried again.
    pub fn wait(&self) -> Option<Duration> {
        let state = self.0.lock();
        let due = state.streaks.values().map(|streak| streak.due).min()?;
        Some(due.saturating_duration_since(Instant::now()))
    }
}

/// After so many failures in a row.
fn delay(class: FailureClass, times: u32) -> Duration {
    let (first, longest) = class.delays();
    first.saturating_mul(2u32.saturating_pow(times.saturating_sub(1).min(16))).min(longest)
}

#[cfg(test)]
mod tests {
    use super::{FailureClass, Failures, delay};
    use emqx_operator_core::reason::Reason::KubernetesRequestFailed as FAILED;
    use std::collections::BTreeSet;
    use std::time::Duration;

    #[test]
    fn delays_grow_and_end() {
        let millis = |class, times: u32| delay(class, times).as_millis();
        assert_eq!([1, 2, 3, 4].map(|times| millis(FailureClass::Conflict, times)), [100, 200, 400, 800]);
        assert_eq!([1, 2, 3].map(|times| millis(FailureClass::Failure, times)), [250, 500, 1000]);
        assert_eq!([1, 2, 3, 9].map(|times| millis(FailureClass::Refusal, times)), [30_000, 60_000, 120_000, 120_000]);
        assert_eq!(delay(FailureClass::Conflict, u32::MAX), Duration::from_secs(30));
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_told_after_three_attempts_or_a_minute() {
        let failures = Failures::default();
        assert!(!failures.note("a", FailureClass::Failure, FAILED, "no").is_reported());
        assert!(!failures.note("a", FailureClass::Failure, FAILED, "no").is_reported());
        assert!(failures.note("a", FailureClass::Failure, FAILED, "no").is_reported());
        assert!(!failures.note("b", FailureClass::Failure, FAILED, "no").is_reported());
        tokio::time::advance(Duration::from_secs(60)).await;
        assert!(failures.note("b", FailureClass::Failure, FAILED, "no").is_reported());
    }

    #[tokio::test(start_paused = true)]
    async fn conflicts_are_told_when_they_last() {
        let failures = Failures::default();
        for _ in 0..9 {
            assert!(!failures.note("a", FailureClass::Conflict, FAILED, "changed").is_reported());
        }
        tokio::time::advance(Duration::from_secs(60)).await;
        assert!(failures.note("a", FailureClass::Conflict, FAILED, "changed").is_reported());
    }

    #[tokio::test(start_paused = true)]
    async fn what_goes_on_failing_is_sent_less_and_less_often() {
        let failures = Failures::default();
        let mut sent = 0;
        // Something else wakes the cluster ten times a second for an hour.
        for _ in 0..36_000 {
            if failures.postponed("scale").is_none() {
                failures.note("scale", FailureClass::Refusal, FAILED, "denied by a policy");
                sent += 1;
            }
            tokio::time::advance(Duration::from_millis(100)).await;
        }
        assert!((25..60).contains(&sent), "{sent} requests in an hour");
    }

    #[tokio::test(start_paused = true)]
    async fn an_edited_spec_and_a_success_begin_anew() {
        let failures = Failures::default();
        failures.begin(Some(1));
        for _ in 0..5 {
            failures.note("a", FailureClass::Refusal, FAILED, "no");
            failures.note("b", FailureClass::Refusal, FAILED, "no");
        }
        failures.retain(&BTreeSet::from(["b"]));
        assert!(failures.postponed("a").is_none());
        assert!(failures.postponed("b").is_some_and(|streak| streak.last_error().1 == "no"));
        failures.begin(Some(1));
        assert!(failures.postponed("b").is_some());
        failures.begin(Some(2));
        assert!(failures.postponed("b").is_none());
        assert_eq!(failures.wait(), None);
    }
}
