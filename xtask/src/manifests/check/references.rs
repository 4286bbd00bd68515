//! What an object refers to by name is part of the installation, made by one of its parts, or listed here as the user's.

use super::{Fault, fault};
use crate::manifests::objects::{Object, Variant, flag, list};
use serde_json::Value;

/// A reference: kind, namespace, name, and the field that makes it.
struct Reference<'a> {
    kind: &'a str,
    namespace: &'a str,
    name: &'a str,
    field: String,
}

/// ServiceAccounts that every namespace has.
const DEFAULT_ACCOUNT: &str = "default";
/// Where the operator keeps the authority of certificates that it makes.
const METRICS_CA: &str = "emqx-operator-metrics-ca";

pub(super) fn check(variant: &Variant) -> Vec<Fault> {
    let mut faults = Vec::new();
    for object in &variant.objects {
        for reference in references(object) {
            let Reference { kind, namespace, name, field } = reference;
            if !exists(variant, kind, namespace, name) {
                let place = if namespace.is_empty() { String::new() } else { format!("{namespace}/") };
                let next = "add the object, or correct the name";
                faults.push(fault(object, field, format!("there is no {kind} {place}{name}"), next));
            }
        }
    }
    faults
}

fn exists(variant: &Variant, kind: &str, namespace: &str, name: &str) -> bool {
    variant.find(kind, namespace, name).is_some()
        || (kind == "ServiceAccount" && name == DEFAULT_ACCOUNT)
        || (kind == "Secret"
            && (made_by_certificate(variant, namespace, name) || made_by_operator(variant, namespace, name)))
}

fn made_by_certificate(variant: &Variant, namespace: &str, name: &str) -> bool {
    variant.of_kind("Certificate").any(|c| c.namespace() == namespace && c.text("/spec/secretName") == name)
}

fn made_by_operator(variant: &Variant, namespace: &str, name: &str) -> bool {
    let makes =
        |containers| flag(containers, "--metrics-secure").is_some() && flag(containers, "--metrics-cert-dir").is_none();
    name == METRICS_CA && variant.pods().iter().any(|pod| pod.owner.namespace() == namespace && makes(pod.containers()))
}

fn references(object: &Object) -> Vec<Reference<'_>> {
    match object.kind() {
        "RoleBinding" | "ClusterRoleBinding" => of_binding(object),
        "ServiceMonitor" => of_monitor(object),
        "ValidatingAdmissionPolicyBinding" => of_policy_binding(object),
        "Certificate" => {
            let issuer = object.at("/spec/issuerRef");
            one(issuer["kind"].as_str().unwrap_or("Issuer"), object.namespace(), &issuer["name"], "spec.issuerRef.name")
        }
        _ => of_pods(object),
    }
}

fn one<'a>(kind: &'a str, namespace: &'a str, name: &'a Value, field: impl Into<String>) -> Vec<Reference<'a>> {
    let reference = name.as_str().map(|name| Reference { kind, namespace, name, field: field.into() });
    reference.into_iter().collect()
}

fn of_binding(binding: &Object) -> Vec<Reference<'_>> {
    let kind = binding.text("/roleRef/kind");
    let namespace = if kind == "ClusterRole" { "" } else { binding.namespace() };
    let mut references = one(kind, namespace, binding.at("/roleRef/name"), "roleRef.name");
    for (index, subject) in binding.list("/subjects").iter().enumerate() {
        // Users and groups are nobody's objects; a namespace other than the operator's is the user's.
        if subject["kind"] == "ServiceAccount" {
            let namespace = subject["namespace"].as_str().unwrap_or_default();
            references.extend(one("ServiceAccount", namespace, &subject["name"], format!("subjects[{index}].name")));
        }
    }
    references
}

fn of_policy_binding(binding: &Object) -> Vec<Reference<'_>> {
    let mut references = one("ValidatingAdmissionPolicy", "", binding.at("/spec/policyName"), "spec.policyName");
    let namespace = binding.text("/spec/paramRef/namespace");
    references.extend(one("ConfigMap", namespace, binding.at("/spec/paramRef/name"), "spec.paramRef.name"));
    references
}

fn of_monitor(monitor: &Object) -> Vec<Reference<'_>> {
    let endpoints = monitor.list("/spec/endpoints").iter().enumerate();
    let references = endpoints.flat_map(|(index, endpoint)| {
        let name = &endpoint["tlsConfig"]["ca"]["secret"]["name"];
        one("Secret", monitor.namespace(), name, format!("spec.endpoints[{index}].tlsConfig.ca.secret.name"))
    });
    references.collect()
}

fn of_pods(object: &Object) -> Vec<Reference<'_>> {
    let (pointer, path) =
        if object.kind() == "Pod" { ("/spec", "spec") } else { ("/spec/template/spec", "spec.template.spec") };
    let (spec, namespace) = (object.at(pointer), object.namespace());
    let mut references =
        one("ServiceAccount", namespace, &spec["serviceAccountName"], format!("{path}.serviceAccountName"));
    for (index, volume) in list(&spec["volumes"]).iter().enumerate() {
        let field = format!("{path}.volumes[{index}]");
        references.extend(one("Secret", namespace, &volume["secret"]["secretName"], format!("{field}.secret")));
        references.extend(one("ConfigMap", namespace, &volume["configMap"]["name"], format!("{field}.configMap")));
    }
    for (index, container) in list(&spec["containers"]).iter().enumerate() {
        let field = format!("{path}.containers[{index}]");
        for variable in list(&container["env"]) {
            let from = &variable["valueFrom"];
            references.extend(one("Secret", namespace, &from["secretKeyRef"]["name"], format!("{field}.env")));
            references.extend(one("ConfigMap", namespace, &from["configMapKeyRef"]["name"], format!("{field}.env")));
        }
        for source in list(&container["envFrom"]) {
            references.extend(one("Secret", namespace, &source["secretRef"]["name"], format!("{field}.envFrom")));
            references.extend(one("ConfigMap", namespace, &source["configMapRef"]["name"], format!("{field}.envFrom")));
        }
    }
    references
}
