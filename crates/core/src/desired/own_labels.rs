//! Labels that the operator gives pods, and selects them by. Files of the Go operator's guides and samples say the same.

use super::Role;
use emqx_operator_api::label;

const OURS: [&str; 4] = [label::INSTANCE, label::MANAGED_BY, label::DB_ROLE, label::POD_TEMPLATE_HASH];

pub(super) fn is_ours(key: &str) -> bool {
    OURS.contains(&key)
}

/// Whether a label says what the operator's says, on pods of one of these roles.
pub(super) fn says_the_same(key: &str, value: &str, instance: Option<&str>, roles: &[Role]) -> bool {
    match key {
        label::INSTANCE => instance == Some(value),
        label::MANAGED_BY => value == label::MANAGED_BY_VALUE,
        label::DB_ROLE => roles.iter().any(|role| role.as_str() == value),
        _ => false,
    }
}
