//! Every port of a Service reaches a declared port of every pod that it selects.

use super::{Fault, fault};
use crate::manifests::objects::{Variant, shown};

pub(super) fn check(variant: &Variant) -> Vec<Fault> {
    let mut faults = Vec::new();
    for service in variant.of_kind("Service") {
        for pod in variant.selected(service.namespace(), service.at("/spec/selector")) {
            for (index, port) in service.list("/spec/ports").iter().enumerate() {
                // Without a targetPort it is the port itself.
                let (field, target) = match &port["targetPort"] {
                    serde_json::Value::Null => ("port", &port["port"]),
                    target => ("targetPort", target),
                };
                if !pod.declares(target) {
                    faults.push(fault(
                        service,
                        format!("spec.ports[{index}].{field}"),
                        format!("no container of {} has port {}", pod.owner.describe(), shown(target)),
                        format!("name one that is declared: {}", pod.declared()),
                    ));
                }
            }
        }
    }
    faults
}
