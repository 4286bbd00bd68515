//! Probes ask ports that their container declares.

use super::{Fault, fault};
use crate::manifests::objects::{Variant, list, shown};
use serde_json::Value;

pub(super) fn check(variant: &Variant) -> Vec<Fault> {
    let mut faults = Vec::new();
    for pod in variant.pods() {
        for (index, container) in pod.containers().iter().enumerate() {
            for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
                for action in ["httpGet", "tcpSocket", "grpc"] {
                    let port = &container[probe][action]["port"];
                    if !port.is_null() && !declares(container, port) {
                        let field = format!("{}.containers[{index}].{probe}.{action}.port", pod.path);
                        let problem = format!("the container has no port {}", shown(port));
                        faults.push(fault(pod.owner, field, problem, format!("name one of: {}", pod.declared())));
                    }
                }
            }
        }
    }
    faults
}

fn declares(container: &Value, port: &Value) -> bool {
    let mut ports = list(&container["ports"]).iter();
    ports.any(|declared| declared["name"] == *port || declared["containerPort"] == *port)
}
