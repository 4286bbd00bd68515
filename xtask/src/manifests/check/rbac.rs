//! The operator may do what it does, where it does it, and nothing else.

use super::{Fault, fault};
use crate::manifests::objects::{Object, Pod, Variant, flag, list, shown};
use crate::manifests::verbs::{Section, UsedVerbs};
use serde_json::Value;
use std::collections::BTreeMap;

/// Where something may be done: in one namespace, or everywhere.
type Place = Option<String>;
type Permission = (Place, String, String);

/// How the name of the role ends that lets the operator run commands in pods; no other role may.
const PODS_EXEC_ROLE: &str = "pods-exec-role";

pub(super) fn check(variant: &Variant, used: &UsedVerbs) -> Vec<Fault> {
    variant.pods().into_iter().filter(|pod| pod.is_operator()).flat_map(|pod| of_operator(variant, pod, used)).collect()
}

fn of_operator(variant: &Variant, pod: Pod<'_>, used: &UsedVerbs) -> Vec<Fault> {
    let granted = granted(variant, pod);
    let needed = needed(variant, pod, used);
    let missing = needed.iter().filter(|(permission, _)| !granted.contains_key(*permission)).map(|(permission, ())| {
        let problem = format!("{} may not {}, which the operator does", pod.service_account(), describe(permission));
        fault(
            pod.owner,
            format!("{}.serviceAccountName", pod.path),
            problem,
            "add the verb to a role that is bound to it",
        )
    });
    let unused =
        granted.iter().filter(|(permission, _)| !needed.contains_key(*permission)).map(|(permission, role)| {
            let next = "remove the verb, or list it with `cargo xtask manifests verbs` when a test has seen it used";
            fault(role, "rules", format!("the operator never does: {}", describe(permission)), next)
        });
    missing.chain(unused).collect()
}

fn describe((place, resource, verb): &Permission) -> String {
    match place {
        Some(namespace) => format!("{verb} {resource} in namespace {namespace}"),
        None => format!("{verb} {resource} in all namespaces"),
    }
}

/// What the roles that are bound to the pod's account give, and which role does.
fn granted<'a>(variant: &'a Variant, pod: Pod<'_>) -> BTreeMap<Permission, &'a Object> {
    let mut granted = BTreeMap::new();
    for binding in bindings(variant, pod) {
        let kind = binding.text("/roleRef/kind");
        let namespace = if kind == "ClusterRole" { "" } else { binding.namespace() };
        let role = variant.find(kind, namespace, binding.text("/roleRef/name"));
        for (role, rule) in role.iter().flat_map(|role| role.list("/rules").iter().map(move |r| (*role, r))) {
            granted.extend(permissions(rule).map(|(resource, verb)| ((place(binding), resource, verb), role)));
        }
    }
    granted
}

/// What binds roles to the pod's account.
fn bindings<'a>(variant: &'a Variant, pod: Pod<'_>) -> impl Iterator<Item = &'a Object> {
    variant.objects.iter().filter(|object| object.kind().ends_with("RoleBinding")).filter(move |binding| {
        binding.list("/subjects").iter().any(|subject| {
            subject["kind"] == "ServiceAccount"
                && subject["name"] == pod.service_account()
                && subject["namespace"] == pod.owner.namespace()
        })
    })
}

/// Where a binding gives what its role says.
fn place(binding: &Object) -> Place {
    (binding.kind() == "RoleBinding").then(|| binding.namespace().to_owned())
}

fn permissions(rule: &Value) -> impl Iterator<Item = (String, String)> {
    let groups = list(&rule["apiGroups"]).iter().map(|group| match group.as_str() {
        Some("") => "core".to_owned(),
        _ => shown(group),
    });
    let resources =
        groups.flat_map(|group| list(&rule["resources"]).iter().map(move |r| format!("{group}/{}", shown(r))));
    let urls = list(&rule["nonResourceURLs"]).iter().map(shown);
    resources
        .chain(urls)
        .flat_map(|resource| list(&rule["verbs"]).iter().map(move |verb| (resource.clone(), shown(verb))))
}

/// What the operator does when it runs with these flags, and where the user lets it run commands in pods.
fn needed(variant: &Variant, pod: Pod<'_>, used: &UsedVerbs) -> BTreeMap<Permission, ()> {
    let own = vec![Some(pod.owner.namespace().to_owned())];
    let mut needed = BTreeMap::new();
    for (section, resources) in used.sections() {
        let places = match section {
            Section::Watched => watched(pod),
            Section::PodsExec => commands(variant, pod),
            Section::LeaderElection if has(pod, "--leader-elect") => own.clone(),
            Section::MetricsCertificates if has(pod, "--metrics-secure") && !has(pod, "--metrics-cert-dir") => {
                own.clone()
            }
            Section::MetricsAuthentication if has(pod, "--metrics-secure") || has(pod, "--secure-listen-address") => {
                vec![None]
            }
            Section::LeaderElection | Section::MetricsCertificates | Section::MetricsAuthentication => vec![],
        };
        for place in &places {
            for (resource, verbs) in &resources {
                needed.extend(verbs.iter().map(|verb| ((place.clone(), resource.clone(), verb.clone()), ())));
            }
        }
    }
    needed
}

/// Where the role for commands in pods is bound.
fn commands(variant: &Variant, pod: Pod<'_>) -> Vec<Place> {
    bindings(variant, pod).filter(|b| b.text("/roleRef/name").ends_with(PODS_EXEC_ROLE)).map(place).collect()
}

fn has(pod: Pod<'_>, name: &str) -> bool {
    flag(pod.containers(), name).is_some()
}

fn watched(pod: Pod<'_>) -> Vec<Place> {
    let variables = pod.containers().iter().flat_map(|container| list(&container["env"]));
    let from_variable = variables
        .filter(|variable| variable["name"] == "WATCH_NAMESPACE")
        .find_map(|variable| variable["value"].as_str());
    let list = flag(pod.containers(), "--watch-namespaces").or(from_variable).unwrap_or_default();
    let names: Vec<_> = list.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    if names.is_empty() { vec![None] } else { names.into_iter().map(|name| Some(name.to_owned())).collect() }
}
