//! How many replicants may be missing, and how many extra ones there may be, while they are replaced.

use crate::desired::Desired;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

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
