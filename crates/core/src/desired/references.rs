//! Objects that a spec refers to. The runtime adds them to the snapshot, so that the core can tell a missing
//! object from a wrong one.

use super::secret_refs::secret_references;
use crate::text::field;
use emqx_operator_api::hub::{EMQX, NodeTemplateSpec};
use k8s_openapi::api::core::v1::{Container, EnvFromSource, EnvVar, Volume};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub(super) const API_CA: &str = "spec.apiTLS.caSecretRef";

/// An object of the same namespace that the spec names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Reference {
    pub kind: ReferenceKind,
    pub name: String,
    /// Where the spec names it.
    pub path: String,
}

/// The kind of an object that the spec names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum ReferenceKind {
    /// A Secret whose content the operator needs.
    SecretValue,
    /// A Secret that pods use.
    Secret,
    ConfigMap,
    ServiceAccount,
    PersistentVolumeClaim,
}

impl ReferenceKind {
    /// The word in messages.
    pub fn noun(self) -> &'static str {
        match self {
            ReferenceKind::SecretValue | ReferenceKind::Secret => "Secret",
            ReferenceKind::ConfigMap => "ConfigMap",
            ReferenceKind::ServiceAccount => "ServiceAccount",
            ReferenceKind::PersistentVolumeClaim => "PersistentVolumeClaim",
        }
    }
}

/// The content of a Secret, with the version that stands for it in digests.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SecretData {
    pub resource_version: String,
    pub entries: BTreeMap<String, Vec<u8>>,
}

/// Secrets are never printed.
impl std::fmt::Debug for SecretData {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SecretData({}, {:?})", self.resource_version, self.entries.keys())
    }
}

/// What was found of the objects that the spec names.
#[derive(Clone, Debug, Default)]
pub struct References {
    pub secrets: BTreeMap<String, SecretData>,
    /// The Secrets and ConfigMaps that pods use, by kind and name. Of ConfigMaps there are the keys only.
    pub used: BTreeMap<(&'static str, String), Arc<SecretData>>,
    /// Objects that pods use and that do not exist. An object that was not looked up is not missing.
    pub missing: BTreeSet<(ReferenceKind, String)>,
}

impl References {
    pub(super) fn missing_of_pods(&self, cr: &EMQX) -> Vec<Reference> {
        references(cr)
            .into_iter()
            .filter(|reference| self.missing.contains(&(reference.kind, reference.name.clone())))
            .collect()
    }
}

/// Everything that the spec names, sorted, each place once.
pub fn references(cr: &EMQX) -> Vec<Reference> {
    let mut found = BTreeSet::new();
    let mut add = |kind, name: &str, path: String| {
        found.insert(Reference { kind, name: name.to_owned(), path });
    };
    for (index, key) in cr.spec.bootstrap_api_keys.iter().enumerate() {
        if let Some(reference) = &key.secret_ref {
            let path = format!("spec.bootstrapAPIKeys[{index}].secretRef");
            add(ReferenceKind::SecretValue, &reference.key.secret_name, format!("{path}.key"));
            add(ReferenceKind::SecretValue, &reference.secret.secret_name, format!("{path}.secret"));
        }
    }
    if let Some(api_tls) = &cr.spec.api_tls {
        add(ReferenceKind::SecretValue, &api_tls.ca_secret_ref.name, API_CA.to_owned());
    }
    for (root, value) in cr.spec.config.iter().flat_map(|config| &config.roots) {
        for (path, name) in secret_references(&field("spec.config.roots", root), value) {
            add(ReferenceKind::SecretValue, &name, path);
        }
    }
    for (index, secret) in cr.spec.image_pull_secrets.iter().enumerate() {
        add(ReferenceKind::Secret, &secret.name, format!("spec.imagePullSecrets[{index}]"));
    }
    if let Some(name) = &cr.spec.service_account_name {
        add(ReferenceKind::ServiceAccount, name, "spec.serviceAccountName".to_owned());
    }
    of_template("spec.coreTemplate.spec", &cr.spec.core_template.spec.node, &mut add);
    if let Some(template) = &cr.spec.replicant_template {
        of_template("spec.replicantTemplate.spec", &template.spec.node, &mut add);
    }
    found.into_iter().collect()
}

fn of_template(path: &str, template: &NodeTemplateSpec, add: &mut impl FnMut(ReferenceKind, &str, String)) {
    for (index, volume) in template.extra_volumes.iter().enumerate() {
        of_volume(&format!("{path}.extraVolumes[{index}]"), volume, add);
    }
    of_env(path, &template.env, &template.env_from, add);
    let lists = [("initContainers", &template.init_containers), ("extraContainers", &template.extra_containers)];
    for (list, containers) in lists {
        for (index, container) in containers.iter().enumerate() {
            of_container(&format!("{path}.{list}[{index}]"), container, add);
        }
    }
}

fn of_container(path: &str, container: &Container, add: &mut impl FnMut(ReferenceKind, &str, String)) {
    let env = container.env.as_deref().unwrap_or_default();
    let env_from = container.env_from.as_deref().unwrap_or_default();
    of_env(path, env, env_from, add);
}

fn of_env(path: &str, env: &[EnvVar], env_from: &[EnvFromSource], add: &mut impl FnMut(ReferenceKind, &str, String)) {
    for (index, variable) in env.iter().enumerate() {
        let Some(source) = &variable.value_from else { continue };
        let path = format!("{path}.env[{index}]");
        if let Some(key) = source.secret_key_ref.as_ref().filter(|key| key.optional != Some(true)) {
            add(ReferenceKind::Secret, &key.name, path.clone());
        }
        if let Some(key) = source.config_map_key_ref.as_ref().filter(|key| key.optional != Some(true)) {
            add(ReferenceKind::ConfigMap, &key.name, path);
        }
    }
    for (index, source) in env_from.iter().enumerate() {
        let path = format!("{path}.envFrom[{index}]");
        if let Some(secret) = source.secret_ref.as_ref().filter(|secret| secret.optional != Some(true)) {
            add(ReferenceKind::Secret, &secret.name, path.clone());
        }
        if let Some(map) = source.config_map_ref.as_ref().filter(|map| map.optional != Some(true)) {
            add(ReferenceKind::ConfigMap, &map.name, path);
        }
    }
}

fn of_volume(path: &str, volume: &Volume, add: &mut impl FnMut(ReferenceKind, &str, String)) {
    if let Some(secret) = volume.secret.as_ref().filter(|secret| secret.optional != Some(true))
        && let Some(name) = &secret.secret_name
    {
        add(ReferenceKind::Secret, name, path.to_owned());
    }
    if let Some(map) = volume.config_map.as_ref().filter(|map| map.optional != Some(true)) {
        add(ReferenceKind::ConfigMap, &map.name, path.to_owned());
    }
    if let Some(claim) = &volume.persistent_volume_claim {
        add(ReferenceKind::PersistentVolumeClaim, &claim.claim_name, path.to_owned());
    }
    for source in volume.projected.iter().flat_map(|projected| projected.sources.iter().flatten()) {
        if let Some(secret) = source.secret.as_ref().filter(|secret| secret.optional != Some(true)) {
            add(ReferenceKind::Secret, &secret.name, path.to_owned());
        }
        if let Some(map) = source.config_map.as_ref().filter(|map| map.optional != Some(true)) {
            add(ReferenceKind::ConfigMap, &map.name, path.to_owned());
        }
    }
}
