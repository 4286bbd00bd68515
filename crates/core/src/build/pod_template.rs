//! The pods of both roles. Common parts of cores and replicants are here; differences are matched on the role.

use super::additions;
use super::dashboard_ports;
use super::labels;
use super::pod_parts::{API_KEYS_FILE, API_KEYS_VARIABLE, CORE_HOST, file, variable};
use super::probes;
use super::revision::revision;
use crate::desired::{API_KEYS_VOLUME, CONFIG_VOLUME, Desired, PoolSpec, Role};
use emqx_operator_api::annotation;
use k8s_openapi::api::core::v1::{
    ConfigMapVolumeSource, Container, EmptyDirVolumeSource, EnvVar, EnvVarSource, ExecAction, Lifecycle,
    LifecycleHandler, LocalObjectReference, ObjectFieldSelector, PodSpec, PodTemplateSpec, SecretKeySelector,
    SecretVolumeSource, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use std::collections::BTreeMap;

/// Time for a broker to hand over its shards and close its tables.
const GRACE_SECONDS: i64 = 120;

/// A template and its revision.
#[derive(Clone, Debug)]
pub struct Template {
    pub(super) template: PodTemplateSpec,
    pub revision: String,
}

/// The template of a pool. `availability_check` says whether the broker has that endpoint.
pub(super) fn pod_template(desired: &Desired, pool: &PoolSpec, availability_check: bool) -> Template {
    let labels = labels::pod_labels(&desired.names, pool);
    let mut annotations = pool.annotations.clone();
    if let Some(revision) = &desired.config.startup_revision {
        annotations.insert(annotation::STARTUP_CONFIG_REVISION.to_owned(), revision.clone());
    }
    if let Some(wish) = &desired.restart_requested_at {
        annotations.insert(annotation::RESTART_REQUESTED_AT.to_owned(), wish.clone());
    }
    if let Some(renamed) = dashboard_ports::renamed(&dashboard_ports::names(desired.config.dashboard, pool)) {
        annotations.insert(annotation::DASHBOARD_PORTS.to_owned(), renamed);
    }
    let mut template = PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: Some(labels),
            annotations: (!annotations.is_empty()).then_some(annotations),
            ..ObjectMeta::default()
        }),
        spec: Some(pod_spec(desired, pool, availability_check)),
    };
    let revision = revision(&template);
    additions::add(desired, pool, &mut template);
    Template { template, revision }
}

fn pod_spec(desired: &Desired, pool: &PoolSpec, availability_check: bool) -> PodSpec {
    let template = &pool.template;
    let mut containers = vec![emqx_container(desired, pool, availability_check)];
    containers.extend(template.extra_containers.clone());
    PodSpec {
        affinity: template.affinity.clone(),
        automount_service_account_token: template.automount_service_account_token,
        containers,
        dns_config: template.dns_config.clone(),
        // Variables such as EMQX_PORT, which Kubernetes creates for Services, look like EMQX settings.
        enable_service_links: Some(false),
        host_aliases: some(template.host_aliases.clone()),
        image_pull_secrets: some(
            pool.image_pull_secrets.iter().map(|name| LocalObjectReference { name: name.clone() }).collect(),
        ),
        init_containers: some(template.init_containers.clone()),
        node_name: template.node_name.clone(),
        node_selector: (!template.node_selector.is_empty()).then(|| template.node_selector.clone()),
        priority_class_name: template.priority_class_name.clone(),
        runtime_class_name: template.runtime_class_name.clone(),
        scheduler_name: template.scheduler_name.clone(),
        security_context: Some(template.pod_security_context.clone()),
        service_account_name: pool.service_account.clone(),
        share_process_namespace: template.share_process_namespace,
        termination_grace_period_seconds: Some(template.termination_grace_period_seconds.unwrap_or(GRACE_SECONDS)),
        tolerations: some(template.tolerations.clone()),
        topology_spread_constraints: some(template.topology_spread_constraints.clone()),
        volumes: some(volumes(desired, pool)),
        ..PodSpec::default()
    }
}

fn emqx_container(desired: &Desired, pool: &PoolSpec, availability_check: bool) -> Container {
    let template = &pool.template;
    Container {
        name: "emqx".to_owned(),
        image: Some(desired.image.reference.clone()),
        image_pull_policy: pool.image_pull_policy.clone(),
        command: some(template.command.clone()),
        args: some(template.args.clone()),
        env: some(environment(desired, pool)),
        env_from: some(template.env_from.clone()),
        ports: some(dashboard_ports::container_ports(desired, pool)),
        resources: template.resources.clone(),
        security_context: template.container_security_context.clone(),
        liveness_probe: Some(probes::liveness(desired, pool)),
        readiness_probe: Some(probes::readiness(desired, pool, availability_check)),
        startup_probe: Some(probes::startup(desired, pool)),
        lifecycle: lifecycle(pool),
        volume_mounts: some(mounts(desired, pool)),
        ..Container::default()
    }
}

/// The operator's variables, then the user's; for duplicate names the user's variable stays.
fn environment(desired: &Desired, pool: &PoolSpec) -> Vec<EnvVar> {
    let user = &pool.template.env;
    let mut all: Vec<_> = operator_environment(desired, pool.role)
        .into_iter()
        .filter(|ours| user.iter().all(|theirs| theirs.name != ours.name))
        .collect();
    for (index, variable) in user.iter().enumerate() {
        let overridden = user[index + 1..].iter().any(|later| later.name == variable.name);
        if !overridden {
            all.push(variable.clone());
        }
    }
    all
}

fn operator_environment(desired: &Desired, role: Role) -> Vec<EnvVar> {
    let names = &desired.names;
    let mut env = Vec::new();
    if role == Role::Core {
        env.push(from_field("POD_NAME", "metadata.name"));
    }
    env.push(variable("EMQX_CLUSTER__DISCOVERY_STRATEGY", "dns"));
    env.push(variable("EMQX_CLUSTER__DNS__RECORD_TYPE", "srv"));
    env.push(variable("EMQX_CLUSTER__DNS__NAME", names.discovery_domain()));
    env.push(match role {
        Role::Core => variable("EMQX_HOST", CORE_HOST),
        Role::Replicant => from_field("EMQX_HOST", "status.podIP"),
    });
    env.push(variable("EMQX_NODE__DATA_DIR", "data"));
    env.push(variable("EMQX_NODE__ROLE", role.as_str()));
    env.push(from_secret("EMQX_NODE__COOKIE", names.cookie_secret(), "node_cookie"));
    if role == Role::Core {
        env.push(variable(API_KEYS_VARIABLE, API_KEYS_FILE));
    }
    env
}

fn from_field(name: &str, path: &str) -> EnvVar {
    let field_ref = ObjectFieldSelector { field_path: path.to_owned(), ..ObjectFieldSelector::default() };
    let source = EnvVarSource { field_ref: Some(field_ref), ..EnvVarSource::default() };
    EnvVar { name: name.to_owned(), value: None, value_from: Some(source) }
}

fn from_secret(name: &str, secret: String, key: &str) -> EnvVar {
    let selector = SecretKeySelector { name: secret, key: key.to_owned(), optional: None };
    let source = EnvVarSource { secret_key_ref: Some(selector), ..EnvVarSource::default() };
    EnvVar { name: name.to_owned(), value: None, value_from: Some(source) }
}

/// A replicant leaves the cluster before it stops; otherwise it would stay listed as a stopped node under an address that another
/// pod may get.
fn lifecycle(pool: &PoolSpec) -> Option<Lifecycle> {
    let given = pool.template.lifecycle.clone();
    if pool.role == Role::Core {
        return given;
    }
    let command = ["/bin/sh", "-c", "emqx ctl cluster leave"].map(str::to_owned).to_vec();
    Some(Lifecycle {
        pre_stop: Some(LifecycleHandler {
            exec: Some(ExecAction { command: Some(command) }),
            ..LifecycleHandler::default()
        }),
        ..given.unwrap_or_default()
    })
}

fn data_volume(desired: &Desired, role: Role) -> String {
    match role {
        Role::Core => desired.names.data_volume(),
        Role::Replicant => desired.names.replicant_data_volume(),
    }
}

fn volumes(desired: &Desired, pool: &PoolSpec) -> Vec<Volume> {
    let names = &desired.names;
    let empty = |name: String| Volume { name, empty_dir: Some(EmptyDirVolumeSource::default()), ..Volume::default() };
    let from_secret = |name: &str, secret: String| Volume {
        name: name.to_owned(),
        secret: Some(SecretVolumeSource { secret_name: Some(secret), ..SecretVolumeSource::default() }),
        ..Volume::default()
    };
    let mut volumes = vec![empty(names.log_volume(pool.role.as_str()))];
    match pool.role {
        Role::Core => volumes.push(from_secret(API_KEYS_VOLUME, names.api_key_secret())),
        Role::Replicant => volumes.push(empty(names.replicant_data_volume())),
    }
    volumes.push(if desired.config.secret {
        from_secret(CONFIG_VOLUME, names.config_secret())
    } else {
        let config_map = ConfigMapVolumeSource { name: names.config_map(), ..ConfigMapVolumeSource::default() };
        Volume { name: CONFIG_VOLUME.to_owned(), config_map: Some(config_map), ..Volume::default() }
    });
    volumes.extend(pool.template.extra_volumes.clone());
    volumes
}

fn mounts(desired: &Desired, pool: &PoolSpec) -> Vec<VolumeMount> {
    let mount = |name: String, path: &str| VolumeMount { name, mount_path: path.to_owned(), ..VolumeMount::default() };
    let mut mounts = vec![
        mount(desired.names.log_volume(pool.role.as_str()), "/opt/emqx/log"),
        mount(data_volume(desired, pool.role), "/opt/emqx/data"),
    ];
    if pool.role == Role::Core {
        mounts.push(file(API_KEYS_VOLUME, "/opt/emqx/etc/bootstrap_api_keys", "bootstrap_api_key"));
    }
    mounts.push(file(CONFIG_VOLUME, "/opt/emqx/etc/base.hocon", "base.hocon"));
    mounts.push(file(CONFIG_VOLUME, "/opt/emqx/etc/emqx.conf", "emqx.conf"));
    mounts.extend(pool.template.extra_volume_mounts.clone());
    mounts
}

/// `None` for an empty list: the operator does not own fields that it does not set.
fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

/// Adds a label to the metadata of a template.
pub(super) fn add_label(template: &mut PodTemplateSpec, key: &str, value: &str) {
    let labels = template.metadata.get_or_insert_default().labels.get_or_insert_with(BTreeMap::new);
    labels.insert(key.to_owned(), value.to_owned());
}

/// Adds an annotation to the metadata of a template.
pub(super) fn add_annotation(template: &mut PodTemplateSpec, key: &str, value: &str) {
    let annotations = template.metadata.get_or_insert_default().annotations.get_or_insert_with(BTreeMap::new);
    annotations.insert(key.to_owned(), value.to_owned());
}
