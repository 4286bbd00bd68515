//! The cluster that the tests run on. `cargo xtask test` starts it and says where it is in the environment.

use anyhow::Context as _;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::{DynamicObject, GroupVersionKind};
use kube::discovery::ApiResource;
use kube::{Api, Client, Config, ResourceExt};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Once;

/// The checkout.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A path from the environment that `cargo xtask test` has set.
pub fn setting(name: &str) -> anyhow::Result<String> {
    std::env::var(name).with_context(|| format!("{name} is not set: run these tests with cargo xtask test"))
}

/// A client with the rights of an administrator.
pub async fn admin() -> anyhow::Result<Client> {
    client(&setting("EMQX_TEST_KUBECONFIG")?).await
}

/// How to reach the API server with the rights of the operator and no others.
pub async fn operator_user() -> anyhow::Result<Config> {
    config(&setting("EMQX_TEST_OPERATOR_KUBECONFIG")?).await
}

/// A client as a kubeconfig file says.
pub async fn client(path: &str) -> anyhow::Result<Client> {
    Ok(Client::try_from(config(path).await?)?)
}

async fn config(path: &str) -> anyhow::Result<Config> {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        rustls::crypto::ring::default_provider().install_default().ok();
    });
    let kubeconfig = Kubeconfig::read_from(path)?;
    Ok(Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?)
}

/// A namespace of its own for a test; what an earlier run left of it is a fault of that run.
pub async fn namespace(client: &Client, prefix: &str) -> anyhow::Result<String> {
    let namespace = json!({"metadata": {"generateName": format!("{prefix}-")}});
    let created = Api::<Namespace>::all(client.clone())
        .create(&PostParams::default(), &serde_json::from_value(namespace)?)
        .await?;
    Ok(created.name_any())
}

/// Deletes a namespace and everything in it, and does not wait for it.
pub async fn delete_namespace(client: &Client, namespace: &str) {
    let all = Api::<Namespace>::all(client.clone());
    let _ = all.delete(namespace, &DeleteParams::background()).await;
}

/// Applies any object, as `kubectl apply --server-side` with strict validation would.
pub async fn apply(client: &Client, namespace: Option<&str>, object: &Value) -> Result<DynamicObject, kube::Error> {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (group, version) = match text("/apiVersion").split_once('/') {
        Some((group, version)) => (group.to_owned(), version.to_owned()),
        None => (String::new(), text("/apiVersion")),
    };
    let resource = ApiResource::from_gvk(&GroupVersionKind { group, version, kind: text("/kind") });
    let resource =
        if resource.kind == "EMQX" { ApiResource { plural: "emqxes".to_owned(), ..resource } } else { resource };
    let api = match namespace {
        Some(namespace) => Api::<DynamicObject>::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    };
    let mut params = PatchParams::apply("user").force();
    params.field_validation = Some(kube::api::ValidationDirective::Strict);
    api.patch(&text("/metadata/name"), &params, &Patch::Apply(object)).await
}

/// The documents of a YAML file of the checkout.
pub fn documents(path: &str) -> anyhow::Result<Vec<Value>> {
    use serde::Deserialize as _;
    let text = std::fs::read_to_string(root().join(path)).with_context(|| format!("failed to read {path}"))?;
    serde_yaml::Deserializer::from_str(&text).map(|document| Ok(Value::deserialize(document)?)).collect()
}
