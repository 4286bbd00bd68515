//! One EMQX node: its configuration, its part of the cluster's state, and the phases from boot to stop.
//! `life` boots it, `join` makes it a member, `sync` keeps what changes meanwhile, `calls` answers other nodes, `view`
//! is what it sees of them, `upstream` and `partition` what happens when it sees none.

mod backups;
pub(crate) mod bootstrap;
mod calls;
mod join;
mod lifecycle;
mod partition;
pub mod settings;
mod stats;
mod sync;
mod upstream;
mod view;

pub use lifecycle::Exit;
pub use view::Seen;

use crate::clients::Clients;
use crate::cluster_state::{ClusterState, Role};
use crate::config::{BootError, Config, Layers, Profile};
use crate::evacuation::Machine;
use crate::faults::{Faults, HttpFault};
use crate::rebalance::{Donor, Rebalance};
use crate::rpc::{Peers, Phase};
use crate::timings::Timings;
use crate::volume::Volume;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::watch;
use tokio::time::Instant;

/// What a node is made of.
pub struct Parts {
    pub profile: Profile,
    pub layers: Layers,
    /// The folder that relative paths such as `${EMQX_ETC_DIR}` mean.
    pub etc: PathBuf,
    pub volume: Volume,
    pub clients: Arc<dyn Clients>,
    pub peers: Arc<dyn Peers>,
    pub timings: Timings,
}

pub struct Node {
    pub name: String,
    pub role: Role,
    pub profile: Profile,
    pub etc: PathBuf,
    pub volume: Volume,
    pub clients: Arc<dyn Clients>,
    pub timings: Timings,
    pub started: Instant,
    /// Calls of the API that were answered, for counting.
    pub requests: AtomicU64,
    peers: Arc<dyn Peers>,
    layers: Layers,
    config: Mutex<Config>,
    cluster_state: Mutex<ClusterState>,
    faults: Mutex<Faults>,
    phase: watch::Sender<Phase>,
    port_open: watch::Sender<bool>,
    opened_at: Mutex<Instant>,
    silent_since: Mutex<BTreeMap<String, Instant>>,
    down_since: Mutex<BTreeMap<String, Instant>>,
    split: Mutex<partition::Split>,
    sync: Mutex<sync::SyncState>,
    /// Members that others have and we have not, at the last look.
    missed: Mutex<BTreeSet<String>>,
    pub(crate) evacuation: Mutex<Option<Machine>>,
    pub(crate) rebalance: Mutex<Option<Rebalance>>,
    pub(crate) donor: Mutex<Option<Donor>>,
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no code panics while it holds a lock of a node")
}

impl Node {
    /// Reads the configuration; nothing runs yet. See [`Node::run`].
    pub fn new(parts: Parts) -> Result<Arc<Self>, BootError> {
        let Parts { profile, layers, etc, volume, clients, peers, timings } = parts;
        let (config, warnings) = Config::boot(profile, &layers)?;
        for warning in warnings {
            tracing::warn!("{warning}");
        }
        let now = Instant::now();
        Ok(Arc::new(Self {
            name: config.node_name().unwrap_or("emqx@127.0.0.1").to_owned(),
            role: if config.is_replicant() { Role::Replicant } else { Role::Core },
            profile,
            etc,
            volume,
            clients,
            timings,
            started: now,
            requests: AtomicU64::new(0),
            peers,
            layers,
            config: Mutex::new(config),
            cluster_state: Mutex::default(),
            faults: Mutex::default(),
            phase: watch::Sender::new(Phase::Booting),
            port_open: watch::Sender::new(false),
            opened_at: Mutex::new(now),
            silent_since: Mutex::default(),
            down_since: Mutex::default(),
            split: Mutex::default(),
            sync: Mutex::default(),
            missed: Mutex::default(),
            evacuation: Mutex::default(),
            rebalance: Mutex::default(),
            donor: Mutex::default(),
        }))
    }

    pub fn config(&self) -> MutexGuard<'_, Config> {
        lock(&self.config)
    }

    pub fn cluster_state(&self) -> MutexGuard<'_, ClusterState> {
        lock(&self.cluster_state)
    }

    pub fn faults(&self) -> Faults {
        *lock(&self.faults)
    }

    pub fn set_faults(&self, faults: Faults) {
        *lock(&self.faults) = faults;
        self.clients.lose_messages(faults.lose_messages);
        self.refresh_port();
    }

    pub fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// Resolves when the node is in the phase.
    pub async fn reaches(&self, phase: Phase) {
        // The sender lives in `self`, so waiting cannot fail.
        let _ = self.phase.subscribe().wait_for(|now| *now == phase).await;
    }

    /// Whether the HTTP port is open; the server follows it.
    pub fn port_open(&self) -> watch::Receiver<bool> {
        self.port_open.subscribe()
    }

    /// True in the moment between the open port and the registered paths.
    pub fn routes_missing(&self) -> bool {
        lock(&self.opened_at).elapsed() < self.timings.routes_missing
    }

    /// A node that has stopped stays so, whatever is still under way in it.
    fn enter(&self, phase: Phase) {
        if phase == Phase::Running {
            *lock(&self.opened_at) = Instant::now();
        }
        self.phase.send_if_modified(|now| {
            let changes = *now != Phase::Stopped && *now != phase;
            if changes {
                *now = phase;
            }
            changes
        });
        self.refresh_port();
    }

    fn refresh_port(&self) {
        let open = self.phase() == Phase::Running && self.faults().http != HttpFault::Refuse;
        self.port_open.send_replace(open);
    }

    pub fn version(&self) -> String {
        let (major, minor, patch) = self.profile.version;
        format!("{major}.{minor}.{patch}")
    }

    pub fn uptime_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// Epoch seconds.
pub(crate) fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}
