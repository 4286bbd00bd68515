//! The Secrets that make nodes one cluster.
//!
//! *Decides* whether they have to be made. *Never* replaces one that exists: a node with another cookie is a stranger. One
//! that was deleted is restored as this process knows it; *holds* where it does not while nodes live by it: another one
//! would split the cluster, or lock the operator out. The bootstrap keys are kept as the spec says; EMQX reads them when a
//! core starts.

use crate::action::{Action, Stage};
use crate::build::{Manifest, api_key_secret, cookie_secret};
use crate::desired::Desired;
use crate::lifecycle::{Part, Wake};
use crate::reason::Reason;
use crate::world::{IdentitySecret, Ownership, World};

/// Seconds after which a Secret that was restored is found: it has no label that is watched.
const RESTORED: u32 = 5;

pub(in crate::lifecycle) fn plan(desired: &Desired, world: &World) -> Part {
    let mut part = Part::default();
    for secret in [IdentitySecret::Cookie, IdentitySecret::ApiKey] {
        if world.is_lost(secret) {
            let (name, text) = lost(desired, world, secret);
            part.hold(Reason::IdentityLost, format!("Secret/{name}"), text, Wake::Poll(RESTORED));
            let manifest = manifest(desired, world, secret);
            part.actions.push(Action::Adopt { manifest, stage: Stage::Identity });
        } else {
            create_or_keep(&mut part, world, manifest(desired, world, secret));
        }
    }
    part
}

fn manifest(desired: &Desired, world: &World, secret: IdentitySecret) -> Manifest {
    match secret {
        IdentitySecret::Cookie => cookie_secret(desired, world),
        IdentitySecret::ApiKey => api_key_secret(desired, world),
    }
}

/// Creation fails where the object exists already, so a stale snapshot cannot overwrite an identity.
fn create_or_keep(part: &mut Part, world: &World, manifest: Manifest) {
    match world.objects.get(&manifest.id) {
        // A controller that makes Secrets, such as one for sealed Secrets, keeps it.
        Some(live) if matches!(live.ownership, Ownership::Foreign(_)) => {}
        Some(_) => part.ensure(world, manifest, Stage::Identity),
        None => part.actions.push(Action::Create { manifest, stage: Stage::Identity }),
    }
}

/// The Secret, and the command that restores it from a node that has the text.
fn lost(desired: &Desired, world: &World, secret: IdentitySecret) -> (String, String) {
    let names = &desired.names;
    let core = world.cores.nodes.iter().find(|node| node.running && !node.terminating);
    let pod = core.map_or_else(|| format!("{}-0", names.core_set()), |core| core.pod.clone());
    let exec = format!("kubectl exec --namespace {} {pod} --container emqx --", names.namespace);
    let create = format!("kubectl create secret generic --namespace {}", names.namespace);
    match secret {
        IdentitySecret::Cookie => {
            let name = names.cookie_secret();
            let text = format!(
                "was deleted or emptied, and nodes that run know each other by it; no node is restarted until it is back: \
                 restore it from a backup, or: {create} {name} --from-literal=node_cookie=\"$({exec} printenv \
                 EMQX_NODE__COOKIE)\""
            );
            (name, text)
        }
        IdentitySecret::ApiKey => {
            let name = names.api_key_secret();
            let text = format!(
                "was deleted or emptied, and EMQX lets the operator in by the key in it; until it is back nothing is asked of \
                 EMQX: restore it from a backup, or: {exec} cat /opt/emqx/etc/bootstrap_api_keys | {create} {name} \
                 --from-file=bootstrap_api_key=/dev/stdin"
            );
            (name, text)
        }
    }
}
