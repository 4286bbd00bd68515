//! Enough of the others serve. A node that does not serve itself, or is a cluster of its own, takes nothing away by going.
//!
//! *Why the fact is stable:* it is not, pods may break at any time; but then they break with or without us.

use crate::desired::{Desired, Role};
use crate::lifecycle::admission::{Case, Verdict};
use crate::planted::{Bug, planted};
use crate::reason::Reason;
use crate::world::{Node, Reading};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

pub(in crate::lifecycle) fn check(case: &Case<'_, '_>) -> Verdict {
    if planted(Bug::SkipSurvivors) {
        return Verdict::Pass;
    }
    let fleet = case.fleet;
    let role = case.candidate.role;
    // A replicant that is closed serves nobody, nor does one that hangs in its boot. A core in such a state still keeps data.
    let idle = |node: &Node| role == Role::Replicant && (node.evacuation.is_some() || fleet.boots_for_long(node));
    let serving = |node: &&Node| !node.is_down() && !idle(node) && fleet.view_of_apart(node).is_none();
    let Some(me) = case.candidate.node.filter(serving) else { return Verdict::Pass };
    let evacuations = fleet.world.broker.fresh().map(|broker| &broker.evacuations);
    if matches!(evacuations, Some(Reading::Unavailable(_))) && !planted(Bug::UnknownIsOff) {
        let text = "stays, because EMQX cannot be asked which other nodes are being emptied";
        return Verdict::Hold(case.hold(Reason::RequestFailed, text));
    }
    // It goes without replacement, or nothing ever goes.
    let in_the_way = role == Role::Replicant && fleet.group_in_the_way() == Some(me.image.as_str());
    // One that is being emptied, by whomever, is about to stop serving. A replicant that has restarted meanwhile is not: it
    // may wait for us, and we for it.
    let back = |node: &Node| role == Role::Replicant && fleet.is_open(node);
    let stays =
        |node: &&Node| (!node.marked || in_the_way || back(node)) && node.evacuation.is_none() && node.pod != me.pod;
    // Where new nodes stand beside the old ones, all of them take over before the first old one goes.
    let takes_over = match role {
        Role::Core => !fleet.is_home(role, &me.set) && !planted(Bug::DiscardEarly),
        Role::Replicant => {
            fleet.is_blue_green() && fleet.is_outdated(me) && !in_the_way && !fleet.is_one_too_many(Some(&me.pod))
        }
    };
    // A core that goes is made up for by those of its own set: others may be of another version, and go themselves.
    let counts = |node: &Node| match role {
        Role::Core => fleet.is_home(role, &node.set) || planted(Bug::DiscardEarly),
        Role::Replicant => true,
    };
    let serves = |node: &&Node| node.available && fleet.is_seen(node) && stays(node) && counts(node);
    let serving = || i32::try_from(fleet.present(role).filter(serves).count()).unwrap_or(i32::MAX);
    let serving = if takes_over { fleet.new_ones_serving(role) } else { serving() };
    let needed = match role {
        _ if takes_over => fleet.wanted(role),
        Role::Core if planted(Bug::OneMoreMissing) => fleet.wanted(role).saturating_sub(2),
        Role::Core => fleet.wanted(role).saturating_sub(1),
        Role::Replicant => fleet.wanted(role).saturating_sub(max_unavailable(fleet.desired)),
    };
    let needed = if in_the_way { needed.min(1) } else { needed };
    if serving >= needed {
        return Verdict::Pass;
    }
    let (which, noun) = (if takes_over { "new" } else { "other" }, role.as_str());
    let text = format!("stays until {needed} {which} {noun} nodes serve; {serving} do now");
    Verdict::Hold(case.hold(Reason::WaitingForSurvivors, text))
}

/// How many replicants may be missing. At least one, where no extra ones are allowed either: something has to give.
pub(in crate::lifecycle) fn max_unavailable(desired: &Desired) -> i32 {
    let rollout = desired.update_strategy.replicants.as_ref();
    let missing = rollout.and_then(|rollout| rollout.max_unavailable.as_ref());
    let missing = missing.map_or(1, |value| share(desired.replicants_wanted(), value, Round::Down));
    if max_surge(desired) == 0 { missing.max(1) } else { missing }
}

/// How many replicants there may be beyond the wanted ones.
pub(in crate::lifecycle) fn max_surge(desired: &Desired) -> i32 {
    let rollout = desired.update_strategy.replicants.as_ref();
    rollout
        .and_then(|rollout| rollout.max_surge.as_ref())
        .map_or(0, |value| share(desired.replicants_wanted(), value, Round::Up))
}

/// As Deployments do: rather fewer missing, rather more extra.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Round {
    Up,
    Down,
}

/// A number, or a percentage of the wanted replicants.
fn share(replicants: i32, value: &IntOrString, round: Round) -> i32 {
    match value {
        IntOrString::Int(number) => (*number).max(0),
        IntOrString::String(text) => {
            let of_hundred = i64::from(replicants.max(0)).saturating_mul(percent(text));
            let rest = if round == Round::Up { 99 } else { 0 };
            i32::try_from(of_hundred.saturating_add(rest) / 100).unwrap_or(i32::MAX)
        }
    }
}

/// The number before the sign; a larger one than there is room for is the largest, and what is no number is none.
fn percent(text: &str) -> i64 {
    let digits = text.trim_end_matches('%');
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return 0;
    }
    digits.bytes().fold(0_i64, |number, digit| number.saturating_mul(10).saturating_add((digit - b'0').into()))
}

#[cfg(test)]
mod tests {
    use super::{Round, percent, share};
    use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

    #[test]
    fn fewer_may_be_missing_and_more_may_be_extra() {
        for (replicants, text, missing, extra) in
            [(5, "25%", 1, 2), (3, "25%", 0, 1), (4, "50%", 2, 2), (0, "50%", 0, 0)]
        {
            let value = IntOrString::String(text.to_owned());
            let told = (share(replicants, &value, Round::Down), share(replicants, &value, Round::Up));
            assert_eq!(told, (missing, extra), "{text} of {replicants}");
        }
    }

    #[test]
    fn percentages_of_any_length_are_numbers() {
        let long = "9".repeat(100_000);
        let cases =
            [("25%", 25), ("0%", 0), ("", 0), ("%", 0), ("-5%", 0), ("some", 0), ("0000000000000000000000030%", 30)];
        for (text, expected) in cases {
            assert_eq!(percent(text), expected, "{text}");
        }
        assert_eq!(percent(&format!("{long}%")), i64::MAX);
    }
}
