//! The part of the spec that histories change.

use emqx_operator_api::hub::EMQX;
use emqx_operator_core::desired::{Desired, References};
use serde_json::json;

/// What EMQX refuses has this in it.
pub(crate) const BAD: &str = "too large";
/// The storage class that does not exist.
pub(crate) const MISSING: &str = "missing";
/// Longer than anything takes without failures.
pub(crate) const PROGRESS_DEADLINE: i64 = 150;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Spec {
    /// Which image: 0 is the first one.
    pub(crate) image: u8,
    /// Pods of this image never start.
    pub(crate) broken: bool,
    pub(crate) cores: i32,
    pub(crate) replicants: i32,
    pub(crate) evacuation: bool,
    pub(crate) surge: i32,
    pub(crate) unavailable: i32,
    pub(crate) durable: bool,
    pub(crate) restarts: u8,
    pub(crate) blue_green: bool,
    /// EMQX refuses the configuration.
    pub(crate) bad_config: bool,
    /// The volumes of this spec cannot be provisioned.
    pub(crate) bad_volumes: bool,
    /// A rollout whose nodes do not come up is given up.
    pub(crate) rollback: bool,
    /// Sessions per second that are moved off a node.
    pub(crate) pace: u32,
}

impl Spec {
    pub(crate) fn version(&self) -> String {
        format!("6.0.{}", self.image)
    }

    pub(crate) fn desired(&self, generation: i64) -> Desired {
        resolve(&self.resource(generation))
    }

    pub(crate) fn resource(&self, generation: i64) -> EMQX {
        let tag = if self.broken { format!("{}-broken", self.version()) } else { self.version() };
        let value = json!({
            "apiVersion": "apps.emqx.io/v3beta1",
            "kind": "EMQX",
            "metadata": {
                "name": "iot", "namespace": "sim", "uid": "the-resource", "generation": generation,
                "annotations": {"apps.emqx.io/restart-requested-at": self.restarts.to_string()},
            },
            "spec": {
                "image": format!("emqx/emqx:{tag}"),
                "config": {"roots": {
                    "license": {"key": "evaluation"},
                    "durable_sessions": {"enable": self.durable},
                    "mqtt": {"max_packet_size": if self.bad_config { BAD } else { "1MB" }},
                }},
                "coreTemplate": {"spec": {
                    "replicas": self.cores,
                    "persistentVolumeClaimSpec": {
                        "accessModes": ["ReadWriteOnce"],
                        "resources": {"requests": {"storage": "500Mi"}},
                        "storageClassName": if self.bad_volumes { MISSING } else { "standard" },
                    },
                }},
                "replicantTemplate": {"spec": {"replicas": self.replicants}},
                "updateStrategy": {
                    "type": if self.blue_green { "BlueGreen" } else { "RollingUpdate" },
                    "evacuationStrategy": {
                        "type": if self.evacuation { "NodeEvacuation" } else { "Disabled" },
                        "sessionEvictionRate": self.pace,
                    },
                    "replicants": {"maxSurge": self.surge, "maxUnavailable": self.unavailable},
                    "progressDeadlineSeconds": PROGRESS_DEADLINE,
                    "rollbackOnFailure": self.rollback,
                },
            },
        });
        serde_json::from_value(value).expect("the resource fits the type")
    }
}

pub(crate) fn resolve(cr: &EMQX) -> Desired {
    Desired::resolve(cr, &References::default()).unwrap_or_else(|mistakes| panic!("{:?}: {mistakes}", cr.spec))
}
