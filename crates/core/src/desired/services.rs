//! The two Services in front of a cluster.

use super::errors::{Mistake, Mistakes};
use crate::text::quoted;
use emqx_operator_api::hub::{EMQX, EMQXSpec, ServiceTemplate};
use emqx_operator_api::label;
use k8s_openapi::api::core::v1::ServiceSpec;
use serde::Serialize;

/// The two Services in front of a cluster.
#[derive(Clone, Debug, Serialize)]
pub struct ServiceSpecs {
    pub dashboard: ServiceTemplate,
    pub listeners: ServiceTemplate,
}

/// The Services of a spec that has been checked and says everything once.
pub(super) fn resolve(spec: &EMQXSpec) -> ServiceSpecs {
    ServiceSpecs {
        dashboard: spec.dashboard_service_template.clone().unwrap_or_default(),
        listeners: spec.listeners_service_template.clone().unwrap_or_default(),
    }
}

pub(super) fn check(cr: &EMQX) -> Result<(), Mistakes> {
    let mut mistakes = Mistakes::default();
    let instance = cr.metadata.name.as_deref().unwrap_or_default();
    // The dashboard is on cores; where clients are led to depends on the nodes that there are.
    let templates = [
        ("spec.dashboardServiceTemplate", &cr.spec.dashboard_service_template, Some("core")),
        ("spec.listenersServiceTemplate", &cr.spec.listeners_service_template, None),
    ];
    for (path, template, role) in templates {
        if let Some(spec) = template.as_ref().and_then(|template| template.spec.as_ref()) {
            check_service(&format!("{path}.spec"), spec, instance, role, &mut mistakes);
        }
    }
    mistakes.finish()
}

/// What the operator sets is accepted where it is the same: the files of the Go operator's guides have it.
fn check_service(path: &str, spec: &ServiceSpec, instance: &str, role: Option<&str>, mistakes: &mut Mistakes) {
    if let Some(kind) = spec.type_.as_deref()
        && !["ClusterIP", "NodePort", "LoadBalancer"].contains(&kind)
    {
        let problem = format!("'{}' is not one of ClusterIP, NodePort and LoadBalancer", quoted(kind));
        mistakes.push(Mistake::invalid(format!("{path}.type"), problem));
    }
    let own = |key: &str, value: &str| match key {
        label::INSTANCE => value == instance,
        label::MANAGED_BY => value == label::MANAGED_BY_VALUE,
        label::DB_ROLE => role.is_none_or(|role| value == role) && matches!(value, "core" | "replicant"),
        _ => false,
    };
    if spec.selector.iter().flatten().any(|(key, value)| !own(key, value)) {
        mistakes.push(Mistake::invalid(format!("{path}.selector"), "the selector is the operator's; leave it out"));
    }
    if spec.external_ips.iter().flatten().next().is_some() {
        let problem = "is refused: an address given here takes over the traffic of others to it (CVE-2020-8554); use \
                       type LoadBalancer";
        mistakes.push(Mistake::invalid(format!("{path}.externalIPs"), problem));
    }
    for (index, port) in spec.ports.iter().flatten().enumerate() {
        let path = format!("{path}.ports[{index}]");
        if !(1..=65535).contains(&port.port) {
            mistakes.push(Mistake::invalid(format!("{path}.port"), format!("{} is not a port", port.port)));
        }
        if port.name.is_none() {
            mistakes.push(Mistake::invalid(format!("{path}.name"), "a Service with several ports needs names"));
        }
    }
}
