//! EMQX 5.9 and later makes clusters of more than one node with a license only. Without one a node joins and ends again, for
//! ever; what it has copied of the cluster by then keeps it from starting alone later. So that is said before a pod is made
//! or restarted.
//!
//! *Decides* whether the nodes of the spec can live, from the version in the name of the image, the license in the spec and
//! what runs already.
//!
//! *Holds when* nodes of an earlier version would be replaced: then every node and every template stays as it is, since a
//! lost pod would be made from the new template. Where there is no more than one node, one core can live, and is made.
//!
//! *Never* holds what is not known: an image without a version, variables from elsewhere, or a cluster of 5.9 that already
//! runs. Its license was given through EMQX itself.

use crate::lifecycle::facts::license::{License, has_several};
use crate::lifecycle::facts::topology::Topology;
use crate::lifecycle::{Part, Wake};
use crate::reason::Reason;

pub(in crate::lifecycle) fn plan(topology: &Topology<'_>) -> Part {
    let mut part = Part::default();
    let (wanted, image) = (topology.desired.nodes_wanted(), &topology.desired.image.reference);
    let until = match topology.license {
        License::Suffices => return part,
        License::KeepsNodes => {
            part.troubles(&topology.world.cores.sets, &topology.world.cores.nodes);
            part.troubles(&topology.world.replicants.sets, &topology.world.replicants.nodes);
            let other = match (wanted > 1, has_several(topology.world)) {
                (true, _) => "or set spec.image back",
                (false, true) => "or set spec.image back until there is one node",
                (false, false) => "or set spec.updateStrategy.type to RollingUpdate, which makes no second node",
            };
            format!(
                "no node is changed to {image} until then. Set it to the key, or to `evaluation` for a trial; {other}"
            )
        }
        License::OneCore => format!(
            "of the {wanted} nodes that are wanted, one core is made until then. Set it to the key, or to `evaluation` for a \
             trial; or ask for one core and no replicants"
        ),
    };
    let text =
        format!("is missing: EMQX 5.9 and later makes clusters of more than one node with a license only, and {until}");
    part.hold(Reason::LicenseMissing, "spec.config.roots.license.key", text, Wake::Watch);
    part
}
