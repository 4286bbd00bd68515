//! Reads what a pod waits for off its status. Kubernetes says it in six places; here it becomes one reason and one
//! sentence.

use super::node::Wait;
use crate::reason::Reason;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{ContainerStatus, Pod, PodCondition, PodStatus};

/// A fresh pod is often unschedulable for moments, while its volume is being made.
const SCHEDULING_GRACE: SignedDuration = SignedDuration::from_secs(10);
/// EMQX needs some seconds to boot; cores wait for peers, replicants for cores.
const READY_GRACE: SignedDuration = SignedDuration::from_mins(3);

/// The kubelet has killed what has not ended in its time, and needs some time to say so.
const ENDING_GRACE: SignedDuration = SignedDuration::from_mins(1);
/// A container that has crashed again and again is not well when it has run for a moment.
const CALM: SignedDuration = SignedDuration::from_mins(10);

/// What the pod waits for, when that is more than time.
pub(super) fn wait(pod: &Pod, now: Timestamp) -> Option<Wait> {
    if let Some(until) = &pod.metadata.deletion_timestamp {
        return stuck(pod, until.0, now);
    }
    let status = pod.status.as_ref()?;
    let unready = condition(status, "Ready").filter(|condition| condition.status != "True");
    let since = unready.and_then(|condition| condition.last_transition_time.as_ref()).map(|time| time.0);
    waits(status, now).map(|wait| Wait { since: wait.since.or(since), ..wait })
}

fn waits(status: &PodStatus, now: Timestamp) -> Option<Wait> {
    let containers = status.init_container_statuses.iter().chain(&status.container_statuses).flatten();
    containers
        .filter_map(|container| of_container(container, now))
        .next()
        .or_else(|| unschedulable(status, now))
        .or_else(|| not_ready(status, now))
}

/// The time in the metadata is the one at which it should have ended.
fn stuck(pod: &Pod, until: Timestamp, now: Timestamp) -> Option<Wait> {
    if now.duration_since(until) < ENDING_GRACE {
        return None;
    }
    let host = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()).unwrap_or("unknown");
    let text = format!(
        "should have ended and has not; when its machine (node {host}) does not come back, delete the pod with --force \
         --grace-period=0"
    );
    Some(Wait { reason: Reason::StuckTerminating, text, since: Some(until) })
}

fn of_container(container: &ContainerStatus, now: Timestamp) -> Option<Wait> {
    if crashes(container, now) {
        return Some(Wait { reason: Reason::CrashLooping, text: crash(container), since: None });
    }
    let waiting = container.state.as_ref()?.waiting.as_ref()?;
    let text = waiting.message.as_deref().unwrap_or_default();
    let (reason, text) = match waiting.reason.as_deref()? {
        "ImagePullBackOff" | "ErrImagePull" | "InvalidImageName" | "ErrImageNeverPull" | "RegistryUnavailable" => {
            (Reason::ImagePullFailed, format!("image {} cannot be pulled: {}", container.image, sentence(text)))
        }
        "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError" => {
            (Reason::ContainerConfigInvalid, format!("container {} cannot start: {}", container.name, sentence(text)))
        }
        "CrashLoopBackOff" => (Reason::CrashLooping, crash(container)),
        _ => return None,
    };
    Some(Wait { reason, text, since: None })
}

/// It runs between two crashes.
fn crashes(container: &ContainerStatus, now: Timestamp) -> bool {
    let running = container.state.as_ref().is_some_and(|state| state.running.is_some());
    running && !container.ready && has_crashed(container, now)
}

/// Again and again, and lately.
fn has_crashed(container: &ContainerStatus, now: Timestamp) -> bool {
    let last = container.last_state.as_ref().and_then(|state| state.terminated.as_ref());
    let ended = last.and_then(|last| last.finished_at.as_ref());
    container.restart_count >= 2 && ended.is_some_and(|ended| now.duration_since(ended.0) < CALM)
}

/// Whether a container has crashed again and again lately.
pub(super) fn is_unsteady(pod: &Pod, now: Timestamp) -> bool {
    let containers = pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten());
    containers.into_iter().any(|container| has_crashed(container, now))
}

fn crash(container: &ContainerStatus) -> String {
    let last = container.last_state.as_ref().and_then(|state| state.terminated.as_ref());
    let ending = last.map_or_else(String::new, |last| {
        let reason = last.reason.as_deref().unwrap_or("Error");
        format!(" ({reason}, exit code {})", last.exit_code)
    });
    format!("container {} has ended {} times{ending}", container.name, container.restart_count)
}

fn unschedulable(status: &PodStatus, now: Timestamp) -> Option<Wait> {
    let condition = condition(status, "PodScheduled").filter(|condition| condition.status == "False")?;
    let since = condition.last_transition_time.as_ref().map(|time| time.0);
    let fresh = since.is_some_and(|since| now.duration_since(since) < SCHEDULING_GRACE);
    let text = condition.message.as_deref().unwrap_or("no Kubernetes node takes the pod");
    let reason = if text.contains("PersistentVolumeClaim") || text.contains("volume") {
        Reason::VolumePending
    } else {
        Reason::Unschedulable
    };
    (!fresh).then(|| Wait { reason, text: sentence(text), since })
}

fn not_ready(status: &PodStatus, now: Timestamp) -> Option<Wait> {
    let readiness = condition(status, "Ready");
    if readiness.is_some_and(|condition| condition.status == "True") {
        return None;
    }
    let changed = readiness.and_then(|condition| condition.last_transition_time.as_ref());
    let started = status.start_time.as_ref()?;
    let since = changed.unwrap_or(started).0;
    if now.duration_since(since) < READY_GRACE {
        return None;
    }
    Some(Wait {
        reason: Reason::NotReadyForLong,
        text: "does not get ready; see `kubectl describe pod` and its log".to_owned(),
        since: Some(since),
    })
}

/// Whether the pod has never been ready. The kubelet writes the condition when it first sees the pod, and its time
/// changes when it gets ready; so one that is false and as old as that has always been so.
pub(super) fn never_ready(pod: &Pod) -> bool {
    let Some(status) = pod.status.as_ref() else { return true };
    let (Some(ready), Some(start)) = (condition(status, "Ready"), status.start_time.as_ref()) else { return true };
    let changed = ready.last_transition_time.as_ref().map_or(start.0, |time| time.0);
    ready.status != "True" && changed.duration_since(start.0) <= SignedDuration::from_secs(1)
}

/// When a wait that is not yet one would become one; the plan looks again then.
pub(super) fn condition<'a>(status: &'a PodStatus, kind: &str) -> Option<&'a PodCondition> {
    status.conditions.iter().flatten().find(|condition| condition.type_ == kind)
}

/// The part of a message that stays the same while it is repeated. The kubelet alternates between an error and its
/// "back-off", and quotes addresses of sockets that are others every time.
fn sentence(text: &str) -> String {
    let text = text.trim().trim_end_matches('.');
    let cause = text.strip_prefix("Back-off pulling image ").map_or(text, |rest| {
        rest.split_once(": ").map_or("the registry does not have it, or refuses it", |(_, cause)| cause)
    });
    let cause = cause.trim_start_matches("ErrImagePull: ").split(": dial tcp").next().unwrap_or_default();
    cause.chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::{sentence, wait};
    use crate::reason::Reason;
    use jiff::{SignedDuration, Timestamp};
    use k8s_openapi::api::core::v1::Pod;
    use serde_json::{Value, json};

    fn reason(pod: Value, seconds: i64) -> Option<(Reason, String)> {
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a time");
        let pod: Pod = serde_json::from_value(pod).expect("a pod");
        wait(&pod, start + SignedDuration::from_secs(seconds)).map(|wait| (wait.reason, wait.text))
    }

    /// Its machine is gone: the time in the metadata is the one at which it should have ended.
    #[test]
    fn a_pod_that_does_not_end_is_named_with_its_machine() {
        let pod = json!({
            "metadata": {"deletionTimestamp": "2026-01-01T00:02:00Z"},
            "spec": {"nodeName": "worker-7", "containers": []},
            "status": {"conditions": [{"type": "Ready", "status": "False", "lastTransitionTime": "2025-12-31T00:00:00Z"}]},
        });
        assert_eq!(reason(pod.clone(), 60), None, "it has time to end");
        assert_eq!(reason(pod.clone(), 170), None, "the kubelet is about to say so");
        let (reason, text) = reason(pod, 180).expect("it is late");
        assert_eq!(reason, Reason::StuckTerminating);
        assert!(text.contains("worker-7"), "{text}");
    }

    /// Between two crashes it runs for a moment; that is not another story each time.
    #[test]
    fn a_container_that_crashes_again_and_again_does_so_while_it_runs() {
        let pod = |ready: bool, count: i32| {
            json!({"metadata": {}, "status": {"containerStatuses": [{
                "name": "emqx", "image": "", "imageID": "", "ready": ready, "restartCount": count,
                "state": {"running": {"startedAt": "2026-01-01T00:00:01Z"}},
                "lastState": {"terminated": {"exitCode": 1, "reason": "Error", "finishedAt": "2026-01-01T00:00:00Z"}},
            }]}})
        };
        assert_eq!(reason(pod(false, 3), 20).map(|found| found.0), Some(Reason::CrashLooping));
        assert_eq!(reason(pod(true, 3), 20), None, "it serves");
        assert_eq!(reason(pod(false, 1), 20), None, "once may happen");
        assert_eq!(reason(pod(false, 3), 700).map(|found| found.0), None, "that was long ago");
    }

    #[test]
    fn an_error_and_its_back_off_read_the_same() {
        let error =
            "failed to pull \"r/x:1\": failed to do request: dial tcp: lookup r: read udp 10.0.0.1:4119->10.0.0.2:53";
        let back_off = format!("Back-off pulling image \"r/x:1\": ErrImagePull: {error}");
        assert_eq!(sentence(error), "failed to pull \"r/x:1\": failed to do request");
        assert_eq!(sentence(&back_off), sentence(error));
    }
}
