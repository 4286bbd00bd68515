//! The policy for tenants, as it is shipped, on a real API server: what it refuses and what it lets pass.

use emqx_operator_tests::cluster::{apply, documents, namespace, root};
use emqx_operator_tests::emqx;
use emqx_operator_tests::wait::until;
use k8s_openapi::api::admissionregistration::v1::ValidatingAdmissionPolicy;
use kube::api::{Patch, PatchParams, PostParams};
use kube::core::{DynamicObject, GroupVersionKind};
use kube::discovery::ApiResource;
use kube::{Api, Client};
use serde_json::{Value, json};
use std::time::Duration;

const POLICY: &str = "emqx-operator-tenant-policy";
const SOON: Duration = Duration::from_secs(60);

/// Something in the template of cores, or of replicants.
fn template(of: &str, field: &str, value: &Value) -> Value {
    let mut spec = json!({"image": "emqx/emqx:5.10.4", "coreTemplate": {"spec": {"replicas": 2}}});
    spec[of]["spec"][field] = value.clone();
    spec
}

fn container(field: &str, value: Value) -> Value {
    let mut container = json!({"name": "agent", "image": "emqx/agent:1"});
    container[field] = value;
    json!([container])
}

fn service(of: &str) -> Value {
    json!({"image": "emqx/emqx:5.10.4", of: {"spec": {"externalIPs": ["192.0.2.1"]}}})
}

/// Fields of a node template that are refused, with what is said.
fn refused_in_templates() -> Vec<(&'static str, Value, &'static str)> {
    let mut cases = vec![
        ("nodeName", json!("machine"), "bypasses the scheduler"),
        ("extraVolumes", json!([{"name": "v", "hostPath": {"path": "/"}}]), "nothing of the host"),
        ("extraVolumes", json!([{"name": "v", "nfs": {"server": "s", "path": "/"}}]), "nothing of the host"),
        ("ports", json!([{"name": "mqtt-host", "containerPort": 1999, "hostPort": 1999}]), "hostPort"),
        ("podSecurityContext", json!({"seccompProfile": {"type": "Unconfined"}}), "Unconfined"),
        ("podSecurityContext", json!({"windowsOptions": {"hostProcess": true}}), "hostProcess"),
    ];
    let contexts = [
        (json!({"privileged": true}), "privileged"),
        (json!({"allowPrivilegeEscalation": true}), "allowPrivilegeEscalation"),
        (json!({"capabilities": {"add": ["NET_BIND_SERVICE", "SYS_ADMIN"]}}), "add capabilities"),
        (json!({"appArmorProfile": {"type": "Unconfined"}}), "Unconfined"),
        (json!({"procMount": "Unmasked"}), "Unmasked"),
    ];
    for (context, said) in contexts {
        cases.push(("containerSecurityContext", context.clone(), said));
        for field in ["initContainers", "extraContainers"] {
            cases.push((field, container("securityContext", context.clone()), said));
        }
    }
    for field in ["initContainers", "extraContainers"] {
        cases.push((field, container("image", json!("registry.example/agent:1")), "do not: registry.example/agent:1"));
        cases.push((field, container("ports", json!([{"containerPort": 1999, "hostPort": 1999}])), "hostPort"));
    }
    cases
}

fn refused() -> Vec<(String, Value, &'static str)> {
    let mut cases = Vec::new();
    for of in ["coreTemplate", "replicantTemplate"] {
        for (field, value, said) in refused_in_templates() {
            cases.push((format!("{of} {field} {value}"), template(of, field, &value), said));
        }
    }
    for of in ["dashboardServiceTemplate", "listenersServiceTemplate"] {
        cases.push((format!("{of} externalIPs"), service(of), "externalIPs"));
    }
    cases.push(("a foreign image".to_owned(), json!({"image": "emqxx/emqx:5.10.4"}), "do not: emqxx/emqx:5.10.4"));
    let account = json!({"image": "emqx/emqx:5.10.4", "serviceAccountName": "admin"});
    cases.push(("a foreign account".to_owned(), account, "serviceAccountName must be one of default"));
    cases
}

/// What a tenant needs, and every example.
fn accepted() -> Vec<(String, Value)> {
    let volumes = json!([
        {"name": "c", "configMap": {"name": "c"}}, {"name": "s", "secret": {"secretName": "s"}},
        {"name": "e", "emptyDir": {}}, {"name": "p", "projected": {"sources": []}},
        {"name": "v", "persistentVolumeClaim": {"claimName": "v"}},
    ]);
    let context = json!({
        "privileged": false, "allowPrivilegeEscalation": false, "seccompProfile": {"type": "RuntimeDefault"},
        "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]},
    });
    let mut cases = vec![
        ("volumes".to_owned(), template("coreTemplate", "extraVolumes", &volumes)),
        ("a context".to_owned(), template("replicantTemplate", "containerSecurityContext", &context)),
        ("an agent".to_owned(), template("coreTemplate", "extraContainers", &container("securityContext", context))),
        ("a port".to_owned(), template("coreTemplate", "ports", &json!([{"name": "p", "containerPort": 1999}]))),
        ("an account".to_owned(), json!({"image": "docker.io/emqx/emqx:5.10.4", "serviceAccountName": "default"})),
    ];
    for file in std::fs::read_dir(root().join("examples")).unwrap() {
        let path = format!("examples/{}", file.unwrap().file_name().into_string().unwrap());
        for document in documents(&path).unwrap().into_iter().filter(|document| document["kind"] == "EMQX") {
            // The example for another registry is refused, as it is meant.
            if !path.ends_with("/private-registry.yaml") {
                cases.push((path.clone(), document["spec"].clone()));
            }
        }
    }
    cases
}

/// The policy in one namespace, with its settings there: all other tests do without.
async fn install(client: &Client, namespace: &str) {
    for file in ["policy", "settings", "binding"] {
        for mut object in documents(&format!("config/tenant-policy/{file}.yaml")).unwrap() {
            let place = (object["kind"] == "ConfigMap").then_some(namespace);
            if let Some(namespace) = place {
                object["metadata"]["namespace"] = namespace.into();
            }
            if object["kind"] == "ValidatingAdmissionPolicyBinding" {
                object["spec"]["paramRef"]["namespace"] = namespace.into();
                let labels = json!({"kubernetes.io/metadata.name": namespace});
                object["spec"]["matchResources"] = json!({"namespaceSelector": {"matchLabels": labels}});
            }
            apply(client, place, &object).await.unwrap();
        }
    }
}

/// EMQX resources as anything that a tenant may write.
fn resources(client: &Client, namespace: &str) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("apps.emqx.io", "v3beta1", "EMQX");
    Api::namespaced_with(client.clone(), namespace, &ApiResource::from_gvk_with_plural(&kind, "emqxes"))
}

/// Whether a new resource would be accepted; nothing is made.
async fn tried(api: &Api<DynamicObject>, spec: &Value) -> Result<(), String> {
    let object = serde_json::from_value(emqx::resource("tried", spec.clone())).unwrap();
    let only_tried = PostParams { dry_run: true, ..PostParams::default() };
    api.create(&only_tried, &object).await.map(drop).map_err(|error| error.to_string())
}

#[tokio::test]
async fn tenants_get_what_they_need_and_nothing_of_the_host() {
    let client = crate::environment().await;
    let namespace = namespace(&client, "tenant").await.unwrap();
    let api = resources(&client, &namespace);
    let foreign = json!({"image": "registry.example/emqx:5.10.4"});
    apply(&client, Some(&namespace), &emqx::resource("older", foreign.clone())).await.unwrap();
    install(&client, &namespace).await;
    until("the policy to be in force", SOON, || async {
        match tried(&api, &foreign).await {
            Err(said) if said.contains(POLICY) && !said.contains("no params found") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;

    let cases = refused();
    assert!(cases.len() > 50);
    for (name, spec, expected) in cases {
        let said = tried(&api, &spec).await.expect_err(&name);
        assert!(said.contains(POLICY) && said.contains(expected), "{name}: no {expected:?} in: {said}");
    }
    for (name, spec) in accepted() {
        tried(&api, &spec).await.unwrap_or_else(|error| panic!("{name}: {error}"));
    }

    // What is older than the policy can be paused, and deleted; its spec is held to the policy when it changes.
    let change = async |change: Value| {
        api.patch("older", &PatchParams::default(), &Patch::Merge(change)).await.map(drop).map_err(|e| e.to_string())
    };
    change(json!({"metadata": {"annotations": {"apps.emqx.io/paused": "true"}}})).await.unwrap();
    let said = change(json!({"spec": {"revisionHistoryLimit": 5}})).await.unwrap_err();
    assert!(said.contains("do not: registry.example/emqx:5.10.4"), "{said}");
    change(json!({"spec": {"image": "emqx/emqx:5.10.4"}})).await.unwrap();
    emqx::delete(&client, &namespace, "older").await;
}

/// The API server finds fault with expressions only when they are used; its controller looks at all of them.
#[tokio::test]
async fn the_policy_is_well_typed() {
    let client = crate::environment().await;
    let namespace = namespace(&client, "typed").await.unwrap();
    let mut policy = documents("config/tenant-policy/policy.yaml").unwrap().remove(0);
    policy["metadata"]["name"] = namespace.as_str().into();
    apply(&client, None, &policy).await.unwrap();
    let policies = Api::<ValidatingAdmissionPolicy>::all(client.clone());
    let warnings = until("the policy to be looked at", SOON, || async {
        let status = policies.get(&namespace).await.map_err(|error| error.to_string())?.status.unwrap_or_default();
        let checked = status.type_checking.ok_or("it is not yet")?;
        Ok(checked.expression_warnings.unwrap_or_default())
    })
    .await;
    assert!(warnings.is_empty(), "{warnings:#?}");
    policies.delete(&namespace, &kube::api::DeleteParams::default()).await.unwrap();
}
