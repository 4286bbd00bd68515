//! `GET /load_rebalance/availability_check`: whether a node wants clients. Public since 5.4, local to the node.

use crate::api::read::nothing;
use crate::api::{Parts, Request};
use crate::credentials::NoCredentials;
use crate::failure::Failure;

/// Asks a node whether load balancers may send it clients. A node that comes back with its volume from an evacuation
/// says no until it is told to stop.
#[derive(Clone, Copy, Debug, Default)]
pub struct GetAvailability;

/// Whether clients are welcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Availability {
    Available,
    /// It evacuates, has evacuated, or gives clients away in a rebalance.
    Evacuating,
}

impl Request for GetAvailability {
    type Answer = Availability;
    type As = NoCredentials;
    const OPERATION: &'static str = "GET /load_rebalance/availability_check";

    fn parts(&self) -> Parts {
        Parts::get(&["load_rebalance", "availability_check"])
    }

    fn read(&self, body: &[u8]) -> Result<Availability, String> {
        nothing(body).map(|()| Availability::Available)
    }

    fn read_failure(&self, failure: &Failure) -> Option<Availability> {
        (failure.status == 503 && failure.has_code("NODE_EVACUATING")).then_some(Availability::Evacuating)
    }
}
