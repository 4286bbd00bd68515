//! A step from one release of EMQX to another that loses something, or that EMQX does not support, is held before the first pod
//! is changed. It is told what would be lost, and by which annotation a user consents to exactly this step.
//!
//! *Never* holds what has begun: while nodes of both releases are in the cluster, both ways out are open. Nor what the operator
//! does by itself when it goes back to what last worked, nor an image whose tag is of a numbering of its own, as mirrors have it.

use crate::lifecycle::facts::topology::Topology;
use crate::lifecycle::facts::upgrade::Upgrade;
use crate::lifecycle::{Part, Wake};
use crate::reason::Reason;
use emqx_operator_api::annotation::UPGRADE_CONSENT;

pub(in crate::lifecycle) fn plan(topology: &Topology<'_>) -> Part {
    let mut part = Part::default();
    let resource = &topology.desired.owner.name;
    match &topology.upgrade {
        Upgrade::Goes => {}
        Upgrade::Untold { step } => {
            let text = format!("{step}: this step is not in EMQX's table of upgrades that the operator knows");
            part.hold(Reason::UpgradeUnknown, "spec.image", text, Wake::Watch);
        }
        Upgrade::Asking { step } => {
            let text =
                format!("{step}: EMQX has to be asked first whether durable storage is in use, which would be lost");
            part.hold(Reason::NoRequester, "spec.image", text, Wake::Poll(5));
        }
        Upgrade::Held { step, why } => {
            part.troubles(&topology.world.cores.sets, &topology.world.cores.nodes);
            part.troubles(&topology.world.replicants.sets, &topology.world.replicants.nodes);
            let text = format!(
                "{step} is held, and no node is changed: {why}. Set spec.image back, or consent to this step: kubectl annotate \
                 emqx {resource} {UPGRADE_CONSENT}='{step}'"
            );
            part.hold(Reason::UpgradeNotSupported, "spec.image", text, Wake::Poll(30));
        }
    }
    part
}
