//! Whether EMQX has refused the operator's API key for so long that it does not end by itself.

use crate::desired::Desired;
use crate::reason::Reason;
use crate::world::{Kind, ObjectId, World};
use jiff::SignedDuration;

/// Users correct the spec, or the Secret; what they just did is given some time.
const FOR_GOOD: SignedDuration = SignedDuration::from_secs(60);

/// Whether it has been told for so long that it does not end by itself.
pub(in crate::lifecycle) fn is_for_good(desired: &Desired, world: &World) -> bool {
    let secret = ObjectId { kind: Kind::Secret, name: desired.names.api_key_secret() };
    let told = world.memory.waits.since(Reason::LockedOut, &secret.to_string(), world.now);
    told.is_some_and(|told| world.now.duration_since(told) >= FOR_GOOD)
}
