//! What may object to a removal. The order is the order of the messages: the first objection is what users read.

mod availability;
mod cookie;
mod deletion_cost;
mod one_at_a_time;
mod order;
mod replicas_observed;
mod sessions;
mod shards;

pub(super) use replicas_observed::check as replicas_observed;

use super::request::{BrokerCheck, LocalCheck};

/// Need no answer of EMQX.
pub(super) const LOCAL: &[LocalCheck] =
    &[cookie::check, one_at_a_time::check, order::check, replicas_observed::check, availability::check];
/// Need one.
pub(super) const BROKER: &[BrokerCheck] = &[shards::check, sessions::check, deletion_cost::check];
