//! Joins the new status with the last written status: transition times stay where no condition changed, and the lists
//! that only EMQX knows stay while EMQX does not answer.

use super::conditions::LONGEST_MESSAGE;
use super::{Condition, ConditionStatus, ConditionType, Report};
use crate::desired::Mistakes;
use crate::reason::Reason;
use crate::text::beginning;
use emqx_operator_api::hub::{EMQXStatus, EmqxNode};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{self as meta, Time};

/// Whether a status has to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// The status says nothing new.
    Never,
    /// The status shows progress: write it when the last write is some time ago.
    Later,
    /// The status says something that users and scripts wait for.
    Now,
}

/// The status to write, and how urgent that is.
pub fn merge(report: &Report, prior: Option<&EMQXStatus>, now: Timestamp) -> (EMQXStatus, Due) {
    let mut status = report.status.clone();
    let generation = status.observed_generation;
    status.conditions = report.conditions.iter().map(|new| with_time(new, prior, generation, now)).collect();
    if let Some(prior) = prior.filter(|_| !report.nodes_known) {
        status.core_nodes = kept(&prior.core_nodes, report.status.core_replicas);
        status.replicant_nodes = kept(&prior.replicant_nodes, report.status.replicant_replicas);
        let all = report.status.core_replicas.saturating_add(report.status.replicant_replicas);
        status.cluster_nodes = kept(&prior.cluster_nodes, all);
        status.version = prior.version.clone();
        status.node_evacuations = prior.node_evacuations.clone();
        status.ds_replication = prior.ds_replication.clone();
    }
    let due = due(prior, &status);
    (status, due)
}

/// The status of a spec that is refused: all other conditions and lists stay as they were last seen.
pub fn refused(
    mistakes: &Mistakes,
    prior: Option<&EMQXStatus>,
    generation: Option<i64>,
    now: Timestamp,
) -> (EMQXStatus, Due) {
    degraded(mistakes.reason(), &mistakes.to_string(), ConditionStatus::False, prior, generation, now)
}

/// The status of a resource whose reconcile failed. Its nodes may well be as the spec says.
pub fn failed(
    reason: Reason,
    message: &str,
    prior: Option<&EMQXStatus>,
    generation: Option<i64>,
    now: Timestamp,
) -> (EMQXStatus, Due) {
    degraded(reason, message, ConditionStatus::Unknown, prior, generation, now)
}

fn degraded(
    reason: Reason,
    message: &str,
    ready: ConditionStatus,
    prior: Option<&EMQXStatus>,
    generation: Option<i64>,
    now: Timestamp,
) -> (EMQXStatus, Due) {
    let mut status = prior.cloned().unwrap_or_default();
    status.observed_generation = generation;
    let condition = |kind, status| {
        let new = Condition { kind, status, reason, message: message.to_owned() };
        with_time(&new, prior, generation, now)
    };
    let mut conditions =
        vec![condition(ConditionType::Ready, ready), condition(ConditionType::Degraded, ConditionStatus::True)];
    let replaced = [ConditionType::Ready.as_str(), ConditionType::Degraded.as_str()];
    conditions.extend(status.conditions.drain(..).filter(|old| !replaced.contains(&old.type_.as_str())));
    status.conditions = conditions;
    let due = due(prior, &status);
    (status, due)
}

fn kept(prior: &[EmqxNode], pods: i32) -> Vec<EmqxNode> {
    if pods == 0 { Vec::new() } else { prior.to_vec() }
}

/// The condition as Kubernetes stores it. Its transition time changes only with its status.
fn with_time(
    condition: &Condition,
    prior: Option<&EMQXStatus>,
    generation: Option<i64>,
    now: Timestamp,
) -> meta::Condition {
    let (kind, status) = (condition.kind.as_str(), condition.status.as_str());
    let before = prior.and_then(|prior| prior.conditions.iter().find(|old| old.type_ == kind));
    let since = before.filter(|old| old.status == status).map_or(Time(now), |old| old.last_transition_time.clone());
    meta::Condition {
        type_: kind.to_owned(),
        status: status.to_owned(),
        reason: condition.reason.as_str().to_owned(),
        message: beginning(&condition.message, LONGEST_MESSAGE).into_owned(),
        last_transition_time: since,
        observed_generation: generation,
    }
}

fn due(prior: Option<&EMQXStatus>, status: &EMQXStatus) -> Due {
    let Some(prior) = prior else { return Due::Now };
    if without_volatile(prior) == without_volatile(status) {
        return Due::Never;
    }
    let says = |status: &EMQXStatus, reason: Reason| {
        let kind = ConditionType::EMQXAPIAvailable.as_str();
        status.conditions.iter().any(|condition| condition.type_ == kind && condition.reason == reason.as_str())
    };
    // A single request that EMQX failed to answer is not shown for longer than it lasted.
    let answers_again = says(prior, Reason::RequestFailed) && says(status, Reason::RequestSucceeded);
    if awaited_by_users(prior) == awaited_by_users(status) && !answers_again { Due::Later } else { Due::Now }
}

/// Counts of sessions and connections change all the time and cause no write; they are in the metrics.
fn without_volatile(status: &EMQXStatus) -> EMQXStatus {
    let mut status = status.clone();
    for node in status.core_nodes.iter_mut().chain(&mut status.replicant_nodes).chain(&mut status.cluster_nodes) {
        node.sessions = None;
        node.connections = None;
    }
    status
}

/// What users and scripts wait for: the observed generation, Ready, Paused and Degraded.
fn awaited_by_users(status: &EMQXStatus) -> (Option<i64>, Vec<(&str, &str, &str)>) {
    let kinds = [ConditionType::Ready, ConditionType::Paused, ConditionType::Degraded].map(ConditionType::as_str);
    let conditions = status
        .conditions
        .iter()
        .filter(|condition| kinds.contains(&condition.type_.as_str()))
        .map(|condition| {
            // While Ready is False, a change of its reason is progress.
            let reason = if condition.type_ == "Ready" { "" } else { condition.reason.as_str() };
            (condition.type_.as_str(), condition.status.as_str(), reason)
        })
        .collect();
    (status.observed_generation, conditions)
}

#[cfg(test)]
mod tests {
    use super::{ConditionType, Due, EMQXStatus, Time, due, meta};
    use jiff::Timestamp;

    /// Ready and EMQXAPIAvailable, each with a status and a reason.
    fn status(ready: (&str, &str), api: (&str, &str)) -> EMQXStatus {
        let condition = |kind: ConditionType, (status, reason): (&str, &str)| meta::Condition {
            type_: kind.as_str().to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message: String::new(),
            last_transition_time: Time(Timestamp::UNIX_EPOCH),
            observed_generation: Some(1),
        };
        let conditions = vec![condition(ConditionType::Ready, ready), condition(ConditionType::EMQXAPIAvailable, api)];
        EMQXStatus { observed_generation: Some(1), conditions, ..EMQXStatus::default() }
    }

    #[test]
    fn what_users_wait_for_is_written_at_once() {
        const ROLLING: (&str, &str) = ("False", "RollingUpdate");
        const ANSWERS: (&str, &str) = ("True", "RequestSucceeded");
        const SILENT: (&str, &str) = ("False", "RequestFailed");
        /// As while the first nodes start.
        const NO_CORE: (&str, &str) = ("False", "NoRequester");
        let rows = [
            (status(ROLLING, ANSWERS), status(ROLLING, ANSWERS), Due::Never),
            (status(ROLLING, ANSWERS), status(("False", "CoreNodesProgressing"), ANSWERS), Due::Later),
            (status(ROLLING, ANSWERS), status(("True", "Ready"), ANSWERS), Due::Now),
            (status(ROLLING, ANSWERS), status(ROLLING, SILENT), Due::Later),
            (status(ROLLING, SILENT), status(ROLLING, ANSWERS), Due::Now),
            (status(ROLLING, NO_CORE), status(ROLLING, ANSWERS), Due::Later),
        ];
        for (prior, now, expected) in rows {
            assert_eq!(due(Some(&prior), &now), expected, "{:?} after {:?}", now.conditions, prior.conditions);
        }
        assert_eq!(due(None, &status(ROLLING, ANSWERS)), Due::Now);
    }
}
