//! A ServiceMonitor scrapes a port that the Service has, in the way that the port is served.

use super::{Fault, fault};
use crate::manifests::objects::{Object, Variant, has_labels, shown};
use serde_json::Value;

pub(super) fn check(variant: &Variant) -> Vec<Fault> {
    let mut faults = Vec::new();
    for monitor in variant.of_kind("ServiceMonitor") {
        let labels = monitor.at("/spec/selector/matchLabels");
        let selected = |service: &&Object| {
            service.namespace() == monitor.namespace() && has_labels(service.at("/metadata/labels"), labels)
        };
        for service in variant.of_kind("Service").filter(selected) {
            for (index, endpoint) in monitor.list("/spec/endpoints").iter().enumerate() {
                faults.extend(of_endpoint(monitor, service, index, endpoint));
            }
        }
    }
    faults
}

fn of_endpoint(monitor: &Object, service: &Object, index: usize, endpoint: &Value) -> Option<Fault> {
    let ports = service.list("/spec/ports");
    let Some(port) = ports.iter().find(|port| port["name"].is_string() && port["name"] == endpoint["port"]) else {
        let names: Vec<_> = ports.iter().map(|port| shown(&port["name"])).collect();
        return Some(fault(
            monitor,
            format!("spec.endpoints[{index}].port"),
            format!("{} has no port called {}", service.describe(), shown(&endpoint["port"])),
            format!("name one that it has: {}", names.join(", ")),
        ));
    };
    let scheme = endpoint["scheme"].as_str().unwrap_or("http");
    let served = if port["name"] == "https" { "https" } else { "http" };
    (scheme != served).then(|| {
        let problem = format!("port {} is served over {served}, not {scheme}", shown(&port["name"]));
        fault(monitor, format!("spec.endpoints[{index}].scheme"), problem, format!("set it to {served}"))
    })
}
