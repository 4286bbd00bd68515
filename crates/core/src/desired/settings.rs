//! Settings of EMQX that only the operator may set: one table for roots and variables, since a variable overrides the files.

use k8s_openapi::api::core::v1::{EnvFromSource, EnvVar};

use super::errors::{Mistake, Mistakes};
use super::references::References;
use crate::text::quoted;
use emqx_operator_api::hub::{EMQX, NodeTemplateSpec};

/// Settings that only the operator may set, and why.
const RESERVED: [(&[&str], &str); 7] = [
    (&["node", "cookie"], "it is kept in a Secret"),
    (&["node", "name"], "it follows from the pod"),
    (&["node", "role"], "it follows from the template"),
    (&["node", "data_dir"], "it is where the volume is mounted"),
    (&["cluster", "discovery_strategy"], "nodes find each other through the headless Service"),
    (&["cluster", "dns"], "nodes find each other through the headless Service"),
    (&["api_key", "bootstrap_file"], "use spec.bootstrapAPIKeys"),
];

/// Variables of the image's entrypoint for the same settings.
const OF_ENTRYPOINT: [(&str, &str); 5] = [
    ("POD_NAME", "the name of a node follows from the pod"),
    ("EMQX_HOST", "the name of a node follows from the pod"),
    ("EMQX_NAME", "the name of a node follows from the pod"),
    ("EMQX_NODE_NAME", "the name of a node follows from the pod"),
    ("EMQX_NODE_COOKIE", "the cookie is kept in a Secret"),
];

/// Why a key of a root may not be set in the spec.
pub(super) fn reserved(root: &str, key: &str) -> Option<&'static str> {
    RESERVED.iter().find(|(path, _)| *path == [root, key]).map(|(_, why)| *why)
}

/// Where a variable comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    /// The spec has its value.
    Literal,
    /// Only the pod knows the value, and may have another value than the current source.
    Elsewhere,
}

/// The variables of both templates.
pub(super) fn check_variables(cr: &EMQX, references: &References) -> Result<(), Mistakes> {
    let mut mistakes = Mistakes::default();
    let replicants = cr.spec.replicant_template.as_ref().map(|template| &template.spec.node);
    let templates = [("core", Some(&cr.spec.core_template.spec.node)), ("replicant", replicants)];
    for (role, template) in templates {
        if let Some(template) = template {
            check_template(&format!("spec.{role}Template.spec"), template, references, &mut mistakes);
        }
    }
    mistakes.finish()
}

fn check_template(path: &str, template: &NodeTemplateSpec, references: &References, mistakes: &mut Mistakes) {
    for (index, variable) in template.env.iter().enumerate() {
        let source = if variable.value_from.is_some() { Source::Elsewhere } else { Source::Literal };
        if let Some(problem) = problem(&variable.name, source) {
            mistakes.push(Mistake::invalid(format!("{path}.env[{index}]"), problem));
        }
    }
    for (index, source) in template.env_from.iter().enumerate() {
        for name in names(source, references) {
            if let Some(problem) = problem(&name, Source::Elsewhere) {
                mistakes.push(Mistake::invalid(format!("{path}.envFrom[{index}]"), problem));
            }
        }
    }
}

/// The variables that a source gives, as far as it exists.
fn names(source: &EnvFromSource, references: &References) -> Vec<String> {
    let used = |kind, name: &str| references.used.get(&(kind, name.to_owned()));
    let secret = source.secret_ref.as_ref().and_then(|secret| used("Secret", &secret.name));
    let map = source.config_map_ref.as_ref().and_then(|map| used("ConfigMap", &map.name));
    let prefix = source.prefix.as_deref().unwrap_or_default();
    let keys = secret.into_iter().chain(map).flat_map(|found| found.entries.keys());
    keys.map(|key| format!("{prefix}{key}")).collect()
}

/// Why a variable may not be set in the spec.
fn problem(name: &str, source: Source) -> Option<String> {
    let shown = quoted(name);
    if let Some((_, why)) = OF_ENTRYPOINT.iter().find(|(reserved, _)| *reserved == name) {
        return Some(format!("{shown} is reserved for the operator: {why}"));
    }
    let path = name.strip_prefix("EMQX_")?.to_ascii_lowercase();
    let path: Vec<&str> = path.split("__").collect();
    for (reserved, why) in RESERVED {
        if path.starts_with(reserved) {
            return Some(format!("{shown} is reserved for the operator: {why}"));
        }
        if reserved.starts_with(&path) {
            return Some(format!("{shown} sets {} with it, which is reserved for the operator", reserved.join(".")));
        }
    }
    let root = format!("spec.config.roots.{}", path.join("."));
    match makes_ports(&path) {
        Ports::None => None,
        Ports::Listener if source == Source::Literal => None,
        Ports::Listener => Some(format!(
            "{shown} moves a port that Services have to lead to, and the operator cannot follow it here; set {root}, or the \
             variable with its value in env"
        )),
        Ports::Other => {
            Some(format!("{shown} moves ports that probes and Services have to lead to; set {root} instead"))
        }
    }
}

enum Ports {
    None,
    /// Of an MQTT listener: read off the variable.
    Listener,
    Other,
}

fn makes_ports(path: &[&str]) -> Ports {
    let opens = |key: &str| matches!(key, "bind" | "enable" | "enabled");
    match path {
        ["listeners", _, _, key] if opens(key) => Ports::Listener,
        ["dashboard" | "listeners" | "gateway"] | ["dashboard", "listeners"] | ["dashboard", "listeners", _] => {
            Ports::Other
        }
        ["dashboard", "listeners", _, key] if opens(key) => Ports::Other,
        ["listeners", _] | ["listeners", _, _] => Ports::Other,
        ["gateway", _] | ["gateway", _, "enable" | "listeners"] => Ports::Other,
        ["gateway", _, "listeners", _] | ["gateway", _, "listeners", _, _] => Ports::Other,
        ["gateway", _, "listeners", _, _, key] if opens(key) => Ports::Other,
        _ => Ports::None,
    }
}

/// The variables of the nodes that clients connect to.
pub(super) fn of_listeners(cr: &EMQX) -> &[EnvVar] {
    match &cr.spec.replicant_template {
        Some(template) if template.spec.node.replicas > 0 => &template.spec.node.env,
        _ => &cr.spec.core_template.spec.node.env,
    }
}

#[cfg(test)]
mod tests {
    use super::{Source, problem};

    #[test]
    fn what_roots_may_not_set_variables_may_not_either() {
        let refused = [
            ("EMQX_CLUSTER__DNS__NAME", "headless Service"),
            ("EMQX_CLUSTER__DISCOVERY_STRATEGY", "headless Service"),
            ("EMQX_CLUSTER", "cluster.discovery_strategy"),
            ("EMQX_NODE__COOKIE", "kept in a Secret"),
            ("EMQX_NODE_COOKIE", "kept in a Secret"),
            ("EMQX_HOST", "follows from the pod"),
            ("EMQX_API_KEY__BOOTSTRAP_FILE", "spec.bootstrapAPIKeys"),
            ("EMQX_DASHBOARD__LISTENERS__HTTP__BIND", "spec.config.roots.dashboard.listeners.http.bind"),
            ("EMQX_DASHBOARD__LISTENERS", "spec.config.roots.dashboard.listeners"),
            ("EMQX_LISTENERS__TCP__DEFAULT", "spec.config.roots.listeners.tcp.default"),
            ("EMQX_GATEWAY__STOMP__ENABLE", "spec.config.roots.gateway.stomp.enable"),
        ];
        for (name, expected) in refused {
            for source in [Source::Literal, Source::Elsewhere] {
                let text = problem(name, source).unwrap_or_else(|| panic!("{name} is accepted"));
                assert!(text.contains(name) && text.contains(expected), "{text}");
            }
        }
    }

    #[test]
    fn ports_of_listeners_are_followed_where_their_value_is_known() {
        assert_eq!(problem("EMQX_LISTENERS__TCP__DEFAULT__BIND", Source::Literal), None);
        let text = problem("EMQX_LISTENERS__TCP__DEFAULT__BIND", Source::Elsewhere).expect("it is refused");
        assert!(text.contains("spec.config.roots.listeners.tcp.default.bind"), "{text}");
    }

    #[test]
    fn everything_else_is_free() {
        for name in [
            "EMQX_DASHBOARD__DEFAULT_PASSWORD",
            "EMQX_DASHBOARD__LISTENERS__HTTP__MAX_CONNECTIONS",
            "EMQX_LISTENERS__TCP__DEFAULT__MAX_CONNECTIONS",
            "EMQX_LICENSE__KEY",
            "EMQX_NODE__MAX_PORTS",
            "EMQX_CLUSTER__AUTOHEAL",
            "EMQX_LOG__CONSOLE__LEVEL",
            "HTTP_PROXY",
            "ERL_INETRC",
        ] {
            assert_eq!(problem(name, Source::Elsewhere), None, "{name}");
        }
    }
}
