//! Puts checked roots in force. A given root was filled with schema defaults before it is merged or replaced, so fields
//! that a request leaves out fall back to their defaults. A refused root does not stop the others.

use super::Config;
use super::error::ConfigError;
use super::hocon;
use super::listeners::{Listener, ListenerChanges, running};
use super::value::merge;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Merge,
    Replace,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Merge => "merge",
            Self::Replace => "replace",
        })
    }
}

/// What is now in force; the node layer acts on it, stores `cluster.hocon` and sends `roots` to its peers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Applied {
    /// Whole effective roots, for `Config::adopt` on the other nodes.
    pub roots: Map<String, Value>,
    pub listeners: ListenerChanges,
}

impl Applied {
    /// Whether the HTTP listeners of the API must be looked at again.
    pub fn changes_dashboard(&self) -> bool {
        self.roots.contains_key("dashboard")
    }

    pub fn changes_gateways(&self) -> bool {
        self.roots.contains_key("gateway")
    }
}

/// Asked for each listener that would start; an error text such as `eaddrinuse` refuses the root.
pub type StartCheck<'a> = &'a mut dyn FnMut(&Listener) -> Result<(), String>;

const FIRST: [&str; 4] = ["connectors", "actions", "sources", "rule_engine"];

impl Config {
    /// Puts checked and filled roots in force.
    pub(super) fn apply_all(
        &mut self,
        filled: BTreeMap<String, Value>,
        mode: Mode,
        can_start: StartCheck<'_>,
    ) -> Result<Applied, ConfigError> {
        let mut roots: Vec<_> = filled.into_iter().collect();
        // Stable: the rest stays in alphabetical order.
        roots.sort_by_key(|(root, _)| FIRST.iter().position(|first| first == root).unwrap_or(FIRST.len()));
        let (mut applied, mut refusals) = (Applied::default(), Vec::new());
        for (root, value) in roots {
            match self.apply(&root, value.clone(), mode, can_start) {
                Ok(one) => applied.absorb(one),
                Err(reason) => refusals.push(self.refusal(&root, &value, mode, &reason)),
            }
        }
        if refusals.is_empty() {
            return Ok(applied);
        }
        Err(ConfigError::Refused { text: refusals.join("\n"), applied })
    }

    /// Applies one root, or returns EMQX's refusal.
    pub(super) fn apply(
        &mut self,
        root: &str,
        filled: Value,
        mode: Mode,
        can_start: StartCheck<'_>,
    ) -> Result<Applied, String> {
        let old = self.effective.get(root).cloned();
        let new = match (mode, &old) {
            (Mode::Merge, Some(old)) => merge(old.clone(), filled),
            (Mode::Merge, None) | (Mode::Replace, _) => filled,
        };
        if root == "durable_sessions" && old.as_ref().and_then(|old| old.get("enable")) != new.get("enable") {
            return Err("{pre_config_update,emqx_persistent_message,\n                           \"Hot update of durable_sessions.enable parameter is currently not supported\"}".to_owned());
        }
        if root == "listeners" {
            refuse_missing_files(&new)?;
            refuse_unstartable(&ListenerChanges::between(old.as_ref(), Some(&new)), can_start)?;
        }
        Ok(self.adopt(Map::from_iter([(root.to_owned(), new)])))
    }

    /// Puts whole roots in force that were checked elsewhere: by `put` here, or by the node that took the request.
    pub fn adopt(&mut self, roots: Map<String, Value>) -> Applied {
        let mut listeners = ListenerChanges::default();
        if let Some(new) = roots.get("listeners") {
            listeners = ListenerChanges::between(self.effective.get("listeners"), Some(new));
        }
        for (root, value) in &roots {
            self.effective.insert(root.clone(), value.clone());
            let stored = if root == "listeners" { self.with_deletions(value) } else { value.clone() };
            self.stored.insert(root.clone(), stored);
        }
        Applied { roots, listeners }
    }

    /// The text to keep as `data/configs/cluster.hocon`: base and cluster layer with every updated root whole.
    pub fn cluster_hocon(&self) -> String {
        hocon::print(&self.stored)
    }

    fn refusal(&self, root: &str, filled: &Value, mode: Mode, reason: &str) -> String {
        let effective = self.effective.get(root).map(|value| hocon::print_root(root, value)).unwrap_or_default();
        let tried = hocon::print_root(root, filled);
        format!(
            "The effective configurations:\n```\n{effective}```\n\nTry to {mode} with:\n```\n{tried}```\n\nCan't {mode} the new configurations!\nRoot key: {root}\nReason: {reason}\n"
        )
    }
}

impl Applied {
    fn absorb(&mut self, other: Self) {
        let Self { roots, listeners } = other;
        self.roots.extend(roots);
        self.listeners.started.extend(listeners.started);
        self.listeners.stopped.extend(listeners.stopped);
    }
}

/// Certificates and keys are read before anything is changed, also those of listeners that stay. What EMQX brings along is
/// there.
fn refuse_missing_files(listeners: &Value) -> Result<(), String> {
    for listener in running(Some(listeners)) {
        let options = listener.config.get("ssl_options");
        for option in ["cacertfile", "certfile", "keyfile"] {
            let file = options.and_then(|options| options[option].as_str()).unwrap_or_default();
            let given = file.starts_with('/') && !Path::new(file).exists();
            if given {
                return Err(format!(
                    "{{pre_config_update,emqx_listeners,\n    {{bad_ssl_config,\n        #{{file => <<\"{file}\">>,file_read => enoent,pem_check => invalid_pem,\n          which_option => <<\"{option}\">>}}}}}}"
                ));
            }
        }
    }
    Ok(())
}

fn refuse_unstartable(changes: &ListenerChanges, can_start: StartCheck<'_>) -> Result<(), String> {
    for listener in &changes.started {
        can_start(listener).map_err(|reason| {
            format!(
                "{{post_config_update,emqx_listeners,\n            {{failed_to_start,\n                \"{}({}) : {{shutdown,{{failed_to_start_child,listener,{reason}}}}}\"}}}}",
                listener.id(),
                listener.bind
            )
        })?;
    }
    Ok(())
}
