//! The rules of the lease, as in client-go.
//!
//! Clocks of other machines are not trusted: a holder counts as gone when *this process* has not seen the lease change for as
//! long as it is valid. The times in the lease are for users.

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use std::time::{Duration, Instant};

/// What to do with the lease now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// This process holds the lease: renew it.
    Renew,
    /// The lease has no holder, or its holder is gone: take it.
    Take,
    /// Another process holds the lease.
    Wait,
}

/// The last observed change of the lease.
#[derive(Debug, Default)]
pub struct ObservedLease {
    version: Option<String>,
    at: Option<Instant>,
}

impl ObservedLease {
    /// Takes in the current lease, and says what to do.
    pub fn next(&mut self, lease: &Lease, identity: &str, now: Instant) -> Step {
        let version = lease.metadata.resource_version.clone();
        if version.is_none() || version != self.version {
            (self.version, self.at) = (version, Some(now));
        }
        let spec = lease.spec.clone().unwrap_or_default();
        let holder = spec.holder_identity.unwrap_or_default();
        if holder == identity {
            return Step::Renew;
        }
        let valid = Duration::from_secs(spec.lease_duration_seconds.and_then(|s| u64::try_from(s).ok()).unwrap_or(0));
        let silent = self.at.map_or(Duration::ZERO, |at| now.duration_since(at));
        if holder.is_empty() || silent >= valid { Step::Take } else { Step::Wait }
    }
}

/// The lease with this process as its holder.
pub fn held(before: Option<&LeaseSpec>, identity: &str, valid: Duration, now: jiff::Timestamp) -> LeaseSpec {
    let before = before.cloned().unwrap_or_default();
    let ours = before.holder_identity.as_deref() == Some(identity);
    let transitions = before.lease_transitions.unwrap_or(0);
    LeaseSpec {
        holder_identity: Some(identity.to_owned()),
        lease_duration_seconds: i32::try_from(valid.as_secs()).ok(),
        acquire_time: before.acquire_time.filter(|_| ours).or(Some(MicroTime(now))),
        renew_time: Some(MicroTime(now)),
        lease_transitions: Some(if ours { transitions } else { transitions + 1 }),
        ..LeaseSpec::default()
    }
}

/// The lease without a holder. Other processes may take it at once.
pub fn released(before: &LeaseSpec, now: jiff::Timestamp) -> LeaseSpec {
    LeaseSpec {
        holder_identity: Some(String::new()),
        lease_duration_seconds: Some(1),
        acquire_time: before.acquire_time.clone(),
        renew_time: Some(MicroTime(now)),
        lease_transitions: before.lease_transitions,
        ..LeaseSpec::default()
    }
}

#[cfg(test)]
mod tests {
    use super::{ObservedLease, Step, held, released};
    use jiff::Timestamp;
    use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
    use std::time::{Duration, Instant};

    const VALID: Duration = Duration::from_secs(15);

    fn lease(version: &str, spec: LeaseSpec) -> Lease {
        let mut lease = Lease { spec: Some(spec), ..Lease::default() };
        lease.metadata.resource_version = Some(version.to_owned());
        lease
    }

    /// As a holder writes it whose clock is so many hours off.
    fn theirs(version: &str, hours: i64) -> Lease {
        let now = Timestamp::now() + jiff::SignedDuration::from_hours(hours);
        lease(version, held(None, "other", VALID, now))
    }

    #[test]
    fn a_holder_that_renews_keeps_it_whatever_its_clock_says() {
        for hours in [-24, 0, 24] {
            let (mut seen, start) = (ObservedLease::default(), Instant::now());
            for round in 0..20 {
                let now = start + Duration::from_secs(10 * round);
                assert_eq!(seen.next(&theirs(&round.to_string(), hours), "me", now), Step::Wait, "{hours} h off");
            }
        }
    }

    #[test]
    fn a_holder_that_is_silent_loses_it_whatever_its_clock_says() {
        for hours in [-24, 0, 24] {
            let (mut seen, start) = (ObservedLease::default(), Instant::now());
            let lease = theirs("1", hours);
            assert_eq!(seen.next(&lease, "me", start), Step::Wait);
            assert_eq!(seen.next(&lease, "me", start + Duration::from_secs(14)), Step::Wait);
            assert_eq!(seen.next(&lease, "me", start + VALID), Step::Take);
        }
    }

    #[test]
    fn a_lease_that_was_given_back_is_free_at_once() {
        let spec = released(&held(None, "other", VALID, Timestamp::now()), Timestamp::now());
        assert_eq!(ObservedLease::default().next(&lease("1", spec), "me", Instant::now()), Step::Take);
    }

    #[test]
    fn our_own_lease_is_renewed_and_counts_no_transition() {
        let mine = held(None, "me", VALID, Timestamp::now());
        let taken_at = mine.acquire_time.clone();
        assert_eq!(ObservedLease::default().next(&lease("1", mine.clone()), "me", Instant::now()), Step::Renew);
        let renewed = held(Some(&mine), "me", VALID, Timestamp::now());
        assert_eq!((renewed.lease_transitions, &renewed.acquire_time), (Some(1), &taken_at));
        assert_eq!(held(Some(&mine), "other", VALID, Timestamp::now()).lease_transitions, Some(2));
    }
}
