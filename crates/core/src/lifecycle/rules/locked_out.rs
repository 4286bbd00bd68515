//! EMQX refuses the operator's API key: nothing that needs EMQX goes on, and nothing says so but this.
//!
//! *Holds when* ready cores have refused the key for a while. A node says 401 for a moment while it boots, before it has
//! read the key, and while it joins, when its tables are replaced by those of the cluster; a starting cluster is not locked
//! out. *Never* does anything about it: which Secret is the right one is not to be guessed. A spec that was corrected reaches one
//! core all the same, see `facts/locked_out.rs`.

use crate::desired::{Desired, OPERATOR_API_KEY};
use crate::lifecycle::{Part, Wake};
use crate::reason::Reason;
use crate::world::{Kind, ObjectId, Reading, Refusal, Why, World};
use jiff::SignedDuration;

/// Longer than a node refuses a key that it is about to learn: seconds on slow machines, mostly not at all.
const FOR_A_MOMENT: SignedDuration = SignedDuration::from_secs(5);

pub(in crate::lifecycle) fn plan(desired: &Desired, world: &World) -> Part {
    let mut part = Part::default();
    // Of nodes that are not ready nothing else is to be expected.
    let Some((refusal, text)) = refused(world).filter(|_| world.cores.ready() > 0) else { return part };
    let secret = ObjectId { kind: Kind::Secret, name: desired.names.api_key_secret() };
    let subject = secret.to_string();
    if lasts(world, &subject) {
        part.hold(Reason::LockedOut, subject, way_out(refusal, &secret, world), Wake::Poll(10));
    } else {
        let detail = format!("EMQX does not accept the operator's API key yet: {text}");
        part.hold(Reason::NoRequester, subject, detail, Wake::Poll(2));
    }
    part
}

/// The refusal, whichever question it was the answer to.
fn refused(world: &World) -> Option<(Refusal, &str)> {
    match &world.broker {
        Reading::Fresh(broker) => locked_out(&broker.evacuations).or_else(|| locked_out(&broker.storage)),
        other => locked_out(other),
    }
}

fn locked_out<T>(reading: &Reading<T>) -> Option<(Refusal, &str)> {
    match reading {
        Reading::Unavailable(Why::LockedOut { refusal, text }) => Some((*refusal, text)),
        Reading::Unavailable(Why::NobodyToAsk | Why::NotAsked | Why::NoAnswer(_))
        | Reading::Fresh(_)
        | Reading::Off => None,
    }
}

/// Once told it stays told, until EMQX lets the operator in.
fn lasts(world: &World, subject: &str) -> bool {
    let waits = &world.memory.waits;
    let begun = waits.since(Reason::NoRequester, subject, world.now);
    waits.since(Reason::LockedOut, subject, world.now).is_some()
        || begun.is_some_and(|begun| world.now.duration_since(begun) >= FOR_A_MOMENT)
}

/// Cores read the key when they start, whatever EMQX knew before, and what one core has read all nodes know.
fn way_out(refusal: Refusal, secret: &ObjectId, world: &World) -> String {
    let (name, consequence) = (&secret.name, "EMQX is not configured and no node is replaced meanwhile");
    let pod = world.cores.nodes.iter().rfind(|node| node.ready && !node.terminating);
    let restart = pod.map_or_else(|| "restart a core".to_owned(), |node| format!("delete the pod {}", node.pod));
    match refusal {
        Refusal::KeyNotAccepted => format!(
            "every ready core refuses the API key {OPERATOR_API_KEY} (401): EMQX knows it under another secret than the \
             one in Secret {name}, or has it disabled or deleted; {consequence}. Put back the Secret that the cores were \
             started with, or {restart}: a core reads the Secret when it starts"
        ),
        Refusal::KeyTooSmall => format!(
            "EMQX knows the API key {OPERATOR_API_KEY} and does not allow it what the operator needs (403), so its role or \
             its scopes were changed; {consequence}. Give it the role administrator without a list of scopes, or \
             {restart}: a core makes the key as it was from Secret {name} when it starts"
        ),
    }
}
