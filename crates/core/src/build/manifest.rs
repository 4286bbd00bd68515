//! An object to apply, and the comparison with the existing object.
//!
//! Two things make an object stale. The digest in its annotation differs: the manifest has changed, which also shows
//! fields that the spec has dropped. Or a field of the operator has another value: another client changed it. Fields and
//! labels of other managers, and fields that the API server fills in, are ignored.

use crate::desired::{Desired, Owner, canonical, digest};
use crate::merge_keys::merge_keys;
use crate::quantity::Amount;
use crate::world::{Kind, Live, ObjectId};
use emqx_operator_api::normalize::{MAPS_OF_QUANTITIES, QUANTITIES};
use emqx_operator_api::{GROUP, annotation};
use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// An object to apply: only the fields of the operator.
#[derive(Clone, PartialEq, Serialize)]
pub struct Manifest {
    pub id: ObjectId,
    #[serde(serialize_with = "plain")]
    pub body: Arc<Value>,
}

fn plain<S: Serializer>(body: &Arc<Value>, serializer: S) -> Result<S::Ok, S::Error> {
    body.as_ref().serialize(serializer)
}

/// Secrets have bodies too, so bodies are not printed.
impl fmt::Debug for Manifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Manifest({})", self.id)
    }
}

impl Manifest {
    /// Completes an object with name, labels, owner and digest.
    pub(super) fn new(
        desired: &Desired,
        kind: Kind,
        name: String,
        labels: &BTreeMap<String, String>,
        annotations: &BTreeMap<String, String>,
        content: impl Serialize,
    ) -> Manifest {
        let mut body = serde_json::to_value(content).expect("Kubernetes types are plain data");
        prune(&mut body);
        body["apiVersion"] = kind.api_version().into();
        body["kind"] = kind.as_str().into();
        body["metadata"] = json!({
            "name": name,
            "namespace": desired.names.namespace,
            "labels": labels,
            "annotations": annotations,
            "ownerReferences": [owner_reference(&desired.owner)],
        });
        body["metadata"]["annotations"][annotation::APPLIED] = digest(&canonical(&body))[..16].into();
        Manifest { id: ObjectId { kind, name }, body: Arc::new(body) }
    }
}

/// Sets an annotation after the digest, which does not cover it.
pub fn set_annotation(manifest: &mut Manifest, key: &str, value: &str) {
    Arc::make_mut(&mut manifest.body)["metadata"]["annotations"][key] = value.into();
}

/// Sets the number of pods. It never enters the digest: scaling is an action of its own.
pub fn set_replicas(manifest: &mut Manifest, replicas: i32) {
    Arc::make_mut(&mut manifest.body)["spec"]["replicas"] = replicas.into();
}

fn owner_reference(owner: &Owner) -> Value {
    json!({
        "apiVersion": format!("{GROUP}/v3beta1"),
        "kind": "EMQX",
        "name": owner.name,
        "uid": owner.uid,
        "controller": true,
        "blockOwnerDeletion": true,
    })
}

/// Empty maps and lists have no effect, but would be fields that the operator owns.
fn prune(value: &mut Value) {
    if let Value::Object(fields) = value {
        fields.values_mut().for_each(prune);
        // `emptyDir: {}` and its like mean something by being there.
        fields.retain(|key, value| !value.is_null() && (meaningful(key) || !is_empty(value)));
    }
    if let Value::Array(items) = value {
        items.iter_mut().for_each(prune);
    }
}

fn meaningful(key: &str) -> bool {
    matches!(key, "emptyDir" | "namespaceSelector" | "podSelector" | "labelSelector" | "selector" | "data")
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Object(fields) => fields.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// Fields in which an object differs from its manifest, with a digest of the live value, which may be secret.
pub type Differences = BTreeMap<String, String>;

/// Whether the existing object is as the manifest says, or as Kubernetes stored it when it was last applied: an
/// admission webhook that changes a field of the operator would do so again.
pub fn in_sync(wanted: &Manifest, live: &Live, admission_drift: Option<&Differences>) -> bool {
    let applied = |body: &Value| body["metadata"]["annotations"][annotation::APPLIED].as_str().map(str::to_owned);
    applied(&wanted.body) == applied(&live.body)
        && (covers(&live.body, &wanted.body, Place::ROOT)
            || admission_drift.is_some_and(|known| *known == differences(wanted, &live.body)))
}

/// Fields of the manifest that have other values in the existing object. The number of pods is not compared.
pub fn differences(wanted: &Manifest, live: &Value) -> Differences {
    let mut found = Differences::new();
    collect(live, &wanted.body, Place::ROOT, "", &mut found);
    found.remove("spec.replicas");
    found
}

fn collect(live: &Value, wanted: &Value, place: Place<'_>, path: &str, found: &mut Differences) {
    if covers(live, wanted, place) {
        return;
    }
    match (live, wanted, merge_keys(place.key)) {
        (Value::Object(live), Value::Object(wanted), _) => {
            for (key, wanted) in wanted {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                collect(live.get(key).unwrap_or(&Value::Null), wanted, place.field(key), &path, found);
            }
        }
        (Value::Array(live), Value::Array(wanted), Some(keys)) => {
            for (number, wanted) in wanted.iter().enumerate() {
                let item = same_item(live, wanted, keys).unwrap_or(&Value::Null);
                let name = wanted["name"].as_str().map_or_else(|| number.to_string(), str::to_owned);
                collect(item, wanted, Place::ROOT, &format!("{path}[{name}]"), found);
            }
        }
        _ => drop(found.insert(path.to_owned(), digest(&canonical(live))[..16].to_owned())),
    }
}

/// Where a value stands: under which field, and what that holds.
#[derive(Clone, Copy)]
struct Place<'k> {
    key: &'k str,
    holds: Holds,
}

#[derive(Clone, Copy)]
enum Holds {
    /// Fields that Kubernetes knows.
    Fields,
    /// Names and texts of users, such as labels: a label with the key `limits` is a plain text, too.
    Texts,
    /// A quantity under each name.
    Quantities,
    Quantity,
}

/// Maps whose keys are words of users.
const MAPS_OF_TEXTS: [&str; 8] =
    ["labels", "annotations", "matchLabels", "nodeSelector", "data", "stringData", "volumeAttributes", "options"];

impl<'k> Place<'k> {
    const ROOT: Place<'static> = Place { key: "", holds: Holds::Fields };

    fn field(self, key: &'k str) -> Place<'k> {
        let holds = match self.holds {
            Holds::Fields if QUANTITIES.contains(&key) => Holds::Quantity,
            Holds::Fields if MAPS_OF_QUANTITIES.contains(&key) => Holds::Quantities,
            Holds::Fields if MAPS_OF_TEXTS.contains(&key) => Holds::Texts,
            Holds::Fields => Holds::Fields,
            Holds::Texts => Holds::Texts,
            Holds::Quantities | Holds::Quantity => Holds::Quantity,
        };
        Place { key, holds }
    }
}

/// Whether `live` has everything that `wanted` says, at this place.
fn covers(live: &Value, wanted: &Value, place: Place<'_>) -> bool {
    match (live, wanted) {
        (Value::Object(live), Value::Object(wanted)) => wanted.iter().all(|(key, wanted)| {
            let live = live.get(key).unwrap_or(&Value::Null);
            covers(live, wanted, place.field(key))
        }),
        (Value::Array(live), Value::Array(wanted)) => list_covers(live, wanted, place),
        (live, wanted) if live == wanted => true,
        // What the API server drops because it says nothing.
        (Value::Null, Value::String(text)) => text.is_empty(),
        (Value::Null, Value::Bool(on)) => !on,
        (Value::Null, Value::Object(_) | Value::Array(_)) => is_empty(wanted),
        (Value::Null, Value::Number(number)) => number.as_f64() == Some(0.0),
        (live, wanted) => match place.holds {
            Holds::Quantity => same_quantity(live, wanted),
            Holds::Fields | Holds::Texts | Holds::Quantities => false,
        },
    }
}

/// Lists whose items have names are merged by name; other lists belong to the manager that set them.
fn list_covers(live: &[Value], wanted: &[Value], place: Place<'_>) -> bool {
    match merge_keys(place.key) {
        Some(keys) => {
            wanted.iter().all(|wanted| same_item(live, wanted, keys).is_some_and(|live| covers(live, wanted, place)))
        }
        None => live.len() == wanted.len() && live.iter().zip(wanted).all(|(live, wanted)| covers(live, wanted, place)),
    }
}

fn same_item<'v>(live: &'v [Value], wanted: &Value, merge_keys: &[&str]) -> Option<&'v Value> {
    live.iter().find(|live| {
        merge_keys.iter().all(|merge_key| {
            match (live.get(*merge_key), wanted.get(*merge_key)) {
                // A protocol that is left out is TCP.
                (Some(said), None) | (None, Some(said)) => *merge_key == "protocol" && said == "TCP",
                (live, wanted) => live == wanted,
            }
        })
    })
}

/// `1000m` is stored as `1`.
fn same_quantity(live: &Value, wanted: &Value) -> bool {
    let amount = |value: &Value| match value {
        Value::String(text) => Amount::parse(text),
        Value::Number(number) => Amount::parse(&number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    matches!((amount(live), amount(wanted)), (Some(live), Some(wanted)) if live == wanted)
}

#[cfg(test)]
mod tests {
    use super::{Manifest, Place, covers, differences};
    use crate::world::{Kind, ObjectId};
    use serde_json::{Value, json};
    use std::sync::Arc;

    #[track_caller]
    fn check(expected: bool, live: Value, wanted: Value) {
        assert_eq!(covers(&live, &wanted, Place::ROOT), expected, "live {live}, wanted {wanted}");
    }

    #[test]
    fn what_others_add_is_none_of_our_business() {
        check(true, json!({"a": 1, "theirs": 2}), json!({"a": 1}));
        check(
            true,
            json!({"containers": [{"name": "sidecar"}, {"name": "emqx", "image": "x", "default": 1}]}),
            json!({"containers": [{"name": "emqx", "image": "x"}]}),
        );
        check(
            true,
            json!({"ports": [{"port": 1, "protocol": "TCP"}, {"port": 1, "protocol": "UDP"}]}),
            json!({"ports": [{"port": 1, "protocol": "UDP"}]}),
        );
    }

    #[test]
    fn what_somebody_changed_is_seen() {
        check(false, json!({"a": 2}), json!({"a": 1}));
        check(false, json!({}), json!({"a": 1}));
        check(false, json!({"command": ["a", "b"]}), json!({"command": ["a"]}));
        check(false, json!({"containers": []}), json!({"containers": [{"name": "emqx"}]}));
    }

    #[test]
    fn what_the_api_server_rewrites_is_the_same() {
        check(true, json!({"limits": {"cpu": "1"}}), json!({"limits": {"cpu": "1000m"}}));
        check(true, json!({"limits": {"memory": "1Gi"}}), json!({"limits": {"memory": "1024Mi"}}));
        check(true, json!({"env": [{"name": "A"}]}), json!({"env": [{"name": "A", "value": ""}]}));
        check(true, json!({}), json!({"hostNetwork": false, "minReadySeconds": 0}));
        check(false, json!({"limits": {"cpu": "1"}}), json!({"limits": {"cpu": "2000m"}}));
    }

    /// What is no quantity is what it says, also when it looks like one.
    #[test]
    fn quantities_are_compared_where_they_stand_and_nowhere_else() {
        let quantities = [
            |text: &str| json!({"resources": {"limits": {"memory": text}}}),
            |text: &str| json!({"resources": {"requests": {"example.com/gpu": text}}}),
            |text: &str| json!({"status": {"capacity": {"storage": text}}}),
            |text: &str| json!({"volumes": [{"name": "a", "emptyDir": {"sizeLimit": text}}]}),
            |text: &str| json!({"env": [{"name": "A", "valueFrom": {"resourceFieldRef": {"divisor": text}}}]}),
        ];
        let texts = [
            |text: &str| json!({"env": [{"name": "A", "value": text}]}),
            |text: &str| json!({"args": [text]}),
            |text: &str| json!({"metadata": {"annotations": {"sizeLimit": text}, "labels": {"a": "b"}}}),
            |text: &str| json!({"metadata": {"labels": {"limits": text}}}),
            |text: &str| json!({"nodeSelector": {"divisor": text}}),
            |text: &str| json!({"data": {"requests": text}}),
            |text: &str| json!({"limits": text}),
        ];
        let pairs =
            [("1", "1000m"), ("100Gi", "107374182400"), ("3T", "3000000000000"), ("1Ei", "1152921504606846976")];
        for (live, wanted) in pairs {
            for object in quantities {
                check(true, object(live), object(wanted));
                check(false, object(live), object("7"));
            }
            for object in texts {
                check(false, object(live), object(wanted));
                check(true, object(live), object(live));
            }
        }
    }

    #[test]
    fn quantities_without_bounds_end_nobody() {
        let limit = |text: &str| json!({"limits": {"memory": text}});
        check(false, limit("10000000000000000P"), limit("10000Mi"));
        check(true, limit("10000000000000000P"), limit("10000000000000000P"));
    }

    #[test]
    fn what_somebody_rewrites_is_named_by_its_path() {
        let template = |image: &str, limit: &str| {
            let containers = json!([{"name": "emqx", "image": image, "resources": {"limits": {"cpu": limit}}}]);
            json!({"spec": {"replicas": 2, "template": {"spec": {"containers": containers}}}})
        };
        let id = ObjectId { kind: Kind::StatefulSet, name: "iot-core".to_owned() };
        let wanted = Manifest { id, body: Arc::new(template("emqx/emqx:6.0.0", "1000m")) };
        let mut live = template("mirror/emqx/emqx:6.0.0", "1");
        live["spec"]["replicas"] = 3.into();
        let found = differences(&wanted, &live);
        assert_eq!(found.keys().collect::<Vec<_>>(), ["spec.template.spec.containers[emqx].image"]);
        let other = differences(&wanted, &template("elsewhere/emqx/emqx:6.0.0", "1"));
        assert_ne!(found, other, "what is there instead matters");
        assert!(differences(&wanted, &template("emqx/emqx:6.0.0", "1")).is_empty());
    }
}
