//! What may object to a removal. The order is the order of the messages: the first objection is what users read.

mod chosen;
mod identity;
mod one_at_a_time;
mod order;
mod sessions;
mod settled;
mod shards;
mod survivors;

pub(super) use sessions::rebalance;
pub(super) use settled::check as settled;
pub(super) use survivors::max_surge;

use super::admission::{BrokerCheck, LocalCheck};

/// Need no answer of EMQX.
pub(super) const LOCAL: &[LocalCheck] =
    &[identity::check, one_at_a_time::check, order::check, settled::check, survivors::check];
/// Need one.
pub(super) const BROKER: &[BrokerCheck] = &[shards::check, sessions::check, chosen::check];
