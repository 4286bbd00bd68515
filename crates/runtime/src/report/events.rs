//! Events: one per action that was carried out, and one per change of the conditions Degraded and Ready.

use crate::clusters::Cluster;
use crate::context::Context;
use crate::resource::StoredEmqx;
use emqx_operator_api::GROUP;
use emqx_operator_api::hub::EMQXStatus;
use emqx_operator_core::reason::Severity;
use emqx_operator_core::status::EventText;
use emqx_operator_core::world::ObjectId;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::runtime::events::{Event, EventType};

/// Kubernetes refuses notes of more than 1024 bytes.
const LONGEST_NOTE: usize = 1000;

/// Publishes events about carried-out actions, a new `Degraded` reason, and `Ready`.
pub async fn announce(
    ctx: &Context,
    cluster: &Cluster,
    resource: &StoredEmqx,
    prior: Option<&EMQXStatus>,
    status: &EMQXStatus,
    done: &[EventText],
) {
    let key = &cluster.key;
    let mut events = Vec::new();
    for EventText { reason, text, about, action } in done {
        let kind = if reason.severity() == Severity::Trouble { EventType::Warning } else { EventType::Normal };
        let event = (kind, reason.as_str().to_owned(), text.clone());
        events.push((event, about.as_ref(), action.as_str()));
    }
    if let Some(degraded) = appeared(prior, status, "Degraded") {
        events.push(((EventType::Warning, degraded.reason.clone(), degraded.message.clone()), None, "Reconcile"));
    }
    if let Some(ready) = appeared(prior, status, "Ready") {
        events.push(((EventType::Normal, ready.reason.clone(), ready.message.clone()), None, "Reconcile"));
    }
    let reference = ObjectReference {
        api_version: Some(format!("{GROUP}/v3beta1")),
        kind: Some("EMQX".to_owned()),
        name: Some(key.name.clone()),
        namespace: Some(key.namespace.clone()),
        uid: resource.metadata.uid.clone(),
        ..ObjectReference::default()
    };
    let related = |id: &ObjectId| ObjectReference {
        api_version: Some(id.kind.api_version()),
        kind: Some(id.kind.as_str().to_owned()),
        name: Some(id.name.clone()),
        namespace: Some(key.namespace.clone()),
        ..ObjectReference::default()
    };
    for ((type_, reason, note), about, action) in events {
        let note = cut(&note);
        let event = Event { type_, reason, note: Some(note), action: action.to_owned(), secondary: about.map(related) };
        if let Err(error) = ctx.recorder.publish(&event, &reference).await {
            tracing::warn!(%error, cluster = %key, reason = event.reason, "failed to publish an event");
        }
    }
}

/// What fits into a note: its limit is in bytes.
fn cut(note: &str) -> String {
    note[..note.floor_char_boundary(LONGEST_NOTE)].to_owned()
}

/// The condition, if it is True now and was not True, or had another reason.
fn appeared<'a>(prior: Option<&EMQXStatus>, status: &'a EMQXStatus, kind: &str) -> Option<&'a Condition> {
    let find = |status: &'a EMQXStatus| status.conditions.iter().find(|c| c.type_ == kind && c.status == "True");
    let now = find(status)?;
    let before = prior.and_then(|prior| prior.conditions.iter().find(|c| c.type_ == kind && c.status == "True"));
    before.is_none_or(|before| before.reason != now.reason).then_some(now)
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn a_note_fits_whatever_its_letters() {
        assert_eq!(cut("short"), "short");
        for letter in ["a", "…", "鍵"] {
            let note = cut(&letter.repeat(2000));
            assert!(note.len() <= 1000 && note.len() > 990 && note.ends_with(letter), "{letter}");
        }
    }
}
