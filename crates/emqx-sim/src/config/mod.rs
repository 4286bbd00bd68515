//! Configuration of an EMQX node: layers at boot, hot updates, and the answers of the API about it.
//!
//! Pure but for [`Layers::load`] and [`save_cluster_hocon`]: no clock, no sockets. How a node uses it:
//!
//! 1. `let (mut config, warnings) = Config::boot(profile, &Layers::load(etc, data, std::env::vars().collect())?)?`;
//!    log the warnings, exit with 1 on an error. `"5.10.4".parse::<Profile>()` makes a profile.
//! 2. Open [`Config::dashboard_listeners`], start the enabled [`Config::listeners`] and [`Config::gateway_listeners`];
//!    `settings.rs` lists the accessors for node, cluster, licence and durable storage.
//! 3. `PUT /configs`: [`Config::put`] with a closure that tries to bind each listener about to start
//!    (`Err("eaddrinuse".into())` refuses). Success is `Answer::empty(200)`, failure `error.answer(profile)`.
//! 4. After `Ok(applied)`, **and** for the `applied` inside [`ConfigError::Refused`]: start and stop
//!    `applied.listeners` (stopped first), save [`Config::cluster_hocon`], and let every running peer call
//!    [`Config::adopt`] with `applied.roots` and do the same. The same holds for `put_root`, `put_listener`,
//!    `delete_listener` and `put_gateway`.
//! 5. A booting node beside a running core saves that core's `cluster_hocon()` first, then boots.
//!
//! Reads return an [`Answer`] (status, content type, body): `get_text`, `get_json`, `get_root`, `get_global_zone`,
//! `get_listeners`, `get_listener`, `get_listeners_status`, `get_gateways`, `get_gateway_listeners`.
//! What is known about fields is derived from recordings; `schema.rs` states the limit.

mod answer;
mod boot;
mod check;
mod environment;
mod error;
mod gateways;
pub mod hocon;
mod kind;
mod listeners;
mod profile;
mod put;
mod read;
mod schema;
mod settings;
mod store;
mod update;
mod value;

#[cfg(test)]
mod tests;

pub use answer::Answer;
pub use boot::{BootError, Layers};
pub use check::Problem;
pub use error::ConfigError;
pub use gateways::GatewayListener;
pub use listeners::{Bind, Listener, ListenerChanges, ListenerRuntime, NodeListeners};
pub use profile::{Edition, Profile};
pub use put::Put;
pub use read::unknown_node;
pub use settings::{DashboardListener, TlsFiles};
pub use store::save_cluster_hocon;
pub use update::{Applied, Mode, StartCheck};

use serde_json::{Map, Value};

/// The configuration of one node, as it is in force.
#[derive(Debug, Clone)]
pub struct Config {
    profile: Profile,
    schema: &'static schema::Schema,
    effective: Map<String, Value>,
    /// Base and cluster layer with all hot updates: the next `cluster.hocon`.
    stored: Map<String, Value>,
}

impl Config {
    pub fn profile(&self) -> Profile {
        self.profile
    }
}
