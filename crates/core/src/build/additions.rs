//! Additions of later versions of the operator to pods. They take effect in pods that are created later, and do not enter the
//! revision of their template: an upgrade of the operator restarts no node. Fields of the spec are no
//! additions; they enter the revision, and a change of them restarts nodes.
//!
//! An addition only fills in what the spec leaves open, in the EMQX container: containers of the user are not changed.

use super::config_map::INETRC;
use super::pod_parts::{API_KEYS_FILE, API_KEYS_VARIABLE, CORE_HOST, file, variable};
use crate::desired::{API_KEYS_VOLUME, CONFIG_VOLUME, Desired, Names, PoolSpec, Role};
use k8s_openapi::api::core::v1::{
    Capabilities, Container, EnvVar, PodSecurityContext, PodTemplateSpec, SeccompProfile, SecurityContext, VolumeMount,
};
use std::path::Path;

/// All additions.
const ADDITIONS: &[fn(&Pod<'_>, &mut Container)] =
    &[last_words, least_privilege, one_port, long_answers, keys_that_follow];

/// The pod around the container.
struct Pod<'a> {
    names: &'a Names,
    security: Option<&'a PodSecurityContext>,
}

/// Time for a core to stop the replicas of its shards: 10 s each, and more, were seen with EMQX 5.10.
const GRACE_WITH_SHARDS: i64 = 600;

pub(super) fn add(desired: &Desired, pool: &PoolSpec, template: &mut PodTemplateSpec) {
    let Some(spec) = &mut template.spec else { return };
    // EMQX sends no requests to Kubernetes. A spec with a ServiceAccount has another container that does.
    if pool.service_account.is_none() {
        spec.automount_service_account_token.get_or_insert(false);
    }
    if pool.role == Role::Core && desired.config.durable && pool.template.termination_grace_period_seconds.is_none() {
        spec.termination_grace_period_seconds = Some(GRACE_WITH_SHARDS);
    }
    let pod = Pod { names: &desired.names, security: spec.security_context.as_ref() };
    for container in spec.containers.iter_mut().filter(|container| container.name == "emqx") {
        ADDITIONS.iter().for_each(|addition| addition(&pod, container));
    }
}

/// If EMQX ends without a termination message, the kubelet keeps the end of its log, for the message of the crash.
fn last_words(_: &Pod<'_>, container: &mut Container) {
    container.termination_message_policy.get_or_insert_with(|| "FallbackToLogsOnError".to_owned());
}

/// Cores ask for the records of one port of the headless Service: half as many as under its bare name.
fn one_port(pod: &Pod<'_>, container: &mut Container) {
    let domain = pod.names.discovery_domain();
    for variable in container.env.iter_mut().flatten() {
        match (variable.name.as_str(), variable.value.as_deref()) {
            ("EMQX_CLUSTER__DNS__NAME", Some(name)) if name == domain => {
                variable.value = Some(pod.names.discovery_name());
            }
            // Its value referred to the variable above.
            ("EMQX_HOST", Some(CORE_HOST)) => variable.value = Some(format!("$(POD_NAME).{domain}")),
            _ => {}
        }
    }
}

/// Erlang's resolver takes long answers from the DNS server.
fn long_answers(_: &Pod<'_>, container: &mut Container) {
    const PATH: &str = "/opt/emqx/etc/inetrc";
    const VARIABLE: &str = "ERL_INETRC";
    let mounts = container.volume_mounts.get_or_insert_default();
    let env = container.env.get_or_insert_default();
    if mounts.iter().all(|mount| mount.mount_path != PATH) && env.iter().all(|given| given.name != VARIABLE) {
        mounts.push(file(CONFIG_VOLUME, PATH, INETRC));
        env.push(variable(VARIABLE, PATH));
    }
}

const API_KEYS_FOLDER: &str = "/opt/emqx/etc/api-keys";
/// Where cores find API keys that were added after their start, too.
pub(crate) const API_KEYS_PATH: &str = "/opt/emqx/etc/api-keys/bootstrap_api_key";

/// Cores read API keys from a folder, which follows its Secret; a single file that is mounted stays as it was when the container
/// started. The file stays, too: if the Secret is lost it has the keys that the core was started with.
fn keys_that_follow(_: &Pod<'_>, container: &mut Container) {
    let mounts = container.volume_mounts.get_or_insert_default();
    if mounts.iter().any(|mount| Path::new(&mount.mount_path).starts_with(API_KEYS_FOLDER)) {
        return;
    }
    let ours =
        |variable: &&mut EnvVar| variable.name == API_KEYS_VARIABLE && variable.value.as_deref() == Some(API_KEYS_FILE);
    if let Some(variable) = container.env.iter_mut().flatten().find(ours) {
        variable.value = Some(format!("\"{API_KEYS_PATH}\""));
        mounts.push(VolumeMount {
            name: API_KEYS_VOLUME.to_owned(),
            mount_path: API_KEYS_FOLDER.to_owned(),
            read_only: Some(true),
            ..VolumeMount::default()
        });
    }
}

/// Rights that EMQX does not need are removed. A user who requests more rights than an ordinary user of the container needs them,
/// and gets no partial restriction: Kubernetes refuses some of these combinations, and root without capabilities cannot write to
/// files of other users.
fn least_privilege(pod: &Pod<'_>, container: &mut Container) {
    let pod = pod.security;
    let mut context = container.security_context.clone().unwrap_or_default();
    if asks_for_more(pod, &context) {
        return;
    }
    context.allow_privilege_escalation.get_or_insert(false);
    context
        .capabilities
        .get_or_insert_with(|| Capabilities { drop: Some(vec!["ALL".to_owned()]), ..Capabilities::default() });
    // The container's profile would win over the one that the user gives the pod.
    if pod.is_none_or(|pod| pod.seccomp_profile.is_none()) {
        context
            .seccomp_profile
            .get_or_insert_with(|| SeccompProfile { type_: "RuntimeDefault".to_owned(), ..SeccompProfile::default() });
    }
    container.security_context = Some(context);
}

fn asks_for_more(pod: Option<&PodSecurityContext>, context: &SecurityContext) -> bool {
    let added = context.capabilities.as_ref().and_then(|capabilities| capabilities.add.as_deref());
    let user = context.run_as_user.or(pod.and_then(|pod| pod.run_as_user));
    context.privileged == Some(true)
        || context.allow_privilege_escalation == Some(true)
        || added.is_some_and(|added| !added.is_empty())
        || user == Some(0)
}

#[cfg(test)]
mod tests {
    use super::{ADDITIONS, CORE_HOST, Pod, add};
    use crate::build::revision::revision;
    use crate::desired::{Desired, References};
    use k8s_openapi::api::core::v1::PodTemplateSpec;
    use serde_json::{Value, json};

    const DOMAIN: &str = "iot-headless.default.svc.cluster.local";

    fn desired() -> Desired {
        let resource = json!({
            "apiVersion": "apps.emqx.io/v3beta1", "kind": "EMQX", "metadata": {"name": "iot", "namespace": "default"},
            "spec": {"image": "emqx/emqx:6.0.0"},
        });
        let resource = serde_json::from_value(resource).expect("a resource");
        Desired::resolve(&resource, &References::default()).expect("the spec is right")
    }

    fn add_to(template: &mut PodTemplateSpec) {
        let desired = desired();
        add(&desired, &desired.cores, template);
    }

    fn template(pod: Value, container: Value) -> PodTemplateSpec {
        let name = json!({"name": "EMQX_CLUSTER__DNS__NAME", "value": DOMAIN});
        let emqx = json!({"name": "emqx", "env": [name], "securityContext": container});
        let spec = json!({"securityContext": pod, "containers": [emqx, {"name": "exporter"}]});
        serde_json::from_value(json!({"spec": spec})).expect("a template")
    }

    /// The security context of the EMQX container, and what else an addition has made of the pod.
    fn added(pod: Value, container: Value) -> (Value, Value) {
        let mut template = template(pod, container);
        add_to(&mut template);
        let mut value = serde_json::to_value(template).expect("plain data");
        let context =
            value["spec"]["containers"][0].as_object_mut().and_then(|fields| fields.remove("securityContext"));
        (context.unwrap_or_default(), value["spec"]["containers"].take())
    }

    #[test]
    fn emqx_gets_the_rights_that_it_needs() {
        let all = json!({
            "allowPrivilegeEscalation": false,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        });
        let with = |field: &str, value: Value| {
            let mut context = all.clone();
            context[field] = value;
            context
        };
        let without = |field: &str| {
            let mut context = all.clone();
            context.as_object_mut().expect("an object").remove(field);
            context
        };
        let own = json!({"type": "Localhost", "localhostProfile": "emqx.json"});
        // What the user gives the pod and the container, and what the container has then.
        let rows = [
            (json!({"runAsUser": 1000}), json!(null), all.clone()),
            (json!(null), json!({"runAsNonRoot": true}), with("runAsNonRoot", json!(true))),
            (
                json!(null),
                json!({"capabilities": {"drop": ["NET_RAW"]}}),
                with("capabilities", json!({"drop": ["NET_RAW"]})),
            ),
            (json!(null), json!({"seccompProfile": own}), with("seccompProfile", own.clone())),
            (json!({"seccompProfile": own}), json!(null), without("seccompProfile")),
            // These are left as they are.
            (json!(null), json!({"privileged": true}), json!({"privileged": true})),
            (json!(null), json!({"allowPrivilegeEscalation": true}), json!({"allowPrivilegeEscalation": true})),
            (
                json!(null),
                json!({"capabilities": {"add": ["SYS_ADMIN"]}}),
                json!({"capabilities": {"add": ["SYS_ADMIN"]}}),
            ),
            (json!({"runAsUser": 0}), json!(null), json!(null)),
            (json!(null), json!({"runAsUser": 0}), json!({"runAsUser": 0})),
            (json!({"runAsUser": 0}), json!({"runAsUser": 1000}), with("runAsUser", json!(1000))),
        ];
        for (pod, container, expected) in rows {
            let (context, containers) = added(pod.clone(), container.clone());
            assert_eq!(context, expected, "pod {pod}, container {container}");
            assert_eq!(containers[0]["terminationMessagePolicy"], "FallbackToLogsOnError");
            assert_eq!(containers[1], json!({"name": "exporter"}), "containers of the user are the user's");
        }
    }

    /// Each of them changes a pod that says nothing, or it would not be tested by the revisions of the examples.
    #[test]
    fn every_addition_adds_something() {
        for addition in ADDITIONS {
            let mut template = template(json!(null), json!(null));
            let before = revision(&template);
            let spec = template.spec.as_mut().expect("a spec");
            addition(&Pod { names: &desired().names, security: None }, &mut spec.containers[0]);
            assert_ne!(revision(&template), before);
        }
    }

    /// What EMQX and its resolver read, from what stands in the template: the name to ask for, the core's own, the file.
    #[test]
    fn cores_find_each_other_by_one_port_and_long_answers() {
        let read = |env: Value, mounts: Value| {
            let mut template = template(json!(null), json!(null));
            let spec = template.spec.as_mut().expect("a spec");
            spec.containers[0].env = serde_json::from_value(env).expect("variables");
            spec.containers[0].volume_mounts = serde_json::from_value(mounts).expect("mounts");
            add_to(&mut template);
            let container = template.spec.expect("a spec").containers.remove(0);
            let env = container.env.unwrap_or_default();
            let value = |name: &str| env.iter().find(|one| one.name == name).and_then(|one| one.value.clone());
            let mounted = container.volume_mounts.unwrap_or_default().iter().any(|one| one.name == "bootstrap-config");
            (value("EMQX_CLUSTER__DNS__NAME"), value("EMQX_HOST"), value("ERL_INETRC"), mounted)
        };
        let variable = |name: &str, value: &str| json!({"name": name, "value": value});
        let name = variable("EMQX_CLUSTER__DNS__NAME", DOMAIN);
        let host = variable("EMQX_HOST", CORE_HOST);
        let some = |text: &str| Some(text.to_owned());
        let (port, own) = (format!("_erlang-dist._tcp.{DOMAIN}"), format!("$(POD_NAME).{DOMAIN}"));
        let file = "/opt/emqx/etc/inetrc";
        assert_eq!(read(json!([name, host]), json!([])), (some(&port), some(&own), some(file), true));
        // What the user says stays, and the core has its name all the same.
        let other = variable("EMQX_CLUSTER__DNS__NAME", "emqx.example.com");
        let expected = (some("emqx.example.com"), some(&own), some(file), true);
        assert_eq!(read(json!([host, other]), json!([])), expected);
        let theirs = variable("ERL_INETRC", "/inetrc");
        assert_eq!(read(json!([name, host, theirs]), json!([])), (some(&port), some(&own), some("/inetrc"), false));
        let mount = json!([{"name": "mine", "mountPath": file}]);
        assert_eq!(read(json!([name, host]), mount), (some(&port), some(&own), None, false));
    }
}
