//! The three Services of a cluster: one by which nodes find each other, two for users.

use super::Wanted;
use super::dashboard_ports;
use super::labels;
use super::manifest::Manifest;
use crate::desired::{DISTRIBUTION_PORT, Desired, Role};
use crate::reason::Reason;
use crate::world::{HTTP_PORT, HTTPS_PORT, Kind, ObjectId};
use emqx_operator_api::hub::ServiceTemplate;
use emqx_operator_api::label;
use k8s_openapi::api::core::v1::{ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::json;
use std::collections::BTreeMap;

/// By which cores find each other. It lists pods before they are ready: they get ready by finding each other.
pub fn headless(desired: &Desired) -> Manifest {
    let key = (Kind::Service, desired.names.headless_service(), String::new());
    desired.built.manifests.get(key, || build_headless(desired))
}

fn build_headless(desired: &Desired) -> Manifest {
    let port = |name: &str, port| service_port(name, port, "TCP", IntOrString::Int(port), None);
    let spec = ServiceSpec {
        cluster_ip: Some("None".to_owned()),
        publish_not_ready_addresses: Some(true),
        selector: Some(labels::selector(&desired.names, Role::Core)),
        ports: Some(vec![port(DISTRIBUTION_PORT, 4370), port("gen-rpc", 5369)]),
        ..ServiceSpec::default()
    };
    let labels = labels::common(&desired.names);
    let name = desired.names.headless_service();
    Manifest::new(desired, Kind::Service, name, &labels, &BTreeMap::new(), json!({ "spec": spec }))
}

/// In front of the dashboard and the API of the cores.
pub fn dashboard(desired: &Desired) -> Wanted {
    let key = (desired.names.dashboard_service(), Role::Core, None);
    desired.built.wanted.get(key, || build_dashboard(desired))
}

fn build_dashboard(desired: &Desired) -> Wanted {
    let ports = desired.config.dashboard;
    let names = dashboard_ports::names(ports, &desired.cores);
    let named = [(HTTP_PORT, names.http, ports.http), (HTTPS_PORT, names.https, ports.https)];
    let ports = named
        .into_iter()
        .filter_map(|(name, target, port)| {
            let target = IntOrString::String(target);
            port.map(|port| service_port(name, port.into(), "TCP", target, None))
        })
        .collect();
    service(desired, desired.names.dashboard_service(), &desired.services.dashboard, ports, Role::Core, None)
}

/// In front of the MQTT listeners and gateways, of cores or replicants: of all of them, or of one set.
pub fn listeners(desired: &Desired, role: Role, hash: Option<&str>) -> Wanted {
    let key = (desired.names.listeners_service(), role, hash.map(str::to_owned));
    desired.built.wanted.get(key, || build_listeners(desired, role, hash))
}

fn build_listeners(desired: &Desired, role: Role, hash: Option<&str>) -> Wanted {
    let ports = desired
        .config
        .listeners
        .iter()
        .map(|listener| {
            let port = listener.port.into();
            let target = IntOrString::Int(port);
            service_port(&listener.name, port, listener.transport.as_str(), target, listener.app_protocol)
        })
        .collect();
    service(desired, desired.names.listeners_service(), &desired.services.listeners, ports, role, hash)
}

fn service(
    desired: &Desired,
    name: String,
    template: &ServiceTemplate,
    ports: Vec<ServicePort>,
    role: Role,
    hash: Option<&str>,
) -> Wanted {
    let id = ObjectId { kind: Kind::Service, name };
    let mut spec = template.spec.clone().unwrap_or_default();
    let ports = merge(ports, spec.ports.take().unwrap_or_default());
    // A Service without ports is refused by Kubernetes.
    if !template.enabled || ports.is_empty() {
        return Wanted::Absent { id, because: Reason::Converged };
    }
    spec.ports = Some(ports);
    let mut selector = labels::selector(&desired.names, role);
    selector.extend(hash.map(|hash| (label::POD_TEMPLATE_HASH.to_owned(), hash.to_owned())));
    spec.selector = Some(selector);
    // Set explicitly, so that a change back from LoadBalancer takes effect.
    spec.type_.get_or_insert_with(|| "ClusterIP".to_owned());
    let metadata = template.metadata.clone().unwrap_or_default();
    let mut labels = metadata.labels;
    labels.extend(labels::common(&desired.names));
    Wanted::Present(Manifest::new(
        desired,
        Kind::Service,
        id.name,
        &labels,
        &metadata.annotations,
        json!({ "spec": spec }),
    ))
}

/// The operator's ports with the user's over them: one with the same name, or the same number and protocol, is replaced.
fn merge(mut ours: Vec<ServicePort>, users: Vec<ServicePort>) -> Vec<ServicePort> {
    for mut user in users {
        user.protocol.get_or_insert_with(|| "TCP".to_owned());
        let same =
            |port: &&ServicePort| port.name == user.name || (port.port == user.port && port.protocol == user.protocol);
        if let Some(replaced) = ours.iter().find(same) {
            // A user who changes the number of a port means the port of the Service.
            user.target_port = user.target_port.or_else(|| replaced.target_port.clone());
            user.app_protocol = user.app_protocol.or_else(|| replaced.app_protocol.clone());
        }
        ours.retain(|port| !same(&port));
        ours.push(user);
    }
    ours
}

fn service_port(name: &str, port: i32, protocol: &str, target: IntOrString, app_protocol: Option<&str>) -> ServicePort {
    ServicePort {
        name: Some(name.to_owned()),
        port,
        protocol: Some(protocol.to_owned()),
        target_port: Some(target),
        app_protocol: app_protocol.map(str::to_owned),
        ..ServicePort::default()
    }
}
