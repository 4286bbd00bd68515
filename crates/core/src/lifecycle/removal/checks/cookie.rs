//! No node goes while the cookie of the cluster is lost: its pod would not start again, or start as a stranger.
//!
//! *Why the fact is stable:* only a Secret that comes back changes it, and then nodes start as before.

use crate::lifecycle::removal::request::{RemovalRequest, Verdict};
use crate::reason::Reason;
use crate::world::IdentitySecret;

pub(in crate::lifecycle) fn check(request: &RemovalRequest<'_, '_>) -> Verdict {
    if !request.topology.world.is_lost(IdentitySecret::Cookie) {
        return Verdict::Pass;
    }
    let secret = request.topology.desired.names.cookie_secret();
    Verdict::Hold(
        request.hold(Reason::IdentityLost, format!("stays, because it would not start without Secret {secret}")),
    )
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::lifecycle::scene::world;

    #[test]
    fn a_node_that_would_not_start_again_stays() {
        let rows = [
            ("the cookie is there", world().cores(1).recreate("iot-core-0", check), "passes"),
            ("the cookie is lost", world().cores(1).without_cookie().recreate("iot-core-0", check), "IdentityLost: "),
        ];
        for (what, says, expected) in rows {
            assert!(says.contains(expected), "{what}: {says}");
        }
    }
}
