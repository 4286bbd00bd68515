//! What a broker may say. A broker is whatever image the spec names: a look at it costs the operator, which all clusters
//! share, no more than this, and what goes beyond is no answer rather than a cut one.

use emqx_client::plain;
use emqx_operator_core::desired::NodeName;
use emqx_operator_core::world::Why;
use std::time::Duration;

/// All answers of one look. A node takes half a kilobyte of a list, a replica fifty bytes.
pub(super) const BYTES: usize = 8 << 20;
/// So many questions to one cluster are under way at a time, so that a long list does not become as many connections.
pub(super) const AT_A_TIME: usize = 4;
/// One look takes no longer than so many times the deadline of a question: its longest chain, when each takes all of it.
pub(super) const CHAIN: u32 = 4;

/// EMQX asks each node for its part of a list and answers within half a minute, so a larger cluster could not answer.
pub(super) const NODES: usize = 5_000;
/// Each is asked about by itself. EMQX 6.2 has nine.
pub(super) const DATABASES: usize = 64;
/// Each site costs a request. Every node has one, and nodes that left keep theirs until EMQX forgets the site.
pub(super) const SITES: usize = 1_000;
/// Of all databases together. Each of the nine has sixteen unless configured otherwise.
pub(super) const SHARDS: usize = 10_000;

/// Atoms of Erlang, which nodes, sites and databases are named by, have no more characters.
const LONGEST_NAME: usize = 255;
/// Versions, editions, phases. Some go into the status, one per node.
const LONGEST_TEXT: usize = 64;
/// Why there is no answer, from all that were asked.
const LONGEST_WHY: usize = 1_000;

/// No more of a kind than there can be.
pub(super) fn few(what: &str, listed: usize, most: usize) -> Result<(), Why> {
    if listed <= most {
        return Ok(());
    }
    Err(Why::NoAnswer(format!("EMQX lists {listed} {what}, and no more than {most} are believed")))
}

/// A name that identifies an object: taken as it is or not at all, since a part of it may be the name of another object.
pub(super) fn name(what: &str, name: String) -> Result<String, Why> {
    if !matches!(name.as_str(), "" | "." | "..") && plain(&name, LONGEST_NAME) == name {
        return Ok(name);
    }
    let shown = plain(&name, LONGEST_TEXT);
    Err(Why::NoAnswer(format!("EMQX lists a {what} under a name that is none: {shown:?}")))
}

pub(super) fn node_name(text: String) -> Result<NodeName, Why> {
    name("node", text).map(NodeName)
}

/// A text for people.
pub(super) fn text(text: &str) -> String {
    plain(text, LONGEST_TEXT)
}

pub(super) fn why(text: &str) -> String {
    plain(text, LONGEST_WHY)
}

pub(super) fn chain(deadline: Duration) -> Duration {
    deadline.saturating_mul(CHAIN)
}

#[cfg(test)]
mod tests {
    use super::{few, name};

    #[test]
    fn names_are_taken_whole_or_not_at_all() {
        for good in ["emqx@10.0.0.1", "5B1F0C6E2D7A9A01", "messages", "ä", &"x".repeat(255)] {
            assert_eq!(name("node", good.to_owned()), Ok(good.to_owned()));
        }
        for bad in ["", ".", "..", "a\nb", "a\u{1b}[0m", "a\u{202e}b", &"x".repeat(256)] {
            assert!(name("node", bad.to_owned()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_list_that_is_too_long_is_no_answer() {
        assert_eq!(few("sites", 3, 3), Ok(()));
        assert!(few("sites", 4, 3).is_err());
    }
}
