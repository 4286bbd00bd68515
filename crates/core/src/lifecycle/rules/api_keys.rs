//! API keys that the spec gets after the cores were started. Their Secret is mounted as a folder, which the kubelet keeps up to
//! date within a minute or two, and EMQX reads the file again when its root `api_key` is updated. What one core has read all
//! nodes know.
//!
//! *Holds* while EMQX does not accept a key of the spec: a cluster is not Ready for clients that use that key. *Decides* to
//! have the file read when that lasts, and not while releases are mixed: a core that starts reads it by itself.

use crate::action::{Action, Call};
use crate::build::API_KEYS_PATH;
use crate::desired::{Desired, digest_of_keys};
use crate::lifecycle::facts::topology::Topology;
use crate::lifecycle::{Part, Wake};
use crate::reason::Reason;
use crate::text::few;
use crate::world::{Kind, ObjectId, World};
use emqx_operator_api::annotation::RESTART_REQUESTED_AT;
use jiff::SignedDuration;

/// A node refuses a key for a moment while it boots, and while it joins.
const STARTS_WITHIN: SignedDuration = SignedDuration::from_secs(15);
/// The file has arrived by then where it can; each request is written into EMQX's configuration.
const ARRIVES_WITHIN: SignedDuration = SignedDuration::from_mins(5);

pub(in crate::lifecycle) fn plan(topology: &Topology<'_>) -> Part {
    let (desired, world) = (topology.desired, topology.world);
    let mut part = Part::default();
    let unknown = world.broker.fresh().and_then(|broker| broker.unknown_keys.fresh());
    let Some(unknown) = unknown.filter(|unknown| !unknown.is_empty()) else { return part };
    let secret = ObjectId { kind: Kind::Secret, name: desired.names.api_key_secret() };
    let subject = secret.to_string();
    let keys: Vec<_> = unknown.iter().map(String::as_str).collect();
    let detail = format!(
        "EMQX does not accept {} of spec.bootstrapAPIKeys yet. Kubernetes brings the keys to the cores within two minutes, and \
         EMQX is told to read them. A core that an operator before this one has made reads them when it starts: `kubectl annotate \
         emqx {} {RESTART_REQUESTED_AT}=\"$(date)\" --overwrite`",
        few(&keys),
        desired.names.instance
    );
    let since = world.memory.waits.since(Reason::APIKeysPending, &subject, world.now);
    let lasts = since.map(|since| world.now.duration_since(since));
    let is_late = lasts.is_some_and(|lasts| (STARTS_WITHIN..ARRIVES_WITHIN).contains(&lasts));
    if is_late && !topology.changes_image() {
        part.actions.push(Action::Call(Call::LoadApiKeys { file: API_KEYS_PATH }));
    }
    part.hold(Reason::APIKeysPending, subject, detail, Wake::Poll(10));
    part
}

/// The keys that EMQX was seen to know, as the next pass has to know them.
pub(crate) fn known(desired: &Desired, world: &World) -> Option<String> {
    let wanted = digest_of_keys(&desired.api_keys);
    let seen = world.broker.fresh().and_then(|broker| broker.unknown_keys.fresh());
    match seen {
        Some(unknown) if unknown.is_empty() => wanted,
        Some(_) => None,
        None => world.memory.api_keys.clone().filter(|known| Some(known) == wanted.as_ref()),
    }
}
