//! The two Services in front of a cluster.

use super::errors::{Mistake, Mistakes};
use super::{Role, own_labels};
use crate::text::quoted;
use emqx_operator_api::hub::{EMQX, EMQXSpec, ServiceTemplate};
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
    // The dashboard is on cores; where clients are led to depends on the nodes that there are.
    let templates = [
        ("spec.dashboardServiceTemplate", &cr.spec.dashboard_service_template, &[Role::Core][..]),
        ("spec.listenersServiceTemplate", &cr.spec.listeners_service_template, &[Role::Core, Role::Replicant]),
    ];
    for (path, template, roles) in templates {
        if let Some(spec) = template.as_ref().and_then(|template| template.spec.as_ref()) {
            let path = format!("{path}.spec");
            check_selector(&path, spec, cr.metadata.name.as_deref(), roles, &mut mistakes);
            check_service(&path, spec, &mut mistakes);
        }
    }
    mistakes.finish()
}

fn check_selector(path: &str, spec: &ServiceSpec, instance: Option<&str>, roles: &[Role], mistakes: &mut Mistakes) {
    let same = |(key, value): (&String, &String)| own_labels::says_the_same(key, value, instance, roles);
    if !spec.selector.iter().flatten().all(same) {
        mistakes.push(Mistake::invalid(format!("{path}.selector"), "the selector is the operator's; leave it out"));
    }
}

fn check_service(path: &str, spec: &ServiceSpec, mistakes: &mut Mistakes) {
    if let Some(kind) = spec.type_.as_deref()
        && !["ClusterIP", "NodePort", "LoadBalancer"].contains(&kind)
    {
        let problem = format!("'{}' is not one of ClusterIP, NodePort and LoadBalancer", quoted(kind));
        mistakes.push(Mistake::invalid(format!("{path}.type"), problem));
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
