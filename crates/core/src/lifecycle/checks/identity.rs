//! No node goes while the cookie of the cluster is lost: its pod would not start again, or start as a stranger.
//!
//! *Why the fact is stable:* only a Secret that comes back changes it, and then nodes start as before.

use crate::lifecycle::admission::{Case, Verdict};
use crate::reason::Reason;
use crate::world::IdentitySecret;

pub(in crate::lifecycle) fn check(case: &Case<'_, '_>) -> Verdict {
    if !case.fleet.world.is_lost(IdentitySecret::Cookie) {
        return Verdict::Pass;
    }
    let secret = case.fleet.desired.names.cookie_secret();
    Verdict::Hold(case.hold(Reason::IdentityLost, format!("stays, because it would not start without Secret {secret}")))
}
