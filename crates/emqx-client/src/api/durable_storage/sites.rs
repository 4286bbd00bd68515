//! `/ds/sites`: the volumes that may hold replicas.

use super::{ReplicaStatus, Transition};
use crate::api::read::{json, nothing};
use crate::api::{Change, Parts, Request};
use crate::credentials::Credentials;
use crate::error::Missing;
use crate::failure::Failure;
use reqwest::Method;
use serde::Deserialize;

/// Lists the ids of all sites, 16 hexadecimal digits each. A new core appears up to 15 s after its port opened.
/// Replicants have sites too.
#[derive(Clone, Copy, Debug, Default)]
pub struct GetSites;

/// Reads one site; 404 if there is none of that id.
#[derive(Clone, Debug)]
pub struct GetSite {
    pub site: String,
}

/// A site. It belongs to the volume, not to the name of the node.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Site {
    /// May have left the cluster.
    pub node: String,
    /// Whether the node runs in the cluster.
    pub up: bool,
    /// Empty is what allows to remove the node, so the list must be there.
    pub shards: Vec<SiteShard>,
}

/// A replica on a site.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct SiteShard {
    pub storage: String,
    pub id: String,
    /// Absent for a replica that is still moving to the site.
    #[serde(default)]
    pub status: Option<ReplicaStatus>,
    /// Absent if nothing is pending, and always before 5.9.
    #[serde(default)]
    pub transition: Option<Transition>,
}

/// Removes a site for good. Since 6.0; before it is [`Missing::Path`] and a command on the node does it. 400 while the
/// site is up, is down for a moment only, or holds or gets replicas. An unknown site is [`Change::AlreadySo`].
#[derive(Clone, Debug)]
pub struct ForgetSite {
    pub site: String,
}

impl Request for GetSites {
    type Answer = Vec<String>;
    type As = Credentials;
    const OPERATION: &'static str = "GET /ds/sites";

    fn parts(&self) -> Parts {
        Parts::get(&["ds", "sites"])
    }

    fn read(&self, body: &[u8]) -> Result<Vec<String>, String> {
        json(body)
    }
}

impl Request for GetSite {
    type Answer = Site;
    type As = Credentials;
    const OPERATION: &'static str = "GET /ds/sites/:site";

    fn parts(&self) -> Parts {
        Parts::get(&["ds", "sites", &self.site])
    }

    fn read(&self, body: &[u8]) -> Result<Site, String> {
        json(body)
    }
}

impl Request for ForgetSite {
    type Answer = Change;
    type As = Credentials;
    const OPERATION: &'static str = "PUT /ds/sites/:site/forget";

    fn parts(&self) -> Parts {
        Parts::new(Method::PUT, &["ds", "sites", &self.site, "forget"])
    }

    fn read(&self, body: &[u8]) -> Result<Change, String> {
        nothing(body).map(|()| Change::Done)
    }

    fn read_failure(&self, failure: &Failure) -> Option<Change> {
        (failure.missing() == Some(Missing::Object)).then_some(Change::AlreadySo)
    }
}
