//! The two Services in front of a cluster.

use super::errors::{Mistake, Mistakes};
use emqx_operator_api::hub::{EMQXSpec, ServiceTemplate};
use serde::Serialize;
use std::collections::BTreeSet;

/// The two Services in front of a cluster.
#[derive(Clone, Debug, Serialize)]
pub struct ServiceSpecs {
    pub dashboard: ServiceTemplate,
    pub listeners: ServiceTemplate,
}

pub(super) fn resolve(spec: &EMQXSpec) -> Result<ServiceSpecs, Mistakes> {
    let mut mistakes = Mistakes::default();
    let templates = [
        ("spec.dashboardServiceTemplate", &spec.dashboard_service_template),
        ("spec.listenersServiceTemplate", &spec.listeners_service_template),
    ];
    for (path, template) in templates {
        mistakes.collect(template.as_ref().map_or(Ok(()), |template| check(path, template)));
    }
    mistakes.finish()?;
    Ok(ServiceSpecs {
        dashboard: spec.dashboard_service_template.clone().unwrap_or_default(),
        listeners: spec.listeners_service_template.clone().unwrap_or_default(),
    })
}

fn check(path: &str, template: &ServiceTemplate) -> Result<(), Mistakes> {
    let Some(spec) = &template.spec else { return Ok(()) };
    let mut mistakes = Vec::new();
    if let Some(kind) = spec.type_.as_deref()
        && !["ClusterIP", "NodePort", "LoadBalancer"].contains(&kind)
    {
        let problem = format!("'{kind}' is not one of ClusterIP, NodePort and LoadBalancer");
        mistakes.push(Mistake::invalid(format!("{path}.spec.type"), problem));
    }
    if spec.selector.is_some() {
        mistakes
            .push(Mistake::invalid(format!("{path}.spec.selector"), "the selector is the operator's; leave it out"));
    }
    let mut names = BTreeSet::new();
    for (index, port) in spec.ports.iter().flatten().enumerate() {
        let path = format!("{path}.spec.ports[{index}]");
        if !(1..=65535).contains(&port.port) {
            mistakes.push(Mistake::invalid(format!("{path}.port"), format!("{} is not a port", port.port)));
        }
        match &port.name {
            None => mistakes.push(Mistake::invalid(format!("{path}.name"), "a Service with several ports needs names")),
            Some(name) if !names.insert(name) => {
                mistakes.push(Mistake::invalid(format!("{path}.name"), format!("'{name}' is used twice")));
            }
            Some(_) => {}
        }
    }
    Mistakes::from(mistakes).finish()
}
