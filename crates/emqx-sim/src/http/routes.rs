//! Which paths exist in which release, and which operations they know.

use crate::config::{Edition, Profile};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Status,
    Login,
    Logout,
    Users,
    Keys,
    AddKey,
    Key,
    ChangeKey,
    DeleteKey,
    Nodes,
    Node,
    NodeStats,
    Stats,
    Cluster,
    Topology,
    Invite,
    ForceLeave,
    Available,
    LocalStatus,
    GlobalStatus,
    EvictionStatus,
    StartEvacuation,
    StopEvacuation,
    StartRebalance,
    StopRebalance,
    Configs,
    PutConfigs,
    ZoneConfig,
    RootConfig,
    PutRootConfig,
    Listeners,
    AddListener,
    ListenersStatus,
    Listener,
    PutListener,
    DeleteListener,
    Gateways,
    PutGateway,
    EnableGateway,
    GatewayListeners,
    Sites,
    Site,
    ForgetSite,
    Storages,
    Storage,
    Replicas,
    PutReplicas,
    AddReplica,
    RemoveReplica,
    License,
    PutLicense,
    LicenseSetting,
    Metrics,
    Alarms,
    SessionsCount,
    Clients,
    Plugins,
    Namespaces,
    Export,
    Backups,
    Upload,
    Download,
    DeleteBackup,
    Import,
}

use Operation as O;

impl Operation {
    pub(crate) fn is_public(self) -> bool {
        matches!(self, O::Status | O::Login | O::Available | O::Metrics)
    }

    /// The first part of paths that only a token opens.
    pub(crate) fn token_only(self) -> Option<&'static str> {
        match self {
            O::Keys | O::AddKey | O::Key | O::ChangeKey | O::DeleteKey => Some("api_key"),
            O::Users => Some("users"),
            O::Logout => Some("logout"),
            _ => None,
        }
    }

    /// Declared bodies: anything else is read by the handler.
    pub(crate) fn takes_json(self) -> bool {
        !matches!(self, O::PutConfigs | O::Upload)
    }
}

struct Route {
    path: &'static str,
    operations: &'static [(&'static str, Operation)],
    since: Since,
}

enum Since {
    Always,
    /// Enterprise before 5.9, all editions after.
    Enterprise,
    EnterpriseFrom(u32, u32),
}

const fn route(path: &'static str, since: Since, operations: &'static [(&'static str, Operation)]) -> Route {
    Route { path, operations, since }
}

use Since::{Always, Enterprise, EnterpriseFrom};

/// Below `/api/v5`.
const ROUTES: &[Route] = &[
    route("/status", Always, &[("GET", O::Status)]),
    route("/login", Always, &[("POST", O::Login)]),
    route("/logout", Always, &[("POST", O::Logout)]),
    route("/users", Always, &[("GET", O::Users)]),
    route("/api_key", Always, &[("GET", O::Keys), ("POST", O::AddKey)]),
    route("/api_key/:name", Always, &[("GET", O::Key), ("PUT", O::ChangeKey), ("DELETE", O::DeleteKey)]),
    route("/nodes", Always, &[("GET", O::Nodes)]),
    route("/nodes/:node", Always, &[("GET", O::Node)]),
    route("/nodes/:node/stats", Always, &[("GET", O::NodeStats)]),
    route("/stats", Always, &[("GET", O::Stats)]),
    route("/cluster", Always, &[("GET", O::Cluster)]),
    route("/cluster/topology", Always, &[("GET", O::Topology)]),
    route("/cluster/:node/invite", Always, &[("PUT", O::Invite)]),
    route("/cluster/:node/force_leave", Always, &[("DELETE", O::ForceLeave)]),
    route("/load_rebalance/availability_check", Enterprise, &[("GET", O::Available)]),
    route("/load_rebalance/status", Enterprise, &[("GET", O::LocalStatus)]),
    route("/load_rebalance/global_status", Enterprise, &[("GET", O::GlobalStatus)]),
    route("/load_rebalance/:node/evacuation/start", Enterprise, &[("POST", O::StartEvacuation)]),
    route("/load_rebalance/:node/evacuation/stop", Enterprise, &[("POST", O::StopEvacuation)]),
    route("/load_rebalance/:node/start", Enterprise, &[("POST", O::StartRebalance)]),
    route("/load_rebalance/:node/stop", Enterprise, &[("POST", O::StopRebalance)]),
    route("/node_eviction/status", Enterprise, &[("GET", O::EvictionStatus)]),
    route("/configs", Always, &[("GET", O::Configs), ("PUT", O::PutConfigs)]),
    route("/configs/global_zone", Always, &[("GET", O::ZoneConfig)]),
    route("/configs/:root", Always, &[("GET", O::RootConfig), ("PUT", O::PutRootConfig)]),
    route("/listeners", Always, &[("GET", O::Listeners), ("POST", O::AddListener)]),
    route("/listeners_status", Always, &[("GET", O::ListenersStatus)]),
    route("/listeners/:id", Always, &[("GET", O::Listener), ("PUT", O::PutListener), ("DELETE", O::DeleteListener)]),
    route("/gateways", Always, &[("GET", O::Gateways)]),
    route("/gateways/:name", Always, &[("PUT", O::PutGateway)]),
    route("/gateways/:name/enable/:enable", Always, &[("PUT", O::EnableGateway)]),
    route("/gateways/:name/listeners", Always, &[("GET", O::GatewayListeners)]),
    route("/ds/sites", Enterprise, &[("GET", O::Sites)]),
    route("/ds/sites/:site", Enterprise, &[("GET", O::Site)]),
    route("/ds/sites/:site/forget", EnterpriseFrom(6, 0), &[("PUT", O::ForgetSite)]),
    route("/ds/storages", Enterprise, &[("GET", O::Storages)]),
    route("/ds/storages/:ds", Enterprise, &[("GET", O::Storage)]),
    route("/ds/storages/:ds/replicas", Enterprise, &[("GET", O::Replicas), ("PUT", O::PutReplicas)]),
    route("/ds/storages/:ds/replicas/:site", Enterprise, &[("PUT", O::AddReplica), ("DELETE", O::RemoveReplica)]),
    route("/license", Enterprise, &[("GET", O::License), ("POST", O::PutLicense)]),
    route("/license/setting", Enterprise, &[("GET", O::LicenseSetting)]),
    route("/prometheus/stats", Always, &[("GET", O::Metrics)]),
    route("/alarms", Always, &[("GET", O::Alarms)]),
    route("/sessions_count", Always, &[("GET", O::SessionsCount)]),
    route("/clients", Always, &[("GET", O::Clients)]),
    route("/plugins", Always, &[("GET", O::Plugins)]),
    route("/mt/ns_list", EnterpriseFrom(5, 9), &[("GET", O::Namespaces)]),
    route("/data/export", Always, &[("POST", O::Export)]),
    route("/data/files", Always, &[("GET", O::Backups), ("POST", O::Upload)]),
    route("/data/files/:filename", Always, &[("GET", O::Download), ("DELETE", O::DeleteBackup)]),
    route("/data/import", Always, &[("POST", O::Import)]),
];

pub(crate) struct Found {
    operations: &'static [(&'static str, Operation)],
    pub parts: Vec<String>,
}

impl Found {
    pub(crate) fn operation(&self, method: &str) -> Option<Operation> {
        self.operations.iter().find(|(known, _)| *known == method).map(|(_, operation)| *operation)
    }

    pub(crate) fn allowed(&self) -> String {
        self.operations.iter().map(|(method, _)| *method).collect::<Vec<_>>().join(", ")
    }
}

/// `/status` is the only path outside of `/api/v5`. Fixed parts win over variable ones by their order in the table.
pub(crate) fn find(profile: Profile, path: &str) -> Option<Found> {
    let below = if path == "/status" { path } else { path.strip_prefix("/api/v5")? };
    let routes = ROUTES.iter().filter(|route| route.since.fits(profile));
    routes.filter_map(|route| Some(Found { operations: route.operations, parts: matched(route.path, below)? })).next()
}

impl Since {
    fn fits(&self, profile: Profile) -> bool {
        match self {
            Always => true,
            Enterprise => profile.edition == Edition::Enterprise,
            EnterpriseFrom(major, minor) => profile.edition == Edition::Enterprise && profile.since(*major, *minor),
        }
    }
}

fn matched(pattern: &str, path: &str) -> Option<Vec<String>> {
    let (mut wanted, mut given) = (pattern.split('/'), path.split('/'));
    let mut parts = Vec::new();
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return Some(parts),
            (Some(name), Some(value)) if name.starts_with(':') && !value.is_empty() => parts.push(value.to_owned()),
            (Some(name), Some(value)) if name == value => {}
            _ => return None,
        }
    }
}
