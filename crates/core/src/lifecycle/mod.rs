//! The decisions about a cluster that lives: [`rules`] say what is to be done, [`facts`] are what several rules need to know, and
//! [`removal`] is the one way in which nodes leave.

mod evacuation_owner;
mod facts;
mod hold;
mod part;
mod removal;
mod rules;
#[cfg(test)]
mod scene;

pub(crate) use facts::config::left as left_config;
pub(crate) use facts::config::running_revision as running_config_revision;
pub use facts::listeners::listeners_role;
pub(crate) use facts::versions::told as told_version;
pub use hold::{Hold, Since, Wake};
pub use part::Part;
pub use removal::admission::Permit;
pub use removal::how::How;
pub(crate) use rules::{Revisions, known_api_keys, parts};
