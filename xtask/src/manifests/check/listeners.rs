//! Declared ports are those that the programs listen on, as their flags say. A port that is declared and that nobody
//! listens on looks right to every other rule.

use super::{Fault, fault};
use crate::manifests::objects::{Pod, Variant, flag, list};
use serde_json::Value;
use std::collections::BTreeSet;

/// Flags that make the operator or kube-rbac-proxy listen, with what they mean when they are not given.
const ADDRESSES: [(&str, &str, Option<&str>); 3] = [
    ("--metrics-bind-address", "--health-probe-bind-address", Some(":8080")),
    ("--health-probe-bind-address", "--health-probe-bind-address", None),
    ("--secure-listen-address", "--secure-listen-address", None),
];
const PROXY_HEALTH: &str = "--proxy-endpoints-port";

pub(super) fn check(variant: &Variant) -> Vec<Fault> {
    let pods = variant.pods().into_iter().filter(|pod| pod.is_operator());
    pods.flat_map(|pod| pod.containers().iter().enumerate().flat_map(move |(index, c)| of_container(pod, index, c)))
        .collect()
}

fn of_container(pod: Pod<'_>, index: usize, container: &Value) -> Vec<Fault> {
    let listening = listening(container);
    let declared: BTreeSet<_> = list(&container["ports"]).iter().filter_map(|p| p["containerPort"].as_u64()).collect();
    let field = format!("{}.containers[{index}].ports", pod.path);
    let not_declared = listening.difference(&declared).map(|port| {
        let problem = format!("the container listens on {port}, which is not declared");
        fault(pod.owner, &field, problem, "declare the port, or change the flag that opens it")
    });
    let nobody = declared.difference(&listening).map(|port| {
        let problem = format!("no flag of the container opens port {port}");
        fault(pod.owner, &field, problem, "delete the port, or set the flag that opens it")
    });
    not_declared.chain(nobody).collect()
}

/// The ports that others can reach: loopback is nobody's business.
fn listening(container: &Value) -> BTreeSet<u64> {
    let containers = std::slice::from_ref(container);
    let addresses = ADDRESSES.iter().filter_map(|(name, of_program, default)| {
        flag(containers, of_program)?;
        flag(containers, name).or(*default)
    });
    let mut ports: BTreeSet<_> = addresses.filter_map(open_port).collect();
    ports.extend(flag(containers, PROXY_HEALTH).and_then(|port| port.parse::<u64>().ok()));
    ports
}

fn open_port(address: &str) -> Option<u64> {
    let (host, port) = address.rsplit_once(':')?;
    let loopback = host.starts_with("127.") || host == "localhost" || host == "[::1]";
    if loopback { None } else { port.parse().ok() }
}
