//! Wrong input is refused by the API server, or gets a condition that names the field; it never removes anything, and
//! never stops others.

use emqx_operator_tests::cluster::{apply, namespace};
use emqx_operator_tests::emqx;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Event, Secret};
use kube::api::{ListParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use std::time::Duration;

/// What becomes of a wrong spec.
enum Outcome {
    /// The API server refuses it, with a text that contains this.
    Refused(&'static str),
    /// It is stored, and the condition `Degraded` has this reason and a message that contains this.
    Condition(&'static str, &'static str),
}
use Outcome::{Condition, Refused};

fn with(path: &str, value: Value) -> Value {
    let mut spec = json!({"image": "emqx/emqx:5.10.4"});
    let mut place = &mut spec;
    for key in path.split('.') {
        place = &mut place[key];
    }
    *place = value;
    spec
}

fn roots(roots: Value) -> Value {
    with("config.roots", roots)
}

fn core(path: &str, value: Value) -> Value {
    with(&format!("coreTemplate.spec.{path}"), value)
}

fn rollout(unavailable: Value, surge: Value) -> Value {
    let mut spec = with("updateStrategy.replicants", json!({}));
    for (name, value) in [("maxUnavailable", unavailable), ("maxSurge", surge)] {
        if !value.is_null() {
            spec["updateStrategy"]["replicants"][name] = value;
        }
    }
    spec
}

fn refused_by_the_api_server() -> Vec<(&'static str, Value, Outcome)> {
    let key = |key: Value| with("bootstrapAPIKeys", json!([key]));
    vec![
        ("image missing", json!({}), Refused("spec.image: Required value")),
        ("image empty", json!({"image": ""}), Refused("spec.image")),
        ("image a number", json!({"image": 5}), Refused("spec.image")),
        ("pull policy", with("imagePullPolicy", json!("Sometimes")), Refused("spec.imagePullPolicy")),
        ("replicas negative", core("replicas", json!(-1)), Refused("spec.coreTemplate.spec.replicas")),
        ("replicas a text", core("replicas", json!("three")), Refused("replicas")),
        ("replicas too many", core("replicas", json!(1001)), Refused("spec.coreTemplate.spec.replicas")),
        (
            "one core with replicants",
            with("replicantTemplate.spec.replicas", json!(1)),
            Refused("at least 2 core replicas"),
        ),
        (
            "replicants by default, one core",
            with("replicantTemplate.spec", json!({})),
            Refused("at least 2 core replicas"),
        ),
        (
            "reserved port of cores",
            core("ports", json!([{"name": "dashboard", "containerPort": 1}])),
            Refused("reserved by the Operator"),
        ),
        (
            "reserved port of replicants",
            with("replicantTemplate.spec.ports", json!([{"name": "dashboard-https", "containerPort": 1}])),
            Refused("reserved by the Operator"),
        ),
        ("no budget for a rollout", rollout(json!(0), json!(0)), Refused("cannot both be zero")),
        ("no budget, surge left out", rollout(json!(0), Value::Null), Refused("cannot both be zero")),
        ("no budget in percent", rollout(json!("00%"), json!("0%")), Refused("cannot both be zero")),
        ("more than all unavailable", rollout(json!("101%"), Value::Null), Refused("must not exceed 100%")),
        ("unavailable no percentage", rollout(json!("some"), Value::Null), Refused("such as 25%")),
        ("unavailable negative", rollout(json!(-1), Value::Null), Refused("must not be negative")),
        ("surge negative", rollout(Value::Null, json!(-1)), Refused("must not be negative")),
        ("surge no percentage", rollout(Value::Null, json!("5")), Refused("such as 25%")),
        ("unknown strategy", with("updateStrategy.type", json!("Recreate")), Refused("spec.updateStrategy.type")),
        (
            "unknown evacuation",
            with("updateStrategy.evacuationStrategy.type", json!("None")),
            Refused("evacuationStrategy.type"),
        ),
        (
            "eviction rate zero",
            with("updateStrategy.evacuationStrategy.connectionEvictionRate", json!(0)),
            Refused("connectionEvictionRate"),
        ),
        ("wait negative", with("updateStrategy.evacuationStrategy.waitTakeover", json!(-1)), Refused("waitTakeover")),
        ("history negative", with("revisionHistoryLimit", json!(-1)), Refused("revisionHistoryLimit")),
        ("domain empty", with("clusterDomain", json!("")), Refused("clusterDomain")),
        ("key without secret", key(json!({"key": "a"})), Refused("key and secret belong together")),
        (
            "key twice",
            key(
                json!({"key": "a", "secret": "bcd", "secretRef": {"key": {"secretName": "s", "secretKey": "k"}, "secret": {"secretName": "s", "secretKey": "k"}}}),
            ),
            Refused("either secretRef"),
        ),
        ("key with colon", key(json!({"key": "a:b", "secret": "bcd"})), Refused("bootstrapAPIKeys[0].key")),
        ("secret too short", key(json!({"key": "a", "secret": "b"})), Refused("bootstrapAPIKeys[0].secret")),
        (
            "both budgets",
            core("podDisruptionBudget", json!({"minAvailable": 1, "maxUnavailable": 1})),
            Refused("exclude each other"),
        ),
        (
            "retention",
            core("persistentVolumeClaimRetentionPolicy", json!({"whenDeleted": "Maybe"})),
            Refused("whenDeleted"),
        ),
        ("roots a list", with("config.roots", json!([])), Refused("config.roots")),
        ("ready seconds negative", core("minReadySeconds", json!(-1)), Refused("minReadySeconds")),
        ("enabled a text", with("dashboardServiceTemplate.enabled", json!("yes")), Refused("enabled")),
        ("a field that does not exist", with("replicas", json!(3)), Refused("field not declared in schema")),
        ("a template field that does not exist", core("replica", json!(3)), Refused("field not declared in schema")),
    ]
}

fn explained_by_a_condition() -> Vec<(&'static str, Value, Outcome)> {
    let invalid = |text| Condition("InvalidSpec", text);
    let missing = |text| Condition("MissingReference", text);
    vec![
        (
            "unknown-root",
            roots(json!({"listener": {}})),
            invalid("spec.config.roots.listener: EMQX has no root of this name; did you mean listeners?"),
        ),
        ("root-text", roots(json!({"mqtt": "fast"})), invalid("spec.config.roots.mqtt: is a text")),
        ("root-number", roots(json!({"log": 5})), invalid("spec.config.roots.log: is a number")),
        (
            "cookie",
            roots(json!({"node": {"cookie": "abc"}})),
            invalid("spec.config.roots.node.cookie: is reserved for the operator"),
        ),
        ("node-name", roots(json!({"node": {"name": "emqx@a"}})), invalid("spec.config.roots.node.name")),
        ("discovery", roots(json!({"cluster": {"dns": {}}})), invalid("spec.config.roots.cluster.dns")),
        ("bootstrap-file", roots(json!({"api_key": {"bootstrap_file": "x"}})), invalid("use spec.bootstrapAPIKeys")),
        (
            "bind-host",
            roots(json!({"listeners": {"tcp": {"default": {"bind": "localhost:1883"}}}})),
            invalid("spec.config.roots.listeners.tcp.default.bind"),
        ),
        (
            "bind-loopback",
            roots(json!({"listeners": {"tcp": {"default": {"bind": "127.0.0.1:1883"}}}})),
            invalid("inside the pod only"),
        ),
        (
            "bind-range",
            roots(json!({"listeners": {"tcp": {"default": {"bind": 70000}}}})),
            invalid("no port between 1 and 65535"),
        ),
        ("listener-type", roots(json!({"listeners": {"udp": {}}})), invalid("spec.config.roots.listeners.udp")),
        ("same-port", roots(json!({"listeners": {"tcp": {"a": {"bind": 1883}}}})), invalid("both listen on 1883/TCP")),
        (
            "no-dashboard",
            roots(json!({"dashboard": {"listeners": {"http": {"bind": 0}}}})),
            invalid("spec.config.roots.dashboard.listeners"),
        ),
        (
            "gateway-bind",
            roots(json!({"gateway": {"stomp": {"listeners": {"tcp": {"default": {}}}}}})),
            invalid("spec.config.roots.gateway.stomp.listeners.tcp.default.bind: is missing"),
        ),
        (
            "secret-ref-form",
            roots(json!({"mqtt": {"x": {"$secretRef": {"name": "a"}}}})),
            invalid("spec.config.roots.mqtt.x: a reference looks like"),
        ),
        (
            "secret-ref-gone",
            roots(json!({"mqtt": {"x": {"$secretRef": {"name": "gone", "key": "k"}}}})),
            missing("spec.config.roots.mqtt.x: Secret gone does not exist"),
        ),
        (
            "secret-key-gone",
            roots(json!({"mqtt": {"x": {"$secretRef": {"name": "present", "key": "other"}}}})),
            missing("Secret present has no key other"),
        ),
        (
            "api-key-gone",
            with(
                "bootstrapAPIKeys",
                json!([{"secretRef": {"key": {"secretName": "gone", "secretKey": "k"}, "secret": {"secretName": "gone", "secretKey": "s"}}}]),
            ),
            missing("spec.bootstrapAPIKeys[0].secretRef.key: Secret gone does not exist"),
        ),
        ("1-digit-first", json!({"image": "emqx/emqx:5.10.4"}), invalid("metadata.name")),
        (
            "a-name-that-is-far-too-long-for-what-derives-from-it",
            json!({"image": "emqx/emqx:5.10.4"}),
            invalid("metadata.name: has 52 characters"),
        ),
        (
            "label",
            with("coreTemplate.metadata.labels", json!({"apps.emqx.io/instance": "x"})),
            invalid("spec.coreTemplate.metadata.labels"),
        ),
        (
            "container-name",
            core("extraContainers", json!([{"name": "emqx", "image": "x"}])),
            invalid("spec.coreTemplate.spec.extraContainers[0].name"),
        ),
        (
            "volume-name",
            core("extraVolumes", json!([{"name": "bootstrap-config", "emptyDir": {}}])),
            invalid("spec.coreTemplate.spec.extraVolumes[0].name"),
        ),
        (
            "mount-path",
            core("extraVolumeMounts", json!([{"name": "x", "mountPath": "/opt/emqx/data/"}])),
            invalid("spec.coreTemplate.spec.extraVolumeMounts[0].mountPath"),
        ),
        (
            "variable",
            core("env", json!([{"name": "EMQX_CLUSTER__DNS__NAME", "value": "old-headless"}])),
            invalid("spec.coreTemplate.spec.env[0]: EMQX_CLUSTER__DNS__NAME is reserved"),
        ),
        ("dotted", roots(json!({"mqtt.max_packet_size": 10_485_760})), invalid("write it nested")),
        ("dotted-inside", roots(json!({"dashboard": {"listeners.http.bind": 18084}})), invalid("write it nested")),
        (
            "former-data",
            with("config", json!({"mode": "Merge", "data": "authorization { no_match = deny }"})),
            invalid("spec.config.data: is of an earlier API version"),
        ),
        (
            "former-claims",
            core("volumeClaimTemplates", json!({"storageClassName": "fast"})),
            invalid("spec.coreTemplate.spec.volumeClaimTemplates: is of an earlier API version"),
        ),
        (
            "dashboard-port",
            roots(json!({"listeners": {"tcp": {"internal": {"bind": 18083}}}})),
            invalid("which is the port of the dashboard"),
        ),
        (
            "quantity",
            core("resources", json!({"limits": {"cpu": "lots"}})),
            invalid("spec.coreTemplate.spec.resources.limits.cpu: 'lots'"),
        ),
        (
            "service-type",
            with("listenersServiceTemplate.spec", json!({"type": "ExternalName"})),
            invalid("spec.listenersServiceTemplate.spec.type"),
        ),
        (
            "service-selector",
            with("dashboardServiceTemplate.spec", json!({"selector": {"a": "b"}})),
            invalid("spec.dashboardServiceTemplate.spec.selector"),
        ),
        (
            "service-port",
            with("listenersServiceTemplate.spec", json!({"ports": [{"port": 1}]})),
            invalid("spec.listenersServiceTemplate.spec.ports[0].name"),
        ),
        ("image-blank", json!({"image": "emqx/emqx: 5.10.4"}), invalid("spec.image")),
        (
            "external-ips",
            with("listenersServiceTemplate.spec", json!({"externalIPs": ["192.0.2.1"]})),
            invalid("spec.listenersServiceTemplate.spec.externalIPs: is refused"),
        ),
        (
            "service-ports",
            with(
                "dashboardServiceTemplate.spec",
                json!({"ports": [{"name": "a", "port": 1}, {"name": "b", "port": 1}]}),
            ),
            invalid("spec.dashboardServiceTemplate.spec.ports[1]: has the port and protocol of ports[0] (1/TCP)"),
        ),
        (
            "variable-twice",
            core("env", json!([{"name": "A", "value": "1"}, {"name": "A", "value": "1000m"}])),
            invalid("spec.coreTemplate.spec.env[1]: has the name of env[0] (A)"),
        ),
        (
            "port-twice",
            core("ports", json!([{"name": "a", "containerPort": 1}, {"name": "b", "containerPort": 1}])),
            invalid("spec.coreTemplate.spec.ports[1]: has the containerPort and protocol of ports[0] (1/TCP)"),
        ),
        (
            "volume-twice",
            core("extraVolumes", json!([{"name": "a", "emptyDir": {}}, {"name": "a", "hostPath": {"path": "/"}}])),
            invalid("spec.coreTemplate.spec.extraVolumes[1]: has the name of extraVolumes[0] (a)"),
        ),
        (
            "log-volume",
            core("extraVolumes", json!([{"name": "log-volume-core-log", "emptyDir": {}}])),
            invalid("spec.coreTemplate.spec.extraVolumes[0].name: the name 'log-volume-core-log' is taken"),
        ),
        (
            "mount-twice",
            core("extraVolumeMounts", json!([{"name": "a", "mountPath": "/x"}, {"name": "b", "mountPath": "/x"}])),
            invalid("spec.coreTemplate.spec.extraVolumeMounts[1]: has the mountPath of extraVolumeMounts[0] (/x)"),
        ),
        (
            "sidecar-env",
            core(
                "extraContainers",
                json!([{"name": "a", "image": "x", "env": [{"name": "A"}, {"name": "A", "value": "1"}]}]),
            ),
            invalid("spec.coreTemplate.spec.extraContainers[0].env[1]: has the name of env[0] (A)"),
        ),
        (
            "listener-name-twice",
            roots(json!({"listeners": {"tcp": {"a.b": {"bind": 11883}, "a-b": {"bind": 11884}}}})),
            invalid("two listeners have the name tcp-a-b"),
        ),
        // YAML takes no longer keys, and JSON that is applied is read as YAML.
        ("long-root", roots(json!({ "x".repeat(1000): {} })), invalid("EMQX has no root of so long a name")),
        (
            "toleration",
            core("tolerations", json!([{"key": "a", "operator": "Perhaps"}])),
            Condition("ApplyRejected", "tolerations[0].operator"),
        ),
        (
            "mount-without-volume",
            core("extraVolumeMounts", json!([{"name": "nowhere", "mountPath": "/x"}])),
            Condition("ApplyRejected", "nowhere"),
        ),
    ]
}

#[tokio::test]
async fn wrong_specs_are_refused_by_the_api_server() {
    let client = crate::environment().await;
    let namespace = namespace(&client, "refused").await.unwrap();
    let cases = refused_by_the_api_server();
    assert!(cases.len() >= 30);
    for (index, (what, spec, outcome)) in cases.into_iter().enumerate() {
        let Refused(expected) = outcome else { unreachable!("this table lists refusals") };
        let result = apply(&client, Some(&namespace), &emqx::resource(&format!("wrong-{index}"), spec)).await;
        let text = result.err().unwrap_or_else(|| panic!("{what}: was accepted")).to_string();
        assert!(text.contains(expected), "{what}: expected '{expected}' in: {text}");
    }
}

#[tokio::test]
async fn wrong_specs_that_are_stored_get_a_condition_with_the_path() {
    let client = crate::environment().await;
    let namespace = namespace(&client, "explained").await.unwrap();
    let secret = json!({"metadata": {"name": "present"}, "stringData": {"k": "v"}});
    Api::<Secret>::namespaced(client.clone(), &namespace)
        .create(&PostParams::default(), &serde_json::from_value(secret).unwrap())
        .await
        .unwrap();
    let cases = explained_by_a_condition();
    assert!(cases.len() >= 20);
    for (name, spec, _) in &cases {
        apply(&client, Some(&namespace), &emqx::resource(name, spec.clone()))
            .await
            .unwrap_or_else(|e| panic!("{name}: {e}"));
    }
    for (name, _, outcome) in cases {
        let Condition(reason, expected) = outcome else { unreachable!("this table lists conditions") };
        let limit = Duration::from_secs(30);
        let degraded = emqx::condition(&client, &namespace, name, "Degraded", limit, |c| c.status == "True").await;
        assert_eq!(degraded.reason, reason, "{name}: {}", degraded.message);
        assert!(degraded.message.contains(expected), "{name}: expected '{expected}' in: {}", degraded.message);
        has_event(&client, &namespace, name, reason).await;
        if reason != "ApplyRejected" {
            let sets = Api::<StatefulSet>::namespaced(client.clone(), &namespace);
            assert!(sets.get_opt(&format!("{name}-core")).await.unwrap().is_none(), "{name}: a set was made");
        }
    }
}

#[tokio::test]
async fn a_wrong_change_removes_nothing_and_a_corrected_one_goes_on() {
    let client = crate::environment().await;
    let namespace = namespace(&client, "changed-wrongly").await.unwrap();
    let good = json!({"image": "emqx/emqx:5.10.4"});
    apply(&client, Some(&namespace), &emqx::resource("iot", good.clone())).await.unwrap();
    let limit = Duration::from_secs(30);
    let available = |c: &k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition| c.status == "True";
    emqx::condition(&client, &namespace, "iot", "Available", limit, available).await;
    let sets = Api::<StatefulSet>::namespaced(client.clone(), &namespace);
    let before = sets.get("iot-core").await.unwrap().metadata;

    apply(&client, Some(&namespace), &emqx::resource("iot", roots(json!({"listener": {}})))).await.unwrap();
    emqx::condition(&client, &namespace, "iot", "Degraded", limit, |c| c.reason == "InvalidSpec").await;
    let during = sets.get("iot-core").await.unwrap().metadata;
    assert_eq!((during.uid, during.generation), (before.uid, before.generation));

    apply(&client, Some(&namespace), &emqx::resource("iot", good)).await.unwrap();
    emqx_operator_tests::wait::until("the condition to go", limit, || async {
        let all = emqx::conditions(&client, &namespace, "iot").await?;
        match all.iter().find(|condition| condition.type_ == "Degraded") {
            Some(still) => Err(still.message.clone()),
            None => Ok(()),
        }
    })
    .await;
}

#[tokio::test]
async fn a_missing_secret_that_appears_is_noticed() {
    let client = crate::environment().await;
    let namespace = namespace(&client, "appears").await.unwrap();
    let spec = roots(json!({"dashboard": {"default_password": {"$secretRef": {"name": "late", "key": "password"}}}}));
    apply(&client, Some(&namespace), &emqx::resource("iot", spec)).await.unwrap();
    let limit = Duration::from_secs(20);
    emqx::condition(&client, &namespace, "iot", "Degraded", limit, |c| c.reason == "MissingReference").await;
    let secret = json!({"metadata": {"name": "late"}, "stringData": {"password": "hidden-value"}});
    Api::<Secret>::namespaced(client.clone(), &namespace)
        .create(&PostParams::default(), &serde_json::from_value(secret).unwrap())
        .await
        .unwrap();
    let sets = Api::<StatefulSet>::namespaced(client.clone(), &namespace);
    // Well before the interval at which refused specs are tried again.
    emqx_operator_tests::wait::until("the cluster to be made", Duration::from_secs(20), || async {
        sets.get("iot-core").await.map_err(|error| error.to_string())
    })
    .await;
    let map = Api::<k8s_openapi::api::core::v1::ConfigMap>::namespaced(client.clone(), &namespace);
    let text = format!("{:?}", map.get("iot-configs").await.unwrap());
    assert!(!text.contains("hidden-value"), "a secret is in the ConfigMap");
}

/// Pods would wait for what they refer to without a word; the status names it, and goes on when it is there.
#[tokio::test]
async fn objects_that_pods_refer_to_are_missed_by_name() {
    let client = crate::environment().await;
    let namespace = namespace(&client, "referred").await.unwrap();
    let spec = json!({
        "image": "emqx/emqx:5.8.9",
        "serviceAccountName": "brokers",
        "coreTemplate": {"spec": {"replicas": 1, "extraVolumes": [
            {"name": "certificates", "configMap": {"name": "trusted"}},
            {"name": "plugins", "persistentVolumeClaim": {"claimName": "shared"}},
        ]}},
    });
    apply(&client, Some(&namespace), &emqx::resource("iot", spec)).await.unwrap();
    let limit = Duration::from_secs(30);
    let missed =
        emqx::condition(&client, &namespace, "iot", "Degraded", limit, |c| c.reason == "MissingReference").await;
    for field in ["extraVolumes[0]: ConfigMap trusted", "extraVolumes[1]", "spec.serviceAccountName"] {
        assert!(missed.message.contains(field), "{field} is not in: {}", missed.message);
    }
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "brokers"}});
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "trusted"}});
    let claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "shared"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}},
    });
    for object in [account, map, claim] {
        apply(&client, Some(&namespace), &object).await.unwrap();
    }
    emqx::ready(&client, &namespace, "iot", Duration::from_secs(90)).await;
}

async fn has_event(client: &Client, namespace: &str, name: &str, reason: &str) {
    let events = Api::<Event>::namespaced(client.clone(), namespace);
    let selector = ListParams::default().fields(&format!("involvedObject.name={name},reason={reason}"));
    emqx_operator_tests::wait::until(&format!("event {reason} on {name}"), Duration::from_secs(60), || async {
        let found = events.list(&selector).await.map_err(|error| error.to_string())?;
        if found.items.is_empty() { Err("there is none".to_owned()) } else { Ok(()) }
    })
    .await;
}
