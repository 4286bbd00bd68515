//! No two ports of a pod or of a Service share a name, and none has a name that Kubernetes refuses.

use super::{Fault, fault};
use crate::manifests::objects::{Object, Variant, list};
use serde_json::Value;
use std::collections::BTreeSet;

/// Longest name of a container port.
const LIMIT: usize = 15;

pub(super) fn check(variant: &Variant) -> Vec<Fault> {
    let mut faults = Vec::new();
    for pod in variant.pods() {
        let ports = pod.containers().iter().enumerate().flat_map(|(container, spec)| {
            let path = format!("{}.containers[{container}]", pod.path);
            list(&spec["ports"]).iter().enumerate().map(move |(port, v)| (format!("{path}.ports[{port}]"), v))
        });
        faults.extend(shared(pod.owner, ports.collect(), "containerPort"));
    }
    for service in variant.of_kind("Service") {
        let ports = service.list("/spec/ports").iter().enumerate();
        faults.extend(shared(service, ports.map(|(i, port)| (format!("spec.ports[{i}]"), port)).collect(), "port"));
    }
    faults
}

fn shared(object: &Object, ports: Vec<(String, &Value)>, number: &str) -> Vec<Fault> {
    let (mut names, mut numbers, mut faults) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
    for (path, port) in &ports {
        let name = port["name"].as_str().unwrap_or_default();
        let field = format!("{path}.name");
        if name.is_empty() {
            faults.push(fault(object, &field, "the port has no name", "give it one, and refer to it by name"));
        } else if !names.insert(name) {
            faults.push(fault(
                object,
                &field,
                format!("another port is called {name}, too"),
                "give each a name of its own",
            ));
        } else if number == "containerPort" && name.len() > LIMIT {
            faults.push(fault(
                object,
                &field,
                format!("{name} is too long"),
                format!("use at most {LIMIT} characters"),
            ));
        }
        let protocol = port["protocol"].as_str().unwrap_or("TCP");
        if !numbers.insert((port[number].to_string(), protocol)) {
            let problem = format!("port {} is there twice", port[number]);
            faults.push(fault(object, format!("{path}.{number}"), problem, "remove one of them"));
        }
    }
    faults
}
