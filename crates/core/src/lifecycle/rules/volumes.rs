//! Volumes of cores grow in place when the spec asks for more. They never shrink: data may be on any part of them. A failed
//! expansion may be retried with a smaller size.

use crate::action::Action;
use crate::desired::Role;
use crate::lifecycle::facts::topology::Topology;
use crate::lifecycle::{Part, Wake};
use crate::quantity::Amount;
use crate::reason::Reason;
use crate::text::quoted;
use crate::world::ObjectVersion;
use crate::world::{Claim, Kind, ObjectId};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use std::borrow::Cow;
use std::cmp::Ordering;

pub(in crate::lifecycle) fn plan(topology: &Topology<'_>) -> Part {
    let mut part = Part::default();
    let requests = topology.desired.volume.claim.resources.as_ref().and_then(|resources| resources.requests.as_ref());
    let Some(wanted) = requests.and_then(|requests| requests.get("storage")) else { return part };
    let mut smaller = Vec::new();
    for claim in topology.world.claims.iter().filter(|claim| stays(topology, claim)) {
        match compare(Some(wanted), claim.storage.as_ref()) {
            Some(Ordering::Greater) => part.actions.push(ask(claim, wanted)),
            Some(Ordering::Less) if could_not_be_had(claim, wanted) => part.actions.push(ask(claim, wanted)),
            Some(Ordering::Less) => {
                smaller.push(claim);
                continue;
            }
            Some(Ordering::Equal) | None => {}
        }
        if let Some(error) = error_of(claim) {
            let text = format!(
                "could not be made larger than {}: {error}; see `kubectl describe pvc {}`, or ask for less in \
                 spec.coreTemplate.spec.persistentVolumeClaimSpec.resources",
                text_of(claim.capacity.as_ref()),
                claim.name
            );
            part.hold(Reason::VolumeNotGrown, claim.name.clone(), text, Wake::Watch);
        }
    }
    if let Some(claim) = smaller.first() {
        let subject = "spec.coreTemplate.spec.persistentVolumeClaimSpec.resources";
        let (has, claimed) = (text_of(claim.capacity.as_ref()), text_of(claim.storage.as_ref()));
        let wanted = text_of(Some(wanted));
        let text = match error_of(claim) {
            Some(error) => format!(
                "asks for {wanted}; {} has {has} and failed to get {claimed} ({error}), and Kubernetes takes that back only for \
                 more than {has}",
                claim.name
            ),
            None => {
                format!(
                    "asks for {wanted}, and {} asks for {claimed}; volumes are never made smaller. Set it to {claimed} or more",
                    claim.name
                )
            }
        };
        part.hold(Reason::VolumeImmutable, subject, text, Wake::Watch);
    }
    part
}

fn ask(claim: &Claim, wanted: &Quantity) -> Action {
    Action::GrowVolume {
        claim: ObjectId { kind: Kind::PersistentVolumeClaim, name: claim.name.clone() },
        on: ObjectVersion { uid: claim.uid.clone(), resource_version: claim.resource_version.clone() },
        to: wanted.0.clone(),
    }
}

/// The volume has less than is wanted now, and could not be given what was wanted before.
fn could_not_be_had(claim: &Claim, wanted: &Quantity) -> bool {
    let larger = compare(Some(wanted), claim.capacity.as_ref()) == Some(Ordering::Greater);
    error_of(claim).is_some() && larger
}

/// An old error can be left when the volume has grown after all.
fn error_of(claim: &Claim) -> Option<&str> {
    let short = compare(claim.capacity.as_ref(), claim.storage.as_ref()) == Some(Ordering::Less);
    claim.resize_error.as_deref().filter(|_| short)
}

fn text_of(quantity: Option<&Quantity>) -> Cow<'_, str> {
    quantity.map_or("an unknown size".into(), |quantity| quoted(&quantity.0))
}

/// A volume of a core that there is or should be. A claim without one cannot be changed.
fn stays(topology: &Topology<'_>, claim: &Claim) -> bool {
    let used = topology.target_set(Role::Core).is_some_and(|set| set.name == claim.set && claim.ordinal < set.wanted);
    used && claim.may_hold_data && !claim.terminating
}

fn compare(a: Option<&Quantity>, b: Option<&Quantity>) -> Option<Ordering> {
    let amount = |quantity: &Quantity| Amount::parse(&quantity.0);
    Some(amount(a?)?.cmp(&amount(b?)?))
}
