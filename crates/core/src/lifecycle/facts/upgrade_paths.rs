//! Which step from one release of EMQX to another keeps what. The source is EMQX's documentation, "Rolling Upgrade" and "Upgrade
//! from 5.x to 6.x", as of autumn 2026; that durable state is lost from 5 to 6 was seen with 5.10.4 and 6.2.2.

use super::versions::line;
use crate::desired::Version;

/// What becomes of a cluster that takes a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::lifecycle) enum Step {
    /// EMQX supports it, or both are of one line.
    Supported,
    /// In-memory sessions survive; the state of durable sessions and queues does not.
    LosesDurableState,
    /// EMQX does not support it. What to do instead.
    Unsupported(&'static str),
    /// To an earlier line, which may not read what the later one has written.
    Backwards,
    /// EMQX's table does not have it.
    Unknown,
}

/// Releases from the first to the last, both included.
type Releases = (Version, Version);

const LAST: u16 = u16::MAX;

const fn lines(first: (u16, u16), last: (u16, u16)) -> Releases {
    ((first.0, first.1, 0), (last.0, last.1, LAST))
}

/// The first that fits counts. Steps within a line are not in it.
const PATHS: &[(Releases, Releases, Step)] = &[
    (lines((5, 0), (5, 3)), lines((5, 0), (5, 9)), Step::Supported),
    (
        lines((5, 0), (5, 3)),
        lines((5, 10), (6, 2)),
        Step::Unsupported("upgrade to 5.9, restart all nodes at once there, and go on from there"),
    ),
    (lines((5, 4), (5, 7)), lines((5, 4), (5, 10)), Step::Supported),
    (lines((5, 4), (5, 7)), lines((6, 0), (6, 2)), Step::Unsupported("upgrade to 5.10 first")),
    (((5, 8, 7), (5, 8, LAST)), ((5, 9, 0), (5, 9, 0)), Step::Unsupported("upgrade to 5.9.1 or later")),
    (((5, 8, 7), (5, 8, LAST)), ((5, 10, 0), (5, 10, 0)), Step::Unsupported("upgrade to 5.10.1 or later")),
    (lines((5, 8), (5, 10)), lines((5, 8), (5, 10)), Step::Supported),
    (lines((5, 8), (5, 10)), lines((6, 0), (6, 2)), Step::LosesDurableState),
    (lines((6, 0), (6, 1)), lines((6, 1), (6, 2)), Step::Supported),
];

pub(in crate::lifecycle) fn step(from: Version, to: Version) -> Step {
    let among = |version: Version, releases: &Releases| releases.0 <= version && version <= releases.1;
    if line(from) == line(to) {
        return Step::Supported;
    }
    if line(to) < line(from) {
        return Step::Backwards;
    }
    let row = PATHS.iter().find(|(froms, tos, _)| among(from, froms) && among(to, tos));
    row.map_or(Step::Unknown, |(_, _, step)| *step)
}

#[cfg(test)]
mod tests {
    use super::{Step, step};
    use crate::desired::version_of_text;

    /// `-` supported, `d` durable state is lost, `x` not supported, `<` backwards, `?` unknown.
    fn letter(from: &str, to: &str) -> char {
        let version = |text: &str| version_of_text(text).expect("a version");
        match step(version(from), version(to)) {
            Step::Supported => '-',
            Step::LosesDurableState => 'd',
            Step::Unsupported(_) => 'x',
            Step::Backwards => '<',
            Step::Unknown => '?',
        }
    }

    /// One row for each line that users come from.
    #[test]
    fn every_path_of_the_table() {
        let targets = [
            "5.0.0", "5.3.2", "5.7.2", "5.8.9", "5.9.0", "5.9.1", "5.10.0", "5.10.4", "6.0.0", "6.2.2", "6.3.0",
            "7.0.0",
        ];
        let rows = [
            ("5.0.9", "------xxxx??"),
            ("5.3.2", "<-----xxxx??"),
            ("5.4.0", "<<------xx??"),
            ("5.7.2", "<<------xx??"),
            ("5.8.6", "<<<-----dd??"),
            ("5.8.9", "<<<-x-x-dd??"),
            ("5.9.1", "<<<<----dd??"),
            ("5.10.4", "<<<<<<--dd??"),
            ("6.0.1", "<<<<<<<<--??"),
            ("6.2.2", "<<<<<<<<<-??"),
            ("6.3.0", "<<<<<<<<<<-?"),
            ("4.4.19", "????????????"),
        ];
        for (from, expected) in rows {
            let told: String = targets.iter().map(|to| letter(from, to)).collect();
            assert_eq!(told, expected, "from {from} to {targets:?}");
        }
    }

    #[test]
    fn patches_are_of_one_line() {
        assert_eq!((letter("6.2.2", "6.2.1"), letter("5.10.4", "5.10.9")), ('-', '-'));
    }
}
