//! Reads what a pod waits for off its status. Kubernetes says it in six places; here it becomes one reason and one
//! sentence.

use super::last_words::last_words;
use super::node::PodIssue;
use super::pull_error;
use crate::reason::Reason;
use emqx_operator_api::label;
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
/// Characters of what Kubernetes says.
const LONGEST: usize = 300;

/// What the pod waits for, when that is more than time, and how to see more or to end it.
pub(super) fn issue(pod: &Pod, now: Timestamp) -> Option<PodIssue> {
    let wait = cause(pod, now)?;
    let text = format!("{}{}", wait.text, way_out(pod, wait.reason).unwrap_or_default());
    Some(PodIssue { text, ..wait })
}

/// Where the cause does not say it itself.
fn way_out(pod: &Pod, reason: Reason) -> Option<String> {
    let name = pod.metadata.name.as_deref().unwrap_or("POD");
    let labels = pod.metadata.labels.as_ref();
    let template = match labels.and_then(|labels| labels.get(label::DB_ROLE)).map(String::as_str) {
        Some("replicant") => "spec.replicantTemplate.spec",
        _ => "spec.coreTemplate.spec",
    };
    match reason {
        Reason::Unschedulable => {
            Some(format!("; make room, or correct resources, nodeSelector, affinity or tolerations in {template}"))
        }
        Reason::ContainerConfigInvalid => Some(format!("; see `kubectl describe pod {name}`, and correct {template}")),
        Reason::NotReadyForLong => {
            Some(format!("; see `kubectl describe pod {name}` and `kubectl logs {name} --container emqx`"))
        }
        Reason::StuckTerminating => {
            Some(format!("; when it does not come back: `kubectl delete pod {name} --force --grace-period=0`"))
        }
        // These say it themselves: the image, the claim, the log.
        _ => None,
    }
}

fn cause(pod: &Pod, now: Timestamp) -> Option<PodIssue> {
    if let Some(until) = &pod.metadata.deletion_timestamp {
        return stuck(pod, until.0, now);
    }
    let status = pod.status.as_ref()?;
    let unready = condition(status, "Ready").filter(|condition| condition.status != "True");
    let since = unready.and_then(|condition| condition.last_transition_time.as_ref()).map(|time| time.0);
    waits(pod, status, now).map(|wait| PodIssue { since: wait.since.or(since), ..wait })
}

fn waits(pod: &Pod, status: &PodStatus, now: Timestamp) -> Option<PodIssue> {
    let name = pod.metadata.name.as_deref().unwrap_or("POD");
    let containers = status.init_container_statuses.iter().chain(&status.container_statuses).flatten();
    containers
        .filter_map(|container| of_container(name, container, now))
        .next()
        .or_else(|| unschedulable(status, now))
        .or_else(|| not_ready(status, now))
}

/// The time in the metadata is the one at which it should have ended.
fn stuck(pod: &Pod, until: Timestamp, now: Timestamp) -> Option<PodIssue> {
    if now.duration_since(until) < ENDING_GRACE {
        return None;
    }
    let host = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()).unwrap_or("unknown");
    let text = format!("should have ended and has not; its machine (node {host}) is probably gone or cut off");
    Some(PodIssue { reason: Reason::StuckTerminating, text, since: Some(until) })
}

fn of_container(pod: &str, container: &ContainerStatus, now: Timestamp) -> Option<PodIssue> {
    if crashes(container, now) {
        return Some(PodIssue { reason: Reason::CrashLooping, text: crash(pod, container), since: None });
    }
    let waiting = container.state.as_ref()?.waiting.as_ref()?;
    let text = waiting.message.as_deref().unwrap_or_default();
    let (reason, text) = match waiting.reason.as_deref()? {
        "ImagePullBackOff" | "ErrImagePull" | "InvalidImageName" | "ErrImageNeverPull" | "RegistryUnavailable" => {
            let cause = pull_error::cause(text, &container.image);
            let place = if container.name == "emqx" { "spec.image" } else { "the image of that container" };
            let text =
                format!("image {} cannot be pulled: {cause}; check {place} and spec.imagePullSecrets", container.image);
            (Reason::ImagePullFailed, text)
        }
        "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError" => {
            (Reason::ContainerConfigInvalid, format!("container {} cannot start: {}", container.name, sentence(text)))
        }
        "CrashLoopBackOff" => (Reason::CrashLooping, crash(pod, container)),
        _ => return None,
    };
    Some(PodIssue { reason, text, since: None })
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

/// Its last words are the end of its log, which has more.
fn crash(pod: &str, container: &ContainerStatus) -> String {
    let last = container.last_state.as_ref().and_then(|state| state.terminated.as_ref());
    let ending = last.map_or_else(String::new, |last| {
        let reason = last.reason.as_deref().unwrap_or("Error");
        let words = last.message.as_deref().and_then(last_words).map_or_else(String::new, |words| format!(": {words}"));
        format!(" ({reason}, exit code {}){words}", last.exit_code)
    });
    let (name, count) = (&container.name, container.restart_count);
    format!("container {name} has ended {count} times{ending}; see `kubectl logs {pod} --container {name} --previous`")
}

fn unschedulable(status: &PodStatus, now: Timestamp) -> Option<PodIssue> {
    let condition = condition(status, "PodScheduled").filter(|condition| condition.status == "False")?;
    let since = condition.last_transition_time.as_ref().map(|time| time.0);
    let fresh = since.is_some_and(|since| now.duration_since(since) < SCHEDULING_GRACE);
    let text = condition.message.as_deref().unwrap_or("no Kubernetes node takes the pod");
    let lower = text.to_ascii_lowercase();
    let reason = if ["volume", "storage class", "storageclass"].iter().any(|word| lower.contains(word)) {
        Reason::VolumePending
    } else {
        Reason::Unschedulable
    };
    (!fresh).then(|| PodIssue { reason, text: sentence(text), since })
}

fn not_ready(status: &PodStatus, now: Timestamp) -> Option<PodIssue> {
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
    Some(PodIssue { reason: Reason::NotReadyForLong, text: "does not get ready".to_owned(), since: Some(since) })
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

/// As Kubernetes says it, as long as a status may be.
fn sentence(text: &str) -> String {
    text.trim().trim_end_matches('.').chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::issue;
    use crate::reason::Reason;
    use jiff::{SignedDuration, Timestamp};
    use k8s_openapi::api::core::v1::Pod;
    use serde_json::{Value, json};

    fn reason(pod: Value, seconds: i64) -> Option<(Reason, String)> {
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a time");
        let pod: Pod = serde_json::from_value(pod).expect("a pod");
        issue(&pod, start + SignedDuration::from_secs(seconds)).map(|wait| (wait.reason, wait.text))
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
        assert!(
            text.contains("worker-7") && text.contains("kubectl delete pod POD --force --grace-period=0"),
            "{text}"
        );
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

    /// The kubelet keeps the end of the log of a container that says nothing of its own.
    #[test]
    fn a_crash_is_told_with_the_last_words_of_the_container() {
        let pod = json!({"metadata": {}, "status": {"containerStatuses": [{
            "name": "emqx", "image": "", "imageID": "", "ready": false, "restartCount": 3,
            "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s restarting failed container"}},
            "lastState": {"terminated": {
                "exitCode": 1, "reason": "Error", "finishedAt": "2026-01-01T00:00:00Z",
                "message": "starting\nERROR: emqx.conf is not found in /opt/emqx/etc\n",
            }},
        }]}});
        let (_, text) = reason(pod, 20).expect("it crashes");
        let expected = "container emqx has ended 3 times (Error, exit code 1): ERROR: emqx.conf is not found in \
                        /opt/emqx/etc; see `kubectl logs POD --container emqx --previous`";
        assert_eq!(text, expected);
    }

    #[test]
    fn an_image_is_named_once_with_the_cause() {
        let message =
            "failed to pull and unpack image \"r/x:1\": failed to resolve reference \"r/x:1\": r/x:1: not found";
        let pod = json!({"metadata": {}, "status": {"containerStatuses": [{
            "name": "emqx", "image": "r/x:1", "imageID": "", "ready": false, "restartCount": 0,
            "state": {"waiting": {"reason": "ErrImagePull", "message": message}},
        }]}});
        let expected = (
            Reason::ImagePullFailed,
            "image r/x:1 cannot be pulled: not found; check spec.image and spec.imagePullSecrets".to_owned(),
        );
        assert_eq!(reason(pod, 20), Some(expected));
    }

    /// Nobody has to know where to look: each of them names a command or a field of the spec.
    #[test]
    fn every_wait_names_a_command_or_a_field() {
        let waiting = |reason: &str| {
            json!({"containerStatuses": [{
                "name": "emqx", "image": "r/x:1", "imageID": "", "ready": false, "restartCount": 3,
                "state": {"waiting": {"reason": reason, "message": "no"}},
            }]})
        };
        let condition = |kind: &str, text: &str| {
            json!({"startTime": "2026-01-01T00:00:00Z", "conditions": [
                {"type": kind, "status": "False", "lastTransitionTime": "2026-01-01T00:00:00Z", "message": text},
            ]})
        };
        let rows = [
            (waiting("ErrImagePull"), Reason::ImagePullFailed, "spec.image"),
            (waiting("CreateContainerConfigError"), Reason::ContainerConfigInvalid, "kubectl describe pod iot-core-1"),
            (waiting("CrashLoopBackOff"), Reason::CrashLooping, "kubectl logs iot-core-1 --container emqx --previous"),
            (condition("PodScheduled", "0/3 nodes"), Reason::Unschedulable, "spec.coreTemplate.spec"),
            (condition("Ready", "no"), Reason::NotReadyForLong, "kubectl logs iot-core-1 --container emqx"),
        ];
        for (status, expected, way_out) in rows {
            let pod = json!({"metadata": {"name": "iot-core-1"}, "status": status});
            let (reason, text) = reason(pod, 400).expect("it waits");
            assert_eq!(reason, expected);
            assert!(text.contains(way_out), "{text}");
        }
    }
}
