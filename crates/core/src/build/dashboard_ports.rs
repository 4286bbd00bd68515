//! The container ports of the dashboard. Kubernetes keeps ports by their number, so a port of the user with the number of
//! the dashboard is the dashboard's: it keeps the name that the user gave it, because a PodMonitor uses that name, and probes
//! and Services refer to it. An annotation of the pod has the name, since the number may change in a rollout.

use crate::desired::{DashboardPorts, Desired, PoolSpec};
use crate::world::{HTTP_PORT, HTTPS_PORT};
use k8s_openapi::api::core::v1::ContainerPort;

/// The names of both ports in the pods of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PortNames {
    pub(super) http: String,
    pub(super) https: String,
}

pub(super) fn names(dashboard: DashboardPorts, pool: &PoolSpec) -> PortNames {
    let name = |ours: &str, number: Option<u16>| {
        let theirs = number.and_then(|number| pool.template.ports.iter().find(|port| has_number(port, number)));
        theirs.and_then(|port| port.name.as_deref()).filter(|name| !name.is_empty()).unwrap_or(ours).to_owned()
    };
    PortNames { http: name(HTTP_PORT, dashboard.http), https: name(HTTPS_PORT, dashboard.https) }
}

/// What the annotation of the pods says, where the user has named one: `NAME OF THE OPERATOR=NAME OF THE USER`.
pub(super) fn renamed(names: &PortNames) -> Option<String> {
    let both = [(HTTP_PORT, &names.http), (HTTPS_PORT, &names.https)];
    let renamed: Vec<_> =
        both.into_iter().filter(|(ours, name)| ours != name).map(|(ours, name)| format!("{ours}={name}")).collect();
    (!renamed.is_empty()).then(|| renamed.join(","))
}

/// The ports of the EMQX container: the user's, and the dashboard's where the user has none with its number.
pub(super) fn container_ports(desired: &Desired, pool: &PoolSpec) -> Vec<ContainerPort> {
    let dashboard = desired.config.dashboard;
    let mut ports = pool.template.ports.clone();
    for (name, number) in [(HTTP_PORT, dashboard.http), (HTTPS_PORT, dashboard.https)] {
        let Some(number) = number else { continue };
        match ports.iter_mut().find(|port| has_number(port, number)) {
            Some(port) => {
                port.name.get_or_insert_with(|| name.to_owned());
            }
            None => ports.push(ContainerPort {
                name: Some(name.to_owned()),
                container_port: number.into(),
                protocol: Some("TCP".to_owned()),
                ..ContainerPort::default()
            }),
        }
    }
    ports
}

/// Kubernetes takes a port without a protocol for TCP.
fn has_number(port: &ContainerPort, number: u16) -> bool {
    port.container_port == i32::from(number) && port.protocol.as_deref().is_none_or(|protocol| protocol == "TCP")
}
