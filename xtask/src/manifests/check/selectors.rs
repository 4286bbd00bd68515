//! Every selector finds what it is there for.

use super::{Fault, fault};
use crate::manifests::objects::{Object, Pod, Variant, has_labels};
use serde_json::Value;

pub(super) fn check(variant: &Variant) -> Vec<Fault> {
    variant.objects.iter().filter_map(|object| of_object(variant, object)).collect()
}

fn of_object(variant: &Variant, object: &Object) -> Option<Fault> {
    match object.kind() {
        "Service" if object.text("/spec/type") != "ExternalName" => {
            pods(variant, object, "spec.selector", object.at("/spec/selector"))
        }
        "PodDisruptionBudget" => {
            pods(variant, object, "spec.selector.matchLabels", object.at("/spec/selector/matchLabels"))
        }
        "NetworkPolicy" => {
            pods(variant, object, "spec.podSelector.matchLabels", object.at("/spec/podSelector/matchLabels"))
        }
        "ServiceMonitor" => services(variant, object),
        "Deployment" | "StatefulSet" | "DaemonSet" => own_pods(variant, object),
        _ => None,
    }
}

fn pods(variant: &Variant, object: &Object, field: &str, labels: &Value) -> Option<Fault> {
    let selected = variant.selected(object.namespace(), labels);
    selected.is_empty().then(|| {
        let there: Vec<_> =
            variant.pods().iter().map(|pod| format!("{} {}", pod.owner.describe(), pod.labels)).collect();
        let next = format!("use labels of a pod template in its namespace: {}", there.join(", "));
        fault(object, field, format!("{labels} selects no pods"), next)
    })
}

fn services(variant: &Variant, monitor: &Object) -> Option<Fault> {
    let labels = monitor.at("/spec/selector/matchLabels");
    let found = variant.of_kind("Service").any(|service| {
        service.namespace() == monitor.namespace() && has_labels(service.at("/metadata/labels"), labels)
    });
    let next = "use labels of a Service in its namespace";
    (!found).then(|| fault(monitor, "spec.selector.matchLabels", format!("{labels} selects no Service"), next))
}

fn own_pods(variant: &Variant, object: &Object) -> Option<Fault> {
    let labels = object.at("/spec/selector/matchLabels");
    let is_own = |pod: &Pod<'_>| std::ptr::eq(pod.owner, object) && has_labels(pod.labels, labels);
    let found = variant.pods().iter().any(is_own);
    let next = "make spec.template.metadata.labels contain it";
    (!found).then(|| fault(object, "spec.selector.matchLabels", format!("{labels} is not its own pods' labels"), next))
}
