//! What is told of an action that was carried out: one event per thing that happened.

use crate::action::{Action, Call};
use crate::lifecycle::How;
use crate::reason::Reason;
use crate::world::Kind;

/// The event about an action. Objects that are merely kept as they should be are no news.
pub fn story(action: &Action) -> Option<(Reason, String)> {
    match action {
        Action::Scale { set, from, to } if to > from => {
            Some((Reason::ScalingUp, format!("scaling {set} from {from} to {to}")))
        }
        Action::Scale { set, from, to } => Some((Reason::ScalingDown, format!("scaling {set} from {from} to {to}"))),
        Action::Remove(permit) => {
            let cut = match permit.disconnects() {
                0 => String::new(),
                clients => format!(", which disconnects {clients} clients"),
            };
            let reason = match permit.how() {
                How::Restart => Reason::RollingUpdate,
                How::Shrink { .. } => Reason::ScalingDown,
            };
            Some((reason, format!("{permit}{cut}")))
        }
        Action::Delete { id, because, .. } if id.kind == Kind::PersistentVolumeClaim => {
            Some((*because, format!("deleting {id}, the volume of a core that was scaled away")))
        }
        Action::Delete { id, because, .. } if id.kind == Kind::StatefulSet => {
            Some((*because, format!("deleting {id}, whose cores have been replaced")))
        }
        Action::Apply { manifest, on: None, .. }
            if matches!(manifest.id.kind, Kind::StatefulSet | Kind::ReplicaSet) =>
        {
            Some((Reason::Create, format!("creating {}", manifest.id)))
        }
        Action::GrowVolume { claim, to, .. } => Some((Reason::GrowingVolume, format!("asking for {to} for {claim}"))),
        Action::Call(call) => told(call),
        Action::Create(_) | Action::Apply { .. } | Action::Annotate { .. } | Action::Delete { .. } => None,
    }
}

fn told(call: &Call) -> Option<(Reason, String)> {
    let reason = match call {
        Call::PutConfig { .. } => return None,
        Call::StartEvacuation { .. } | Call::StopEvacuation { .. } => Reason::EvacuatingSessions,
        Call::PlaceShards { .. } => Reason::DSReplicationProgressing,
        Call::ForgetSite { .. } | Call::ForceLeave { .. } => Reason::RetiringCore,
    };
    Some((reason, call.to_string()))
}
