//! The cluster that a resource is made into: its objects, its pods and its volumes, as Kubernetes would keep them.

use emqx_operator_core::Plan;
use emqx_operator_core::world::{Kind, KubernetesView};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::sync::Arc;

/// Objects by kind, as text that can still be changed.
#[derive(Clone, Debug, Default)]
pub struct Living {
    pub sets: Vec<Value>,
    pub replica_sets: Vec<Value>,
    pub pods: Vec<Value>,
    pub services: Vec<Value>,
    pub config_maps: Vec<Value>,
    pub secrets: Vec<Value>,
    pub budgets: Vec<Value>,
    pub claims: Vec<Value>,
}

impl Living {
    /// What the first plan for a resource makes.
    pub fn made_by(plan: &Plan) -> Living {
        let mut living = Living::default();
        for action in &plan.actions {
            let Some(manifest) = action.manifest() else { continue };
            let mut body = Value::clone(&manifest.body);
            body["metadata"]["uid"] = format!("uid of {}", manifest.id).into();
            body["metadata"]["resourceVersion"] = "1".into();
            body["metadata"]["generation"] = 1.into();
            body["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z".into();
            match manifest.id.kind {
                Kind::StatefulSet => living.sets.push(set(body)),
                Kind::ReplicaSet => living.replica_sets.push(set(body)),
                Kind::Service => living.services.push(body),
                Kind::ConfigMap => living.config_maps.push(body),
                Kind::Secret => living.secrets.push(body),
                Kind::PodDisruptionBudget => living.budgets.push(body),
                Kind::Pod | Kind::PersistentVolumeClaim => {}
            }
        }
        for set in living.sets.clone() {
            for number in 0..pods_of(&set) {
                let pod = format!("{}-{number}", name(&set));
                living.pods.push(pod_of(&set, &pod, number));
                living.claims.push(claim_of(&set, &pod));
            }
        }
        for (index, set) in living.replica_sets.clone().into_iter().enumerate() {
            for number in 0..pods_of(&set) {
                living.pods.push(pod_of(&set, &format!("{}-{number}x", name(&set)), 100 * (index + 1) + number));
            }
        }
        living
    }

    /// As the operator sees them.
    pub fn view(&self) -> KubernetesView {
        KubernetesView {
            stateful_sets: typed(&self.sets),
            replica_sets: typed(&self.replica_sets),
            pods: typed(&self.pods),
            services: typed(&self.services),
            config_maps: typed(&self.config_maps),
            secrets: typed(&self.secrets),
            budgets: typed(&self.budgets),
            namespace_budgets: typed(&self.budgets),
            claims: typed(&self.claims),
            events: Vec::new(),
        }
    }
}

fn typed<T: DeserializeOwned>(objects: &[Value]) -> Vec<Arc<T>> {
    objects.iter().map(|object| Arc::new(serde_json::from_value(object.clone()).expect("it fits its type"))).collect()
}

pub fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

fn set(mut body: Value) -> Value {
    body["status"] = json!({"observedGeneration": 1, "replicas": body["spec"]["replicas"]});
    body
}

fn pods_of(set: &Value) -> usize {
    set["spec"]["replicas"].as_u64().and_then(|number| usize::try_from(number).ok()).unwrap_or(1)
}

fn pod_of(set: &Value, pod: &str, address: usize) -> Value {
    let mut body = set["spec"]["template"].clone();
    body["metadata"]["name"] = pod.into();
    body["metadata"]["namespace"] = "default".into();
    body["metadata"]["uid"] = format!("uid of {pod}").into();
    body["metadata"]["resourceVersion"] = "1".into();
    body["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z".into();
    body["metadata"]["ownerReferences"] = json!([{
        "apiVersion": "apps/v1", "kind": set["kind"], "name": name(set), "uid": set["metadata"]["uid"], "controller": true,
    }]);
    body["status"] = json!({
        "phase": "Running", "podIP": format!("10.0.0.{address}"), "startTime": "2026-01-01T00:00:00Z",
        "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:01:00Z"}],
        "containerStatuses": [{
            "name": "emqx", "image": "", "imageID": "", "ready": true, "restartCount": 0,
            "state": {"running": {"startedAt": "2026-01-01T00:00:30Z"}},
        }],
    });
    body
}

fn claim_of(set: &Value, pod: &str) -> Value {
    let template = &set["spec"]["volumeClaimTemplates"][0];
    json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": format!("{}-{pod}", name(template)), "namespace": "default", "uid": format!("uid of the claim of {pod}"),
            "resourceVersion": "1", "creationTimestamp": "2026-01-01T00:00:00Z", "labels": template["metadata"]["labels"],
        },
        "spec": template["spec"],
        "status": {"phase": "Bound", "capacity": template["spec"]["resources"]["requests"]},
    })
}
