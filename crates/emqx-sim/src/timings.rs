//! How long the visible phases of a node take. The defaults are what real brokers were seen to do.

use std::time::Duration;

#[derive(Debug, Clone)]
pub struct Timings {
    /// From the start of the process to the open HTTP port.
    pub boot: Duration,
    /// After the port opens all paths but `/status` are unknown for this long.
    pub routes_missing: Duration,
    /// How long a fresh core is a healthy one-node cluster before it joins.
    pub singleton: Duration,
    /// How long the port is closed while a core joins.
    pub join: Duration,
    /// Between two looks for nodes to join.
    pub discovery: Duration,
    /// One step of evictions and of durable storage.
    pub tick: Duration,
    /// Before sessions without any recipient are tried again.
    pub no_recipient: Duration,
    /// How long a call of another node may take.
    pub call: Duration,
    /// After this long without an answer a node counts as stopped.
    pub net_tick: Duration,
    /// How long an API call of a replicant without a core hangs before the connection is closed.
    pub orphaned: Duration,
    /// The same for `PUT`.
    pub orphaned_put: Duration,
    /// From the moment that the halves of a split cluster see each other until the smaller one restarts.
    pub autoheal: Duration,
    /// From SIGTERM to the end of the process.
    pub shutdown: Duration,
    /// Cores that are down this long are made to leave.
    pub autoclean: Duration,
}

impl Default for Timings {
    fn default() -> Self {
        Self {
            boot: Duration::from_secs(4),
            routes_missing: Duration::from_millis(100),
            singleton: Duration::from_millis(700),
            join: Duration::from_secs(1),
            discovery: Duration::from_secs(5),
            tick: Duration::from_secs(1),
            no_recipient: Duration::from_secs(30),
            call: Duration::from_secs(30),
            net_tick: Duration::from_secs(135),
            orphaned: Duration::from_secs(60),
            orphaned_put: Duration::from_secs(120),
            autoheal: Duration::from_secs(15),
            shutdown: Duration::from_secs(3),
            autoclean: Duration::from_secs(24 * 60 * 60),
        }
    }
}

impl Timings {
    /// Ticks and waits as in life, but a boot without waiting: for tests of the API.
    pub fn instant_boot() -> Self {
        let boot = Duration::ZERO;
        Self { boot, routes_missing: boot, singleton: boot, join: boot, shutdown: boot, ..Self::default() }
    }
}
