//! Finds out whether an EMQX has a feature. Editions without it answer 404 to its paths, but so does every EMQX to every
//! path for a moment after its port opened. A 404 counts only after a path that all have was answered, and only if it
//! is so again a little later.

use crate::api::{GetCluster, Parts, Request};
use crate::client::Client;
use crate::credentials::Credentials;
use crate::endpoint::Endpoint;
use crate::error::{Error, Missing};
use crate::failure::Code;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// Longer than the 200 ms for which a booting node was seen to answer 404.
const PAUSE: Duration = Duration::from_millis(250);

/// What the open source edition up to 5.8 lacks; everything from 5.9 on has all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    /// Evacuation and rebalance.
    LoadRebalance,
    /// The API of durable storage, since 5.7.
    DurableStorage,
    License,
}

/// What is known about a feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    Present,
    Absent,
    /// The node does not answer, or not yet for good. Ask again.
    Unknown,
}

impl Client {
    /// Asks one node whether it has a feature.
    pub async fn probe(
        &self,
        endpoint: &Endpoint,
        credentials: &Credentials,
        feature: Feature,
        deadline: Duration,
    ) -> Presence {
        let presence = self.absent_twice(endpoint, credentials, feature, deadline);
        timeout(deadline, presence).await.unwrap_or(Presence::Unknown)
    }

    async fn absent_twice(
        &self,
        endpoint: &Endpoint,
        credentials: &Credentials,
        feature: Feature,
        deadline: Duration,
    ) -> Presence {
        let first = self.look(endpoint, credentials, feature, deadline).await;
        if first != Presence::Absent {
            return first;
        }
        sleep(PAUSE).await;
        self.look(endpoint, credentials, feature, deadline).await
    }

    async fn look(
        &self,
        endpoint: &Endpoint,
        credentials: &Credentials,
        feature: Feature,
        deadline: Duration,
    ) -> Presence {
        if self.ask(endpoint, credentials, &GetCluster, deadline).await.is_err() {
            return Presence::Unknown;
        }
        presence(self.ask(endpoint, credentials, &Look(feature), deadline).await)
    }
}

/// Any answer but "no such path" means that the feature is present.
fn presence(outcome: Result<(), Error>) -> Presence {
    match outcome {
        Err(Error::NotFound { missing: Missing::Path, .. }) => Presence::Absent,
        Err(
            Error::Setup(_)
            | Error::Certificates { .. }
            | Error::Unreachable { .. }
            | Error::Broken { .. }
            | Error::TimedOut { .. }
            | Error::Unreadable { .. }
            | Error::Broker { code: Code::Absent, .. },
        ) => Presence::Unknown,
        Ok(())
        | Err(
            Error::NotFound { missing: Missing::Object, .. }
            | Error::Unauthorized { .. }
            | Error::Forbidden { .. }
            | Error::Rejected { .. }
            | Error::Broker { .. },
        ) => Presence::Present,
    }
}

/// Reads something cheap that the feature has; what it says does not matter.
struct Look(Feature);

impl Request for Look {
    type Answer = ();
    type As = Credentials;
    const OPERATION: &'static str = "looking for a feature";

    fn parts(&self) -> Parts {
        Parts::get(match self.0 {
            Feature::LoadRebalance => &["load_rebalance", "availability_check"],
            Feature::DurableStorage => &["ds", "storages"],
            Feature::License => &["license"],
        })
    }

    fn read(&self, _: &[u8]) -> Result<(), String> {
        Ok(())
    }
}
