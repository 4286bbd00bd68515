//! What the container of a pod would see: variables, files, its volume.

use anyhow::Context as _;
use emqx_sim::local::Files;
use k8s_openapi::api::core::v1::{ConfigMap, EnvVar, PersistentVolumeClaim, Pod, Secret};
use kube::{Api, Client, ResourceExt as _};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;

pub(super) struct Container {
    pub(super) namespace: String,
    pub(super) node: String,
    pub(super) is_core: bool,
    pub(super) cookie: String,
    /// Version and edition, as the image's name tells.
    pub(super) profile: String,
    pub(super) files: Files,
    /// The folder of its volume: that of the claim, or of the pod.
    pub(super) volume: String,
    environment: Vec<(String, String)>,
    api_keys: Option<String>,
}

impl Container {
    /// The variables, with the bootstrap file where it can be read.
    pub(super) fn with_keys_in(&self, folder: &Path) -> anyhow::Result<Vec<(String, String)>> {
        const VARIABLE: &str = "EMQX_API_KEY__BOOTSTRAP_FILE";
        let mut environment = self.environment.clone();
        environment.retain(|(name, _)| name != VARIABLE);
        if let Some(keys) = &self.api_keys {
            let file = folder.join("bootstrap_api_keys");
            std::fs::write(&file, keys)?;
            environment.push((VARIABLE.to_owned(), format!("\"{}\"", file.display())));
        }
        Ok(environment)
    }
}

/// Reads what the kubelet would have mounted and set.
pub(super) async fn of(client: &Client, pod: &Pod, address: IpAddr) -> anyhow::Result<Container> {
    let namespace = pod.namespace().unwrap_or_default();
    let spec = pod.spec.as_ref().context("it has no spec")?;
    let main = spec.containers.iter().find(|container| container.name == "emqx").context("it has no container emqx")?;
    let mut known = BTreeMap::new();
    let mut environment = Vec::new();
    for variable in main.env.iter().flatten() {
        let value = value(client, pod, address, variable, &known).await?;
        known.insert(variable.name.clone(), value.clone());
        environment.push((variable.name.clone(), value));
    }
    let variable = |name: &str| known.get(name).cloned().unwrap_or_default();
    let node = format!("emqx@{}", variable("EMQX_HOST"));
    environment.push(("EMQX_NODE__NAME".to_owned(), node.clone()));

    let source = |name: &str| spec.volumes.iter().flatten().find(|volume| volume.name == name);
    let config = source("bootstrap-config");
    let config_map = config.and_then(|volume| volume.config_map.as_ref()).map(|map| map.name.clone());
    let config_secret = config.and_then(|volume| volume.secret.as_ref()?.secret_name.clone());
    let mut files = match (config_map, config_secret) {
        (Some(name), _) => {
            Api::<ConfigMap>::namespaced(client.clone(), &namespace).get(&name).await?.data.unwrap_or_default()
        }
        (None, Some(name)) => secret(client, &namespace, &name).await?,
        (None, None) => BTreeMap::new(),
    };
    let keys = source("bootstrap-api-keys").and_then(|volume| volume.secret.as_ref()?.secret_name.clone());
    let api_keys = match keys {
        Some(name) => secret(client, &namespace, &name).await?.remove("bootstrap_api_key"),
        None => None,
    };
    let claims = spec.volumes.iter().flatten().filter_map(|volume| volume.persistent_volume_claim.as_ref());
    // A claim that was deleted and made anew is another volume.
    let volume = match claims.map(|claim| &claim.claim_name).next() {
        Some(name) => Api::<PersistentVolumeClaim>::namespaced(client.clone(), &namespace).get(name).await?.uid(),
        None => pod.uid(),
    };
    Ok(Container {
        is_core: variable("EMQX_NODE__ROLE") == "core",
        cookie: variable("EMQX_NODE__COOKIE"),
        profile: profile(main.image.as_deref().unwrap_or_default()),
        files: Files {
            base: files.remove("base.hocon").unwrap_or_default(),
            main: files.remove("emqx.conf").unwrap_or_default(),
        },
        volume: format!("{namespace}/{}", volume.unwrap_or_default()),
        namespace,
        node,
        environment,
        api_keys,
    })
}

async fn value(
    client: &Client,
    pod: &Pod,
    address: IpAddr,
    variable: &EnvVar,
    known: &BTreeMap<String, String>,
) -> anyhow::Result<String> {
    let Some(source) = &variable.value_from else {
        let mut text = variable.value.clone().unwrap_or_default();
        for (name, value) in known {
            text = text.replace(&format!("$({name})"), value);
        }
        return Ok(text);
    };
    if let Some(field) = &source.field_ref {
        return Ok(match field.field_path.as_str() {
            "status.podIP" => address.to_string(),
            "metadata.namespace" => pod.namespace().unwrap_or_default(),
            _ => pod.name_any(),
        });
    }
    let reference = source.secret_key_ref.as_ref().with_context(|| format!("{} has no known source", variable.name))?;
    let mut entries = secret(client, &pod.namespace().unwrap_or_default(), &reference.name).await?;
    entries.remove(&reference.key).with_context(|| format!("Secret {} has no key {}", reference.name, reference.key))
}

async fn secret(client: &Client, namespace: &str, name: &str) -> anyhow::Result<BTreeMap<String, String>> {
    let secret = Api::<Secret>::namespaced(client.clone(), namespace).get(name).await?;
    let entries = secret.data.unwrap_or_default().into_iter();
    Ok(entries.map(|(key, value)| (key, String::from_utf8_lossy(&value.0).into_owned())).collect())
}

/// `emqx/emqx:5.8.9` is the open source edition; everything else is not.
fn profile(image: &str) -> String {
    let (repository, tag) = image.rsplit_once(':').unwrap_or((image, "5.10.4"));
    let open_source = repository.ends_with("/emqx") && tag.starts_with("5.8");
    format!("{tag}-{}", if open_source { "ce" } else { "ee" })
}
