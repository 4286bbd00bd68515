//! Probes of the EMQX container.
//!
//! Only the kubelet decides readiness: it asks the broker, and no gate of the operator stands between a running broker
//! and its clients, also while the operator is down.

use super::dashboard_ports;
use crate::desired::{Desired, PoolSpec};
use k8s_openapi::api::core::v1::{HTTPGetAction, Probe};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

const STATUS: &str = "/status";
const AVAILABILITY: &str = "/api/v5/load_rebalance/availability_check";

pub(super) fn liveness(desired: &Desired, pool: &PoolSpec) -> Probe {
    let default = || Probe {
        http_get: Some(get(desired, pool, STATUS)),
        initial_delay_seconds: Some(60),
        period_seconds: Some(30),
        failure_threshold: Some(3),
        ..Probe::default()
    };
    pool.template.liveness_probe.clone().unwrap_or_else(default)
}

/// A core waits without limit for peers that had newer data than it, a replicant for a core of its version: neither is
/// helped by being killed.
pub(super) fn startup(desired: &Desired, pool: &PoolSpec) -> Probe {
    let default = || Probe {
        http_get: Some(get(desired, pool, STATUS)),
        period_seconds: Some(2),
        timeout_seconds: Some(2),
        failure_threshold: Some(450),
        ..Probe::default()
    };
    pool.template.startup_probe.clone().unwrap_or_else(default)
}

/// The default of older API versions asked `/status`, which stays 200 while a node is evacuated; it stands in stored
/// resources, so it is read as "the default". The default of today may stand there with other times, and is asked of EMQX
/// that does not have it.
pub(super) fn readiness(desired: &Desired, pool: &PoolSpec, availability_check: bool) -> Probe {
    let path = if availability_check { AVAILABILITY } else { STATUS };
    let default = || Probe {
        http_get: Some(get(desired, pool, path)),
        initial_delay_seconds: Some(10),
        period_seconds: Some(5),
        timeout_seconds: Some(3),
        failure_threshold: Some(1),
        ..Probe::default()
    };
    let Some(probe) = &pool.template.readiness_probe else { return default() };
    match probe.http_get.as_ref().and_then(|get| get.path.as_deref()) {
        Some(STATUS) => default(),
        Some(AVAILABILITY) => {
            let default = default();
            Probe {
                http_get: default.http_get,
                initial_delay_seconds: probe.initial_delay_seconds.or(default.initial_delay_seconds),
                period_seconds: probe.period_seconds.or(default.period_seconds),
                timeout_seconds: probe.timeout_seconds.or(default.timeout_seconds),
                failure_threshold: probe.failure_threshold.or(default.failure_threshold),
                ..probe.clone()
            }
        }
        _ => probe.clone(),
    }
}

fn get(desired: &Desired, pool: &PoolSpec, path: &str) -> HTTPGetAction {
    let ports = desired.config.dashboard;
    let names = dashboard_ports::names(ports, pool);
    let (port, scheme) = if ports.http.is_some() { (names.http, "HTTP") } else { (names.https, "HTTPS") };
    HTTPGetAction {
        path: Some(path.to_owned()),
        port: IntOrString::String(port),
        scheme: Some(scheme.to_owned()),
        ..HTTPGetAction::default()
    }
}
