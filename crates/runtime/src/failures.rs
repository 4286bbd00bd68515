//! What fails in a row, by what was tried: when it is tried again, and from when on users hear of it.
//!
//! Whatever the API server answers, a request that fails again and again is told, and is sent less and less often.

use emqx_operator_core::reason::Reason;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::Instant;

/// Once or twice may happen: an API server restarts, another writer was faster.
const TOLD_AFTER: u32 = 3;
const TOLD_WITHIN: Duration = Duration::from_secs(60);

/// How a request failed, as far as trying it again is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The object has changed meanwhile. The watch brings the newer one within moments.
    Conflict,
    /// It did not work this time.
    Failure,
    /// It is not allowed. Quotas, policies and roles change without telling us.
    Refusal,
    /// EMQX does not do it for now.
    Busy,
}

impl Severity {
    /// The first delay, and the longest.
    fn delays(self) -> (Duration, Duration) {
        match self {
            Severity::Conflict => (Duration::from_millis(100), Duration::from_secs(30)),
            Severity::Failure => (Duration::from_millis(250), Duration::from_secs(120)),
            Severity::Refusal => (Duration::from_secs(30), Duration::from_secs(120)),
            Severity::Busy => (Duration::from_secs(30), Duration::from_secs(30)),
        }
    }
}

/// Failures in a row, of one thing that was tried.
#[derive(Clone, Debug)]
pub struct Streak {
    severity: Severity,
    times: u32,
    since: Instant,
    due: Instant,
    reason: Reason,
    text: String,
}

impl Streak {
    /// Whether users should hear of it. While pods come and go, sets change several times a second, and conflicts about them
    /// are no news before they last.
    pub fn is_told(&self) -> bool {
        let often = self.times >= TOLD_AFTER && self.severity != Severity::Conflict;
        often || self.since.elapsed() >= TOLD_WITHIN
    }

    /// What was said the last time.
    pub fn said(&self) -> (Reason, &str) {
        (self.reason, &self.text)
    }
}

/// Failures in a row, by what was tried.
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
    pub fn note(&self, tried: &str, severity: Severity, reason: Reason, text: &str) -> Streak {
        let mut state = self.0.lock();
        let (before, now) = (state.streaks.get(tried), Instant::now());
        let times = before.map_or(1, |before| before.times.saturating_add(1));
        let since = before.map_or(now, |before| before.since);
        let delay = delay(severity, times).mul_f64(rand::random_range(0.75..1.25));
        let streak = Streak { severity, times, since, due: now + delay, reason, text: text.to_owned() };
        state.streaks.insert(tried.to_owned(), streak.clone());
        streak
    }

    /// What has failed so often that it is not to be tried yet, whoever asks for a reconcile meanwhile.
    pub fn postponed(&self, tried: &str) -> Option<Streak> {
        let state = self.0.lock();
        let streak = state.streaks.get(tried)?;
        (streak.is_told() && Instant::now() < streak.due).then(|| streak.clone())
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
fn delay(severity: Severity, times: u32) -> Duration {
    let (first, longest) = severity.delays();
    first.saturating_mul(2u32.saturating_pow(times.saturating_sub(1).min(16))).min(longest)
}

#[cfg(test)]
mod tests {
    use super::{Failures, Severity, delay};
    use emqx_operator_core::reason::Reason::KubernetesRequestFailed as FAILED;
    use std::collections::BTreeSet;
    use std::time::Duration;

    #[test]
    fn delays_grow_and_end() {
        let millis = |severity, times: u32| delay(severity, times).as_millis();
        assert_eq!([1, 2, 3, 4].map(|times| millis(Severity::Conflict, times)), [100, 200, 400, 800]);
        assert_eq!([1, 2, 3].map(|times| millis(Severity::Failure, times)), [250, 500, 1000]);
        assert_eq!([1, 2, 3, 9].map(|times| millis(Severity::Refusal, times)), [30_000, 60_000, 120_000, 120_000]);
        assert_eq!(delay(Severity::Conflict, u32::MAX), Duration::from_secs(30));
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_told_after_three_attempts_or_a_minute() {
        let failures = Failures::default();
        assert!(!failures.note("a", Severity::Failure, FAILED, "no").is_told());
        assert!(!failures.note("a", Severity::Failure, FAILED, "no").is_told());
        assert!(failures.note("a", Severity::Failure, FAILED, "no").is_told());
        assert!(!failures.note("b", Severity::Failure, FAILED, "no").is_told());
        tokio::time::advance(Duration::from_secs(60)).await;
        assert!(failures.note("b", Severity::Failure, FAILED, "no").is_told());
    }

    #[tokio::test(start_paused = true)]
    async fn conflicts_are_told_when_they_last() {
        let failures = Failures::default();
        for _ in 0..9 {
            assert!(!failures.note("a", Severity::Conflict, FAILED, "changed").is_told());
        }
        tokio::time::advance(Duration::from_secs(60)).await;
        assert!(failures.note("a", Severity::Conflict, FAILED, "changed").is_told());
    }

    #[tokio::test(start_paused = true)]
    async fn what_goes_on_failing_is_sent_less_and_less_often() {
        let failures = Failures::default();
        let mut sent = 0;
        // Something else wakes the cluster ten times a second for an hour.
        for _ in 0..36_000 {
            if failures.postponed("scale").is_none() {
                failures.note("scale", Severity::Refusal, FAILED, "denied by a policy");
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
            failures.note("a", Severity::Refusal, FAILED, "no");
            failures.note("b", Severity::Refusal, FAILED, "no");
        }
        failures.retain(&BTreeSet::from(["b"]));
        assert!(failures.postponed("a").is_none());
        assert!(failures.postponed("b").is_some_and(|streak| streak.said().1 == "no"));
        failures.begin(Some(1));
        assert!(failures.postponed("b").is_some());
        failures.begin(Some(2));
        assert!(failures.postponed("b").is_none());
        assert_eq!(failures.wait(), None);
    }
}
