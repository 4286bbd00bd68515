//! The two Services in front of a cluster.

use super::errors::{Mistake, Mistakes};
use crate::text::quoted;
use emqx_operator_api::hub::{EMQXSpec, ServiceTemplate};
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

pub(super) fn check(spec: &EMQXSpec) -> Result<(), Mistakes> {
    let mut mistakes = Mistakes::default();
    let templates = [
        ("spec.dashboardServiceTemplate", &spec.dashboard_service_template),
        ("spec.listenersServiceTemplate", &spec.listeners_service_template),
    ];
    for (path, template) in templates {
        if let Some(spec) = template.as_ref().and_then(|template| template.spec.as_ref()) {
            check_service(&format!("{path}.spec"), spec, &mut mistakes);
        }
    }
    mistakes.finish()
}

fn check_service(path: &str, spec: &ServiceSpec, mistakes: &mut Mistakes) {
    if let Some(kind) = spec.type_.as_deref()
        && !["ClusterIP", "NodePort", "LoadBalancer"].contains(&kind)
    {
        let problem = format!("'{}' is not one of ClusterIP, NodePort and LoadBalancer", quoted(kind));
        mistakes.push(Mistake::invalid(format!("{path}.type"), problem));
    }
    if spec.selector.is_some() {
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
