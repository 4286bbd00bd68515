//! A Certificate is for a Service of the installation: a scraper that checks names would refuse it otherwise.

use super::{Fault, fault};
use crate::manifests::objects::Variant;
use serde_json::Value;

pub(super) fn check(variant: &Variant) -> Vec<Fault> {
    let services: Vec<_> =
        variant.of_kind("Service").map(|service| format!("{}.{}.svc", service.name(), service.namespace())).collect();
    let is_ours = |name: &str| {
        services.iter().any(|service| {
            name == service || name.strip_prefix(service.as_str()).is_some_and(|rest| rest.starts_with('.'))
        })
    };
    let next = format!("use one of: {}", services.join(", "));
    let mut faults = Vec::new();
    for certificate in variant.of_kind("Certificate") {
        for (index, name) in certificate.list("/spec/dnsNames").iter().enumerate() {
            if !name.as_str().is_some_and(is_ours) {
                faults.push(fault(
                    certificate,
                    format!("spec.dnsNames[{index}]"),
                    format!("{name} is no Service here"),
                    &next,
                ));
            }
        }
    }
    for monitor in variant.of_kind("ServiceMonitor") {
        for (index, endpoint) in monitor.list("/spec/endpoints").iter().enumerate() {
            let name = &endpoint["tlsConfig"]["serverName"];
            if !matches!(name, Value::Null) && !name.as_str().is_some_and(is_ours) {
                let field = format!("spec.endpoints[{index}].tlsConfig.serverName");
                faults.push(fault(monitor, field, format!("{name} is no Service here"), &next));
            }
        }
    }
    faults
}
