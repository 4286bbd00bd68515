//! Joins the new status with the one that was written last: times stay where nothing changed, and what only EMQX knows
//! stays while EMQX does not answer.

use super::conditions::LONGEST_MESSAGE;
use super::{ConditionType, Fact, Report, Truth};
use crate::desired::Mistakes;
use crate::reason::Reason;
use crate::text::beginning;
use emqx_operator_api::hub::{EMQXStatus, EmqxNode};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

/// Whether a status has to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// It says nothing new.
    Never,
    /// It shows progress: write it when the last writing is some time ago.
    Later,
    /// It says something that users and scripts wait for.
    Now,
}

/// The status to write, and how urgent that is.
pub fn merge(report: &Report, prior: Option<&EMQXStatus>, now: Timestamp) -> (EMQXStatus, Due) {
    let mut status = report.status.clone();
    let generation = status.observed_generation;
    status.conditions = report.facts.iter().map(|fact| condition(prior, fact, generation, now)).collect();
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

/// The status of a spec that cannot be carried out: everything else stays as it was last seen.
pub fn refused(
    mistakes: &Mistakes,
    prior: Option<&EMQXStatus>,
    generation: Option<i64>,
    now: Timestamp,
) -> (EMQXStatus, Due) {
    degraded(mistakes.reason(), &mistakes.to_string(), Truth::False, prior, generation, now)
}

/// The status of a resource that the operator could not look at to the end. Its nodes may well be as the spec says.
pub fn failed(
    reason: Reason,
    message: &str,
    prior: Option<&EMQXStatus>,
    generation: Option<i64>,
    now: Timestamp,
) -> (EMQXStatus, Due) {
    degraded(reason, message, Truth::Unknown, prior, generation, now)
}

fn degraded(
    reason: Reason,
    message: &str,
    ready: Truth,
    prior: Option<&EMQXStatus>,
    generation: Option<i64>,
    now: Timestamp,
) -> (EMQXStatus, Due) {
    let mut status = prior.cloned().unwrap_or_default();
    status.observed_generation = generation;
    let fact = |kind, truth| Fact { kind, truth, reason, message: message.to_owned() };
    let said = |kind, truth| condition(prior, &fact(kind, truth), generation, now);
    let mut conditions = vec![said(ConditionType::Ready, ready), said(ConditionType::Degraded, Truth::True)];
    let replaced = [ConditionType::Ready.as_str(), ConditionType::Degraded.as_str()];
    conditions.extend(status.conditions.drain(..).filter(|old| !replaced.contains(&old.type_.as_str())));
    status.conditions = conditions;
    let due = due(prior, &status);
    (status, due)
}

fn kept(prior: &[EmqxNode], pods: i32) -> Vec<EmqxNode> {
    if pods == 0 { Vec::new() } else { prior.to_vec() }
}

fn condition(prior: Option<&EMQXStatus>, fact: &Fact, generation: Option<i64>, now: Timestamp) -> Condition {
    let (kind, status) = (fact.kind.as_str(), fact.truth.as_str());
    let before = prior.and_then(|prior| prior.conditions.iter().find(|old| old.type_ == kind));
    let since = before.filter(|old| old.status == status).map_or(Time(now), |old| old.last_transition_time.clone());
    Condition {
        type_: kind.to_owned(),
        status: status.to_owned(),
        reason: fact.reason.as_str().to_owned(),
        message: beginning(&fact.message, LONGEST_MESSAGE).into_owned(),
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
    // That EMQX has failed to answer once is not shown for longer than it was so.
    let answers_again = says(prior, Reason::RequestFailed) && says(status, Reason::RequestSucceeded);
    if weighty(prior) == weighty(status) && !answers_again { Due::Later } else { Due::Now }
}

/// Numbers that change all the time are no reason to write; they are in the metrics.
fn without_volatile(status: &EMQXStatus) -> EMQXStatus {
    let mut status = status.clone();
    for node in status.core_nodes.iter_mut().chain(&mut status.replicant_nodes).chain(&mut status.cluster_nodes) {
        node.sessions = None;
        node.connections = None;
    }
    status
}

/// What users and scripts wait for: a new generation seen, Ready, and trouble.
fn weighty(status: &EMQXStatus) -> (Option<i64>, Vec<(&str, &str, &str)>) {
    let kinds = [ConditionType::Ready, ConditionType::Paused, ConditionType::Degraded].map(ConditionType::as_str);
    let conditions = status
        .conditions
        .iter()
        .filter(|condition| kinds.contains(&condition.type_.as_str()))
        .map(|condition| {
            // While it is not ready, why not is progress.
            let reason = if condition.type_ == "Ready" { "" } else { condition.reason.as_str() };
            (condition.type_.as_str(), condition.status.as_str(), reason)
        })
        .collect();
    (status.observed_generation, conditions)
}

#[cfg(test)]
mod tests {
    use super::{Condition, ConditionType, Due, EMQXStatus, Time, due};
    use jiff::Timestamp;

    /// Ready and EMQXAPIAvailable, each with a status and a reason.
    fn status(ready: (&str, &str), api: (&str, &str)) -> EMQXStatus {
        let condition = |kind: ConditionType, (status, reason): (&str, &str)| Condition {
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
        const NOBODY: (&str, &str) = ("False", "NoRequester");
        let rows = [
            (status(ROLLING, ANSWERS), status(ROLLING, ANSWERS), Due::Never),
            (status(ROLLING, ANSWERS), status(("False", "CoreNodesProgressing"), ANSWERS), Due::Later),
            (status(ROLLING, ANSWERS), status(("True", "Ready"), ANSWERS), Due::Now),
            (status(ROLLING, ANSWERS), status(ROLLING, SILENT), Due::Later),
            (status(ROLLING, SILENT), status(ROLLING, ANSWERS), Due::Now),
            (status(ROLLING, NOBODY), status(ROLLING, ANSWERS), Due::Later),
        ];
        for (prior, now, expected) in rows {
            assert_eq!(due(Some(&prior), &now), expected, "{:?} after {:?}", now.conditions, prior.conditions);
        }
        assert_eq!(due(None, &status(ROLLING, ANSWERS)), Due::Now);
    }
}
