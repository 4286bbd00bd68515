//! The chart installs what kustomize installs: the same objects, but for what Helm writes on each.

use super::objects::{Object, Variant};
use anyhow::bail;
use serde_json::Value;
use std::collections::BTreeMap;

/// Pairs that must be the same, by the names of their files.
pub(crate) const PAIRS: [(&str, &str); 11] = [
    ("helm-default", "kustomize-default"),
    ("helm-metrics-proxy", "kustomize-metrics-proxy"),
    ("helm-metrics-tls", "kustomize-metrics-tls"),
    ("helm-metrics-tls-cert-manager", "kustomize-metrics-tls-cert-manager"),
    ("helm-prometheus", "kustomize-prometheus"),
    ("helm-prometheus-metrics-tls", "kustomize-prometheus-metrics-tls"),
    ("helm-prometheus-metrics-proxy", "kustomize-prometheus-metrics-proxy"),
    ("helm-namespaced", "kustomize-namespaced"),
    ("helm-network-policy", "kustomize-network-policy"),
    ("helm-pods-exec", "kustomize-pods-exec"),
    ("helm-tenant-policy", "kustomize-tenant-policy"),
];

/// Labels and annotations that only one of the two writes, or on more objects.
const WRITTEN_BY_HELM: [&str; 5] = [
    "app.kubernetes.io/name",
    "app.kubernetes.io/managed-by",
    "app.kubernetes.io/instance",
    "app.kubernetes.io/version",
    "helm.sh/",
];

/// Fails with every difference of every pair.
pub(crate) fn check(variants: &[Variant]) -> anyhow::Result<()> {
    let mut differences = Vec::new();
    for (chart, tree) in PAIRS {
        let find = |name: &str| variants.iter().find(|variant| variant.name == name);
        match (find(chart), find(tree)) {
            (Some(left), Some(right)) => differences.extend(compare(left, right)),
            _ => differences.push(format!("{chart} or {tree} is not rendered")),
        }
    }
    if !differences.is_empty() {
        bail!("the chart and the kustomize tree differ:\n{}", differences.join("\n"));
    }
    Ok(())
}

/// What differs between two variants, a line each.
pub(crate) fn compare(chart: &Variant, tree: &Variant) -> Vec<String> {
    let (left, right) = (normalized(chart), normalized(tree));
    let mut names: Vec<_> = left.keys().chain(right.keys()).collect();
    names.sort();
    names.dedup();
    let mut differences = Vec::new();
    for name in names {
        match (left.get(name), right.get(name)) {
            (Some(a), Some(b)) => differing(a, b, String::new(), &mut |path| {
                differences.push(format!("{} and {}: {name}: {path}", chart.name, tree.name));
            }),
            (Some(_), None) => differences.push(format!("{name} is in {} only, not in {}", chart.name, tree.name)),
            (None, _) => differences.push(format!("{name} is in {} only, not in {}", tree.name, chart.name)),
        }
    }
    differences
}

fn normalized(variant: &Variant) -> BTreeMap<String, Value> {
    // Helm makes the namespace by --create-namespace; hooks and tests are no part of what is installed.
    let is_part =
        |object: &&Object| object.kind() != "Namespace" && object.at("/metadata/annotations/helm.sh~1hook").is_null();
    variant.objects.iter().filter(is_part).map(|object| (object.describe(), normal(object))).collect()
}

fn normal(object: &Object) -> Value {
    let mut value = object.0.clone();
    for pointer in ["/metadata/labels", "/metadata/annotations", "/spec/template/metadata/annotations"] {
        if let Some(map) = value.pointer_mut(pointer).and_then(Value::as_object_mut) {
            map.retain(|key, _| !WRITTEN_BY_HELM.iter().any(|prefix| key.starts_with(prefix)));
        }
    }
    for key in ["labels", "annotations"] {
        let metadata = value["metadata"].as_object_mut();
        if let Some(metadata) =
            metadata.filter(|m| m.get(key).is_some_and(|map| map.as_object().is_some_and(serde_json::Map::is_empty)))
        {
            metadata.remove(key);
        }
    }
    value
}

fn differing(a: &Value, b: &Value, path: String, say: &mut dyn FnMut(String)) {
    match (a, b) {
        (Value::Object(left), Value::Object(right)) => {
            let mut keys: Vec<_> = left.keys().chain(right.keys()).collect();
            keys.sort();
            keys.dedup();
            for key in keys {
                differing(&a[key], &b[key], format!("{path}.{key}"), say);
            }
        }
        // Order of variables that do not refer to each other means nothing; everything else that is a list is ordered.
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            for (index, (a, b)) in left.iter().zip(right).enumerate() {
                differing(a, b, format!("{path}[{index}]"), say);
            }
        }
        _ if a == b => {}
        _ => say(format!("{}: {a} and {b}", path.trim_start_matches('.'))),
    }
}

#[cfg(test)]
mod tests {
    use super::compare;
    use crate::manifests::objects::Variant;

    fn service(port: u16, annotation: &str) -> Variant {
        let text = format!(
            "kind: Service\nmetadata:\n  name: a\n  annotations: {{{annotation}: x}}\nspec:\n  ports:\n  - port: {port}\n"
        );
        Variant::parse("v", &text).unwrap()
    }

    #[test]
    fn what_helm_writes_is_no_difference() {
        assert_eq!(compare(&service(1, "helm.sh/resource-policy"), &service(1, "helm.sh/chart")), Vec::<String>::new());
    }

    #[test]
    fn a_difference_is_named_with_its_path() {
        assert_eq!(
            compare(&service(1, "helm.sh/x"), &service(2, "helm.sh/x")),
            ["v and v: Service a: spec.ports[0].port: 1 and 2"]
        );
    }

    #[test]
    fn an_object_that_one_lacks_is_named() {
        let empty = Variant::parse("empty", "").unwrap();
        assert_eq!(compare(&service(1, "a"), &empty), ["Service a is in v only, not in empty"]);
    }
}
