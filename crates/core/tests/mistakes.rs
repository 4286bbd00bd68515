//! What a spec may not say, by its path; and what it may say twice.

#[path = "support/resource.rs"]
mod support;

#[path = "support/planning.rs"]
mod planning;

use emqx_operator_core::desired::{Desired, References, SecretData, references};
use emqx_operator_core::world::{Kind, KubernetesView};
use nix::time::{ClockId, clock_gettime};
use planning::{nobody, plan_for, written};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

fn resolve(spec: Value) -> Result<Desired, String> {
    let resource = support::resource(json!({
        "apiVersion": "apps.emqx.io/v3beta1", "kind": "EMQX", "metadata": {"name": "iot"}, "spec": spec,
    }));
    references(&resource);
    Desired::resolve(&resource, &References::default()).map_err(|mistakes| mistakes.to_string())
}

/// A spec with this value at this place.
fn with(path: &str, value: Value) -> Value {
    let mut spec = json!({"image": "emqx/emqx:5.10.4"});
    let mut place = &mut spec;
    for key in path.split('.') {
        place = &mut place[key];
    }
    *place = value;
    spec
}

fn core(path: &str, value: Value) -> Value {
    with(&format!("coreTemplate.spec.{path}"), value)
}

#[track_caller]
fn refused(spec: Value, expected: &str) {
    let said = resolve(spec.clone()).expect_err(expected);
    assert!(said.contains(expected), "expected '{expected}' in: {said}");
}

/// The objects that a spec is made into.
fn objects(spec: Value) -> Vec<Value> {
    let desired = resolve(spec).expect("the spec is right");
    let plan = plan_for(&desired, &KubernetesView::default(), nobody());
    let kinds = [Kind::StatefulSet, Kind::ReplicaSet, Kind::Service];
    kinds.into_iter().filter_map(|kind| written(&plan, kind)).collect()
}

/// Lists that Kubernetes takes for maps: the field that holds one, an entry, another one with the same key, and what is said.
fn lists() -> Vec<(&'static str, Value, Value, &'static str)> {
    let container = |more: Value| {
        let mut container = json!({"name": "sidecar", "image": "a"});
        container.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        container
    };
    vec![
        ("env", json!({"name": "A", "value": "1"}), json!({"name": "A", "value": "1000m"}), "the name of env[0] (A)"),
        (
            "ports",
            json!({"containerPort": 80, "name": "a"}),
            json!({"containerPort": 80, "name": "b"}),
            "the containerPort and protocol of ports[0] (80/TCP)",
        ),
        (
            "ports",
            json!({"containerPort": 80, "name": "a"}),
            json!({"containerPort": 81, "name": "a"}),
            "the name of ports[0]",
        ),
        (
            "ports",
            json!({"containerPort": 80, "protocol": "TCP"}),
            json!({"containerPort": 80, "hostPort": 1}),
            "the containerPort and protocol of ports[0] (80/TCP)",
        ),
        (
            "extraVolumes",
            json!({"name": "a", "emptyDir": {}}),
            json!({"name": "a", "hostPath": {"path": "/"}}),
            "the name of",
        ),
        (
            "extraVolumeMounts",
            json!({"name": "a", "mountPath": "/x"}),
            json!({"name": "b", "mountPath": "/x/"}),
            "the mountPath of extraVolumeMounts[0] (/x)",
        ),
        (
            "topologySpreadConstraints",
            json!({"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}),
            json!({"maxSkew": 2, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}),
            "the topologyKey and whenUnsatisfiable of",
        ),
        (
            "extraContainers",
            container(json!({})),
            container(json!({"image": "b"})),
            "the name of extraContainers[0] (sidecar)",
        ),
        (
            "initContainers",
            container(json!({})),
            container(json!({"image": "b"})),
            "the name of initContainers[0] (sidecar)",
        ),
    ]
}

/// Of one container that stands beside EMQX, or runs before.
fn lists_of_containers() -> Vec<(&'static str, Value, Value, &'static str)> {
    let inner = lists().into_iter().filter(|(list, ..)| ["env", "ports"].contains(list));
    let more = vec![
        (
            "volumeMounts",
            json!({"name": "a", "mountPath": "/x"}),
            json!({"name": "b", "mountPath": "/x"}),
            "the mountPath of volumeMounts[0] (/x)",
        ),
        (
            "volumeDevices",
            json!({"name": "a", "devicePath": "/dev/x"}),
            json!({"name": "b", "devicePath": "/dev/x"}),
            "the devicePath of volumeDevices[0] (/dev/x)",
        ),
    ];
    inner.chain(more).collect()
}

/// Where an entry of these lists stands, and a spec that has these entries there.
type At = (String, Box<dyn Fn(Vec<Value>) -> Value>, Value, Value, &'static str);

fn everywhere() -> Vec<At> {
    let mut all: Vec<At> = Vec::new();
    for template in ["coreTemplate", "replicantTemplate"] {
        let base = move |path: &str, value: Value| {
            let mut spec = with(&format!("{template}.spec.{path}"), value);
            spec["coreTemplate"]["spec"]["replicas"] = 2.into();
            spec
        };
        for (list, one, other, said) in lists() {
            let spec = move |entries| base(list, Value::Array(entries));
            all.push((format!("spec.{template}.spec.{list}"), Box::new(spec), one, other, said));
        }
        for containers in ["extraContainers", "initContainers"] {
            for (list, one, other, said) in lists_of_containers() {
                let spec = move |entries: Vec<Value>| {
                    base(
                        containers,
                        json!([{"name": "first", "image": "a"}, {"name": "sidecar", "image": "a", list: entries}]),
                    )
                };
                all.push((format!("spec.{template}.spec.{containers}[1].{list}"), Box::new(spec), one, other, said));
            }
        }
    }
    for template in ["dashboardServiceTemplate", "listenersServiceTemplate"] {
        let spec = move |entries| with(&format!("{template}.spec.ports"), Value::Array(entries));
        let pairs = [
            (
                json!({"name": "a", "port": 80}),
                json!({"name": "b", "port": 80}),
                "the port and protocol of ports[0] (80/TCP)",
            ),
            (json!({"name": "a", "port": 80}), json!({"name": "a", "port": 81}), "the name of ports[0] (a)"),
            (
                json!({"name": "a", "port": 80}),
                json!({"name": "a", "port": 80, "nodePort": 30000}),
                "the port and protocol of ports[0] (80/TCP)",
            ),
        ];
        for (one, other, said) in pairs {
            all.push((format!("spec.{template}.spec.ports"), Box::new(spec), one, other, said));
        }
    }
    all
}

/// Server-side apply answers 500 for the whole object.
#[test]
fn entries_with_one_key_that_differ_are_refused_by_path() {
    for (path, spec, one, other, said) in everywhere() {
        let text = resolve(spec(vec![one.clone(), other.clone()])).expect_err(&path);
        assert!(text.contains(&format!("{path}[1]: has ")), "{path}: {text}");
        assert!(text.contains(said), "{path}: expected '{said}' in: {text}");
        // The path counts as the user does, also behind entries that are left out.
        let text = resolve(spec(vec![one.clone(), one.clone(), other])).expect_err(&path);
        assert!(text.contains(&format!("{path}[2]: has ")), "{path}: {text}");
    }
}

#[test]
fn of_entries_that_are_equal_one_stays() {
    for (path, spec, one, ..) in everywhere() {
        let once = objects(spec(vec![one.clone()]));
        assert_eq!(objects(spec(vec![one.clone(), one.clone(), one.clone()])), once, "{path}");
    }
    let once = objects(with("imagePullSecrets", json!([{"name": "a"}])));
    assert_eq!(objects(with("imagePullSecrets", json!([{"name": "a"}, {"name": "a"}]))), once);
    let tcp = |protocols: &[Value]| {
        let port = |protocol: &Value| json!({"containerPort": 80, "protocol": protocol});
        objects(core("ports", Value::Array(protocols.iter().map(port).collect())))
    };
    assert_eq!(tcp(&[json!("TCP"), Value::Null]), tcp(&[json!("TCP")]), "a protocol that is left out is TCP");
}

#[test]
fn entries_with_other_keys_stay_side_by_side() {
    let ports =
        json!([{"containerPort": 80}, {"containerPort": 80, "protocol": "UDP"}, {"containerPort": 81, "name": "a"}]);
    let set = &objects(core("ports", ports))[0];
    assert_eq!(set["spec"]["template"]["spec"]["containers"][0]["ports"].as_array().map(Vec::len), Some(4), "{set}");
    let containers = json!([{"name": "a", "image": "x", "env": [{"name": "A"}]}, {"name": "b", "image": "x", "env": [{"name": "A"}]}]);
    assert!(resolve(core("extraContainers", containers)).is_ok());
    // Configuration is EMQX's: nothing in it is a list of Kubernetes.
    let roots = json!({"rewrite": {"ports": [{"port": 1}, {"port": 1, "a": 2}]}, "sources": {"env": [{"name": "a"}, {"name": "a"}]}});
    assert!(resolve(with("config.roots", roots)).is_ok());
}

#[test]
fn what_is_the_operators_is_not_the_users() {
    let own = "spec.coreTemplate.spec";
    let cases = [
        ("extraContainers", json!([{"name": "emqx", "image": "x"}]), "extraContainers[0].name"),
        ("initContainers", json!([{"name": "emqx", "image": "x"}]), "initContainers[0].name"),
        ("extraVolumes", json!([{"name": "bootstrap-config", "emptyDir": {}}]), "extraVolumes[0].name"),
        ("extraVolumes", json!([{"name": "iot-core-log", "hostPath": {"path": "/"}}]), "extraVolumes[0].name"),
        ("extraVolumes", json!([{"name": "iot-core-data", "emptyDir": {}}]), "extraVolumes[0].name"),
        ("extraVolumeMounts", json!([{"name": "x", "mountPath": "/opt/emqx/data/"}]), "extraVolumeMounts[0].mountPath"),
        ("ports", json!([{"name": "dashboard", "containerPort": 1}]), "ports[0].name"),
    ];
    for (list, entries, path) in cases {
        refused(core(list, entries), &format!("{own}.{path}: "));
    }
    let mut both = core("initContainers", json!([{"name": "a", "image": "x"}]));
    both["coreTemplate"]["spec"]["extraContainers"] = json!([{"name": "a", "image": "x"}]);
    refused(both, "spec.coreTemplate.spec.extraContainers[0].name: the name 'a' is taken");
    // Of two variables with one name the user's wins, where it may.
    let set = &objects(core("env", json!([{"name": "ERL_INETRC", "value": "/mine"}])))[0];
    let env = set["spec"]["template"]["spec"]["containers"][0]["env"].as_array().expect("there is one").clone();
    let files: Vec<_> = env.iter().filter(|variable| variable["name"] == "ERL_INETRC").collect();
    assert_eq!(files, [&json!({"name": "ERL_INETRC", "value": "/mine"})]);
    refused(core("env", json!([{"name": "EMQX_NODE__ROLE", "value": "x"}])), "env[0]: EMQX_NODE__ROLE is reserved");
    // The port of the dashboard under another name, as the Go operator's guide for Prometheus has it.
    assert!(resolve(core("ports", json!([{"name": "http-dashboard", "containerPort": 18083}]))).is_ok());
}

#[test]
fn a_service_takes_no_traffic_of_others() {
    for template in ["dashboardServiceTemplate", "listenersServiceTemplate"] {
        let spec = |addresses: Value| with(&format!("{template}.spec.externalIPs"), addresses);
        refused(spec(json!(["192.0.2.1"])), &format!("spec.{template}.spec.externalIPs: is refused"));
        refused(spec(json!(["192.0.2.1"])), "CVE-2020-8554");
        assert!(resolve(spec(json!([]))).is_ok());
    }
}

#[test]
fn quantities_of_any_size_are_quantities() {
    for text in ["10000000000000000P", "1Ei", "107374182400", ".5", "1e3", &"9".repeat(100_000)] {
        assert!(resolve(core("resources", json!({"limits": {"memory": text}}))).is_ok(), "{}", &text[..2]);
    }
    refused(
        core("resources", json!({"limits": {"memory": "1.1.M"}})),
        "resources.limits.memory: '1.1.M' is not a quantity",
    );
}

#[test]
fn more_nodes_than_the_schema_allows_are_refused() {
    for replicas in [1001, i32::MAX, -1, i32::MIN] {
        refused(core("replicas", replicas.into()), "spec.coreTemplate.spec.replicas: is ");
    }
}

/// What a spec says comes back in conditions, events and logs; and each pass reads it again.
#[test]
fn nothing_that_is_too_long_is_repeated_or_takes_long() {
    let long = "x".repeat(1_000_000);
    let many = |count: usize, value: Value| -> Value {
        Value::Object((0..count).map(|number| (format!("root{number}"), value.clone())).collect())
    };
    let ports: Vec<_> = (0..20_000).map(|number| json!({"containerPort": -number})).collect();
    let deep = (0..100).fold(json!({"$secretRef": 1}), |value, _| json!({ "k".repeat(10_000): value }));
    let wide: Value = Value::Object((0..20_000).map(|number| (number.to_string(), json!(1))).collect());
    let cases = [
        ("a long root", with("config.roots", json!({ long.as_str(): {} }))),
        ("a long root that is close", with("config.roots", json!({ format!("mqtt{long}"): {} }))),
        ("many roots", with("config.roots", many(50_000, json!({})))),
        ("many wrong roots", with("config.roots", many(199, json!(1)))),
        ("a long key", with("config.roots", json!({"mqtt": {long.as_str(): {"$secretRef": 1}}}))),
        ("long keys one in another", with("config.roots", json!({ "mqtt": deep }))),
        (
            "many fields under a long key",
            with("config.roots", json!({"mqtt": {long.as_str(): wide, "a": {"$secretRef": 1}}})),
        ),
        ("a long bind", with("config.roots", json!({"listeners": {"tcp": {"default": {"bind": long.as_str()}}}}))),
        ("a long listener type", with("config.roots", json!({"listeners": {long.as_str(): {}}}))),
        ("a long listener name", with("config.roots", json!({"listeners": {"tcp": {long.as_str(): 1}}}))),
        ("a long gateway", with("config.roots", json!({"gateway": {long.as_str(): {"listeners": {"a": {}}}}}))),
        ("a long secret", with("config.roots", json!({"mqtt": {"a": {"$secretRef": {"name": long, "key": long}}}}))),
        ("a long image", json!({"image": format!("{long} ")})),
        ("a long API key", with("bootstrapAPIKeys", json!([{"key": format!("{long}:"), "secret": "abc"}]))),
        (
            "an API key twice",
            with("bootstrapAPIKeys", json!([{"key": long, "secret": "abc"}, {"key": long, "secret": "abc"}])),
        ),
        ("a long quantity", core("resources", json!({"limits": {"cpu": long}}))),
        ("a long resource", core("resources", json!({"limits": {long.as_str(): "lots"}}))),
        ("a long variable", core("env", json!([{"name": long}, {"name": long, "value": "1"}]))),
        (
            "a long mount",
            core("extraVolumeMounts", json!([{"name": "a", "mountPath": long}, {"name": "b", "mountPath": long}])),
        ),
        ("a long container", core("extraContainers", json!([{"name": long}, {"name": long, "image": "x"}]))),
        ("many wrong ports", core("ports", Value::Array(ports))),
        ("a long type of Service", with("listenersServiceTemplate.spec.type", json!(long))),
        ("a long budget", core("podDisruptionBudget", json!({"minAvailable": long}))),
    ];
    for (what, spec) in cases {
        let start = processor_time();
        let said = resolve(spec).expect_err(what);
        assert!(said.chars().count() < 2100, "{what}: {} characters", said.len());
        // A second for a megabyte, without optimization; it was ten and more.
        let took = processor_time() - start;
        assert!(took < Duration::from_secs(5), "{what}: {took:?}");
    }
}

/// What this thread has used: others on a busy machine do not count.
fn processor_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("threads have a clock").into()
}

/// Two ways to say the same. What roots may not set, variables may not either, wherever they come from.
#[test]
fn variables_do_not_get_around_what_roots_may_not() {
    let own = "spec.coreTemplate.spec";
    let variables = json!([
        {"name": "EMQX_DASHBOARD__DEFAULT_PASSWORD", "value": "public"},
        {"name": "EMQX_CLUSTER__DNS__NAME", "value": "old-headless.default.svc.cluster.local"},
        {"name": "EMQX_NODE__COOKIE", "value": "emqxsecretcookie"},
    ]);
    refused(core("env", variables.clone()), &format!("{own}.env[1]: EMQX_CLUSTER__DNS__NAME is reserved"));
    refused(core("env", variables), &format!("{own}.env[2]: EMQX_NODE__COOKIE is reserved"));
    let dashboard = json!([{"name": "EMQX_DASHBOARD__LISTENERS__HTTP__BIND", "value": "18080"}]);
    refused(core("env", dashboard), "set spec.config.roots.dashboard.listeners.http.bind instead");
    // What comes from elsewhere is known by its name only.
    let resource = |spec: Value| {
        support::resource(json!({
            "apiVersion": "apps.emqx.io/v3beta1", "kind": "EMQX", "metadata": {"name": "iot"}, "spec": spec,
        }))
    };
    let data =
        |key: &str| SecretData { resource_version: "1".to_owned(), entries: [(key.to_owned(), Vec::new())].into() };
    let keys = |kind: &'static str, key: &str| References {
        used: [((kind, "emqx-env".to_owned()), Arc::new(data(key)))].into(),
        ..References::default()
    };
    let rows = [
        (json!({"configMapRef": {"name": "emqx-env"}}), "ConfigMap", "EMQX_LISTENERS__TCP__DEFAULT__BIND"),
        (json!({"secretRef": {"name": "emqx-env"}, "prefix": "EMQX_"}), "Secret", "NODE__COOKIE"),
    ];
    for (source, kind, key) in rows {
        let cr = resource(core("envFrom", json!([source])));
        let said = Desired::resolve(&cr, &keys(kind, key)).map(drop).map_err(|mistakes| mistakes.to_string());
        let said = said.expect_err(key);
        assert!(said.contains(&format!("{own}.envFrom[0]: EMQX_")) && said.contains(key), "{said}");
        assert!(Desired::resolve(&cr, &keys(kind, "OTHER")).is_ok(), "{key}");
    }
}

/// EMQX takes a name with dots for one name, and ends with an unknown field.
#[test]
fn keys_with_dots_are_refused_with_the_nested_form() {
    let roots = |roots: Value| with("config.roots", roots);
    refused(roots(json!({"mqtt.max_packet_size": 10_485_760})), r#"{"mqtt": {"max_packet_size": 10485760}}"#);
    let inside = json!({"dashboard": {"listeners.http.bind": 18084}});
    refused(roots(inside.clone()), "spec.config.roots.dashboard.listeners.http.bind: has dots");
    refused(roots(inside), r#"{"listeners": {"http": {"bind": 18084}}}"#);
    refused(roots(json!({"listeners": {"tcp.internal": {"bind": 1}}})), r#"{"tcp": {"internal": …}}"#);
    refused(roots(json!({"authorization": {"sources": [{"a.b": 1}]}})), "sources[0]");
    // Names of headers are names of others.
    assert!(resolve(roots(json!({"authorization": {"sources": [{"headers": {"x.y": "1"}}]}}))).is_ok());
}

#[test]
fn fields_of_earlier_versions_are_refused_with_the_new_name() {
    let data = with("config", json!({"mode": "Merge", "data": "authorization { no_match = deny }"}));
    refused(data.clone(), "spec.config.data: is of an earlier API version; write each root under spec.config.roots");
    refused(data, "spec.config.mode: is of an earlier API version");
    let claims = core("volumeClaimTemplates", json!({"storageClassName": "fast"}));
    refused(
        claims,
        "spec.coreTemplate.spec.volumeClaimTemplates: is of an earlier API version; its content goes under persistentVolumeClaimSpec",
    );
}

/// Files of the Go operator's guides say what the operator says.
#[test]
fn what_is_the_same_is_no_conflict() {
    let labels = json!({
        "apps.emqx.io/instance": "iot", "apps.emqx.io/managed-by": "emqx-operator", "apps.emqx.io/db-role": "core", "team": "a",
    });
    assert!(resolve(with("coreTemplate.metadata.labels", labels)).is_ok());
    for (key, value) in [("instance", "other"), ("db-role", "replicant"), ("managed-by", "me")] {
        let labels = json!({format!("apps.emqx.io/{key}"): value});
        refused(with("coreTemplate.metadata.labels", labels), &format!("apps.emqx.io/{key} is reserved"));
    }
    let selector = |role: &str| json!({"apps.emqx.io/db-role": role});
    assert!(resolve(with("dashboardServiceTemplate.spec.selector", selector("core"))).is_ok());
    assert!(resolve(with("listenersServiceTemplate.spec.selector", selector("replicant"))).is_ok());
    refused(
        with("dashboardServiceTemplate.spec.selector", selector("replicant")),
        "spec.dashboardServiceTemplate.spec.selector",
    );
    refused(with("listenersServiceTemplate.spec.selector", json!({"app": "mine"})), "the selector is the operator's");
}

#[test]
fn a_volume_that_is_said_in_part_is_completed() {
    let claim = |claim: Value| {
        let desired = resolve(core("persistentVolumeClaimSpec", claim)).expect("the spec is right");
        let requests = desired.volume.claim.resources.and_then(|resources| resources.requests).unwrap_or_default();
        (desired.volume.claim.access_modes.unwrap_or_default(), requests["storage"].0.clone())
    };
    let once = vec!["ReadWriteOnce".to_owned()];
    assert_eq!(claim(json!({"storageClassName": "fast"})), (once.clone(), "500Mi".to_owned()));
    assert_eq!(claim(json!({"resources": {"requests": {"storage": "10Gi"}}})), (once, "10Gi".to_owned()));
    let many = vec!["ReadWriteMany".to_owned()];
    assert_eq!(claim(json!({"accessModes": ["ReadWriteMany"]})), (many, "500Mi".to_owned()));
}

#[test]
fn a_listener_needs_a_port_of_its_own_and_a_name_that_fits() {
    let listeners = |listeners: Value| with("config.roots.listeners", listeners);
    refused(
        listeners(json!({"tcp": {"internal": {"bind": 18083}}})),
        "tcp-internal listens on 18083, which is the port of the dashboard",
    );
    refused(listeners(json!({"ws": {"default": {"bind": "[::]:18083"}}})), "which is the port of the dashboard");
    let long = "plain_to_the_old_devices_in_the_northern_production_halls_of_the_factory";
    refused(
        listeners(json!({"tcp": {long: {"bind": 11885}}})),
        &format!("spec.config.roots.listeners.tcp.{long}: the port of the Service"),
    );
    refused(
        listeners(json!({"tcp": {"site_a": {"bind": 11883}, "site-a": {"bind": 11884}}})),
        "two listeners have the name tcp-site-a",
    );
    assert!(resolve(listeners(json!({"tcp": {"site_": {"bind": 11883}}}))).is_ok());
}

#[test]
fn a_root_is_no_text_of_a_secret() {
    let reference = json!({"$secretRef": {"name": "emqx-config-secret", "key": "authentication"}});
    refused(
        with("config.roots.authentication", reference),
        "spec.config.roots.authentication: holds an object or a list",
    );
}

#[test]
fn fields_of_pods_reach_the_pods() {
    let fields = json!({
        "priorityClassName": "system-cluster-critical", "terminationGracePeriodSeconds": 300, "runtimeClassName": "gvisor",
        "schedulerName": "mine", "hostAliases": [{"ip": "192.0.2.1", "hostnames": ["db"]}],
        "automountServiceAccountToken": true, "shareProcessNamespace": true,
    });
    let spec = with("coreTemplate.spec", fields.clone());
    let set = objects(spec).into_iter().find(|object| object["kind"] == "StatefulSet").expect("a set");
    let pod = &set["spec"]["template"]["spec"];
    for (field, value) in fields.as_object().expect("an object") {
        assert_eq!(&pod[field], value, "{field}");
    }
    let set = objects(json!({"image": "emqx/emqx:5.10.4"})).remove(0);
    assert_eq!(set["spec"]["template"]["spec"]["automountServiceAccountToken"], false);
    let account = with("serviceAccountName", json!("mine"));
    assert_eq!(objects(account)[0]["spec"]["template"]["spec"]["automountServiceAccountToken"], Value::Null);
}

/// Pods of an IPv6-only cluster have no other address.
#[test]
fn the_dashboard_listens_where_the_nodes_speak() {
    let startup = |roots: Value| resolve(with("config.roots", roots)).expect("the spec is right").config.startup;
    assert!(
        startup(json!({"cluster": {"proto_dist": "inet6_tcp"}}))
            .starts_with("dashboard.listeners.http.bind = \"[::]:18083\"")
    );
    assert!(startup(json!({})).starts_with("dashboard.listeners.http.bind = \"0.0.0.0:18083\""));
}
