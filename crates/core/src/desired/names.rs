//! Names of Kubernetes objects and EMQX nodes. They are built only here, and they never change: volumes,
//! sessions and shards depend on them.

use super::errors::{Mistake, Mistakes};
use emqx_operator_api::hub::{EMQX, UpdateStrategyType};
use serde::Serialize;
use std::fmt;

/// The key of the operator's own API key, the same as the Go operator's.
pub const OPERATOR_API_KEY: &str = "emqx-operator-controller";

/// The port of the headless Service by which the cores find each other.
pub(crate) const DISTRIBUTION_PORT: &str = "erlang-dist";

/// StatefulSets label their pods with `<set>-<hash of 10>`, which may have 63 characters; the set is `<name>-core`.
const LONGEST_NAME: usize = 63 - "-core-".len() - 10;

/// Blue-green puts another hash of 10 between the two.
const LONGEST_NAME_BLUE_GREEN: usize = LONGEST_NAME - 1 - 10;

/// The names of everything that belongs to one cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Names {
    pub namespace: String,
    pub instance: String,
    pub cluster_domain: String,
}

/// The name of an EMQX node, such as `emqx@iot-core-0.iot-headless.default.svc.cluster.local`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct NodeName(pub String);

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Names {
    pub(super) fn resolve(cr: &EMQX) -> Result<Names, Mistakes> {
        let instance = cr.metadata.name.clone().unwrap_or_default();
        check_instance(&instance)?;
        let blue_green = cr.spec.update_strategy.strategy == UpdateStrategyType::BlueGreen;
        if blue_green && instance.len() > LONGEST_NAME_BLUE_GREEN {
            let problem = format!(
                "BlueGreen adds a hash to the name '{instance}' of {} characters; at most {LONGEST_NAME_BLUE_GREEN} fit, \
                 so use RollingUpdate",
                instance.len()
            );
            return Err(Mistake::invalid("spec.updateStrategy.type", problem).into());
        }
        Ok(Names {
            namespace: cr.metadata.namespace.clone().unwrap_or_default(),
            instance,
            cluster_domain: cr.spec.cluster_domain.clone(),
        })
    }

    fn of(&self, suffix: &str) -> String {
        format!("{}-{suffix}", self.instance)
    }

    /// The set that a cluster begins with.
    pub fn core_set(&self) -> String {
        self.of("core")
    }

    /// A second core set, for blue-green.
    pub fn core_set_beside(&self, hash: &str) -> String {
        format!("{}-core-{hash}", self.instance)
    }

    /// What [`Names::core_set_beside`] was given.
    pub fn hash_of_core_set<'a>(&self, set: &'a str) -> Option<&'a str> {
        set.strip_prefix(&self.core_set())?.strip_prefix('-')
    }

    pub fn replicant_set(&self, hash: &str) -> String {
        format!("{}-replicant-{hash}", self.instance)
    }

    pub fn headless_service(&self) -> String {
        self.of("headless")
    }

    pub fn dashboard_service(&self) -> String {
        self.of("dashboard")
    }

    pub fn listeners_service(&self) -> String {
        self.of("listeners")
    }

    pub fn config_map(&self) -> String {
        self.of("configs")
    }

    /// Holds `base.hocon` and `emqx.conf` instead of the ConfigMap when the configuration contains secrets.
    pub fn config_secret(&self) -> String {
        self.of("secret-configs")
    }

    /// The Secret with the templates that last worked.
    pub fn last_good(&self) -> String {
        Names::last_good_of(&self.instance)
    }

    /// The same, before the resource was validated.
    pub fn last_good_of(resource: &str) -> String {
        format!("{resource}-last-good")
    }

    pub fn cookie_secret(&self) -> String {
        self.of("node-cookie")
    }

    pub fn api_key_secret(&self) -> String {
        self.of("bootstrap-api-key")
    }

    pub fn core_budget(&self) -> String {
        self.of("core")
    }

    pub fn replicant_budget(&self) -> String {
        self.of("replicant")
    }

    pub fn data_volume(&self) -> String {
        self.of("core-data")
    }

    pub fn log_volume(&self, role: &str) -> String {
        format!("{}-{role}-log", self.instance)
    }

    pub fn replicant_data_volume(&self) -> String {
        self.of("replicant-data")
    }

    /// The DNS domain in which every core has its name.
    pub fn discovery_domain(&self) -> String {
        format!("{}.{}.svc.{}", self.headless_service(), self.namespace, self.cluster_domain)
    }

    /// The DNS name under which the cores find each other: one port of the headless Service, since the bare name has one
    /// record for each core and port.
    pub fn discovery_name(&self) -> String {
        format!("_{DISTRIBUTION_PORT}._tcp.{}", self.discovery_domain())
    }

    /// The EMQX node in a core pod.
    pub fn core_node(&self, pod: &str) -> NodeName {
        NodeName(format!("emqx@{pod}.{}", self.discovery_domain()))
    }

    /// The number of the core of this set that an EMQX node is in, if it is in one.
    pub(crate) fn ordinal_of_core(&self, set: &str, node: &NodeName) -> Option<i32> {
        let pod = node.0.strip_prefix("emqx@")?.strip_suffix(&self.discovery_domain())?.strip_suffix('.')?;
        let ordinal = pod.strip_prefix(set)?.strip_prefix('-')?.parse().ok()?;
        // Numbers have only one spelling.
        (*node == self.core_node(&format!("{set}-{ordinal}"))).then_some(ordinal)
    }

    /// The EMQX node in a replicant pod.
    pub fn replicant_node(&self, pod_ip: &str) -> NodeName {
        NodeName(format!("emqx@{pod_ip}"))
    }
}

fn check_instance(name: &str) -> Result<(), Mistakes> {
    let path = "metadata.name";
    if name.len() > LONGEST_NAME {
        return Err(Mistake::invalid(
            path,
            format!(
                "has {} characters; pods and Services derive their names from it, so at most {LONGEST_NAME} fit",
                name.len()
            ),
        )
        .into());
    }
    let starts_with_letter = name.starts_with(|c: char| c.is_ascii_lowercase());
    let service_name = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if !(starts_with_letter && service_name) {
        return Err(Mistake::invalid(
            path,
            "Services derive their names from it: start with a letter and use lower-case letters, digits and '-' only",
        )
        .into());
    }
    Ok(())
}
