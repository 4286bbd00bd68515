//! How nodes leave: [`candidates`] names the nodes that should go, [`admission`] examines each by the [`checks`], and a node that
//! passes gets the [`Permit`](admission::Permit) without which no node is removed.

pub(in crate::lifecycle) mod admission;
pub(in crate::lifecycle) mod candidates;
mod checks;
pub(in crate::lifecycle) mod how;
mod recipients;
pub(in crate::lifecycle) mod request;
