//! Label and annotation keys, in one place because users, tests and other tools match on them.

/// Labels on the objects of a cluster.
pub mod label {
    /// The name of the EMQX resource that an object belongs to.
    pub const INSTANCE: &str = "apps.emqx.io/instance";
    /// Always `emqx-operator`; every watch of the operator selects on it.
    pub const MANAGED_BY: &str = "apps.emqx.io/managed-by";
    /// `core` or `replicant`.
    pub const DB_ROLE: &str = "apps.emqx.io/db-role";
    /// The hash of the pod template that a replicant set was made from.
    pub const POD_TEMPLATE_HASH: &str = "apps.emqx.io/pod-template-hash";

    /// The value of [`MANAGED_BY`].
    pub const MANAGED_BY_VALUE: &str = "emqx-operator";
}

/// Annotations that users or the operator set.
pub mod annotation {
    /// Set by the user on an EMQX resource: any value except `false` pauses the operator for it.
    pub const PAUSED: &str = "apps.emqx.io/paused";
    /// On every child object: the digest of what the operator applied last.
    pub const APPLIED: &str = "apps.emqx.io/applied";
    /// On the ConfigMap: the revision of the runtime roots that the running brokers have.
    pub const RUNTIME_CONFIG_REVISION: &str = "apps.emqx.io/runtime-config-revision";
    /// On the ConfigMap: the names of the runtime roots that were sent to the running brokers; names of lists end with `[]`.
    pub const RUNTIME_CONFIG_ROOTS: &str = "apps.emqx.io/runtime-config-roots";
    /// On pod templates: the revision of the startup roots that a pod was started with.
    pub const STARTUP_CONFIG_REVISION: &str = "apps.emqx.io/startup-config-revision";
    /// On core pod templates: the operator's own digest of the template (Kubernetes' revision misses changes).
    pub const TEMPLATE_REVISION: &str = "apps.emqx.io/template-revision";
    /// On pods whose dashboard ports have names that the user chose: `dashboard=NAME`, `dashboard-https=NAME`.
    pub const DASHBOARD_PORTS: &str = "apps.emqx.io/dashboard-ports";
    /// Set by the user on an EMQX resource, to any new value: all nodes restart, one after the other.
    pub const RESTART_REQUESTED_AT: &str = "apps.emqx.io/restart-requested-at";
    /// Set by the user on an EMQX resource: consent to an upgrade that is held, such as `5.10.4->6.2.2`.
    pub const UPGRADE_CONSENT: &str = "apps.emqx.io/upgrade-consent";
    /// Marks an evacuation of the operator: on the core set the names of the evacuated pods, on a replicant pod that it is
    /// evacuated.
    pub const EVACUATING: &str = "apps.emqx.io/evacuating";
    /// Kubernetes' own, on replicant pods: ReplicaSets delete pods of low cost first.
    pub const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";
    /// On the core set: the lowest ordinal that was never used, or whose pod, node, site and volume are gone.
    pub const CORE_WATERMARK: &str = "apps.emqx.io/core-retirement-pod-ordinal-watermark";
    /// On the core set: a digest of the claim templates that the spec asked for when the set was created.
    pub const VOLUMES_ASKED_FOR: &str = "apps.emqx.io/volumes-asked-for";
    /// Set by the user on an object whose name the operator needs, to the name of the EMQX resource: the operator takes
    /// the object over, changes it as the spec says, and the object is deleted with the resource.
    pub const ADOPT: &str = "apps.emqx.io/adopt";
    /// On the core set: which volume claim held which site of durable storage when it last served.
    pub const VOLUME_SITES: &str = "apps.emqx.io/volume-sites";
}
