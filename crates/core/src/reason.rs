//! Every "why" a user can see: the one vocabulary of condition reasons, event reasons, metric labels and log fields.
//!
//! A variant is added here first; its text is what the reference page prints. Names of the Go operator are kept where
//! it has one, because people match on them.

use serde::Serialize;

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident $severity:ident,)+) => {
        /// Why something is as it is.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        pub enum Reason {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Reason {
            /// Every reason, in the order of the reference page.
            pub const ALL: &[Reason] = &[$(Reason::$name,)+];

            /// The name that users see.
            pub fn as_str(self) -> &'static str {
                match self { $(Reason::$name => stringify!($name),)+ }
            }

            /// How serious the reason is for the user.
            pub fn severity(self) -> Severity {
                match self { $(Reason::$name => Severity::$severity,)+ }
            }

            /// What the reason means, and what to do.
            pub fn text(self) -> &'static str {
                match self { $(Reason::$name => concat!($($doc, "\n",)+),)+ }
            }
        }
    };
}

/// How serious a reason is for the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Severity {
    /// The resource is as the spec says.
    Fine,
    /// Work is under way; no action is required.
    Progress,
    /// Action required: the operator cannot continue without the user, or not as the spec says.
    Trouble,
}

reasons! {
    /// Everything is as the spec says.
    Ready Fine,
    /// The EMQX API answered.
    RequestSucceeded Fine,
    /// The nodes are as the spec says.
    Converged Fine,
    /// All core pods are available.
    CorePodsAvailable Fine,
    /// All replicant pods are available.
    ReplicantPodsAvailable Fine,
    /// The configuration of the spec is in force.
    Applied Fine,
    /// The pause annotation is not set.
    AnnotationNotSet Fine,

    /// The set is being created.
    Create Progress,
    /// Nodes are being added.
    ScalingUp Progress,
    /// Nodes are being taken away.
    ScalingDown Progress,
    /// Nodes are being replaced because their template changed.
    RollingUpdate Progress,
    /// A PodDisruptionBudget of the user selects the same pods, so the operator deleted its own: Kubernetes evicts no pod that
    /// two budgets select. When the user's budget is deleted the operator creates its own again.
    BudgetOfUser Fine,
    /// `spec.image` is an upgrade between releases of EMQX that the operator does not know. The operator carries the upgrade
    /// out; read EMQX's release notes, and try the upgrade on a copy first.
    UpgradeUnknown Trouble,
    /// Pods are not ready yet, or their nodes are not yet members of the EMQX cluster.
    Starting Progress,
    /// Core nodes are not yet as the spec says.
    CoreNodesProgressing Progress,
    /// Replicant nodes are not yet as the spec says.
    ReplicantNodesProgressing Progress,
    /// Some core pods are not available.
    CorePodsUnavailable Progress,
    /// Some replicant pods are not available.
    ReplicantPodsUnavailable Progress,
    /// No core pod is ready to be asked through the EMQX API.
    NoRequester Progress,
    /// The first nodes have not read the configuration yet.
    PendingInitialStartup Progress,
    /// Nodes that start read the new configuration from their files. Running nodes get it without a restart as soon as an EMQX
    /// API answers and all nodes have the image of the spec.
    PendingAvailability Progress,
    /// Configuration roots that EMQX reads only at its start have changed; the nodes have to restart.
    StartupConfigPending Progress,
    /// EMQX does not accept an API key of `spec.bootstrapAPIKeys` yet. Kubernetes brings an added key to the cores within two
    /// minutes, and the operator has EMQX read it; no node restarts. Cores that an earlier version of the operator created read
    /// the keys when they start.
    APIKeysPending Progress,
    /// The user paused the operator for this resource: the annotation `apps.emqx.io/paused` is set. Nothing but the
    /// status is written until it is removed.
    AnnotationSet Progress,

    /// Clients and sessions are being moved off a node before it stops.
    EvacuatingSessions Progress,
    /// An evacuation or a rebalance that the operator did not start empties this node, or keeps it closed. The operator does
    /// not stop it and waits. If it is not wanted any more, stop it with `emqx ctl rebalance stop` on the node that the message
    /// names.
    ForeignEvacuation Progress,
    /// The rollout made no progress and was rolled back: nodes return to the templates and the configuration that last worked,
    /// or have done so. The message says what went wrong. Correct the spec; or set the annotation
    /// `apps.emqx.io/restart-requested-at` to another value to try the same spec again.
    RolledBack Trouble,
    /// No node has changed for `updateStrategy.progressDeadlineSeconds` while nodes are not as the spec says. The message names
    /// the node and what it waits for. The operator keeps trying; after a correction of the spec the rollout continues.
    ProgressDeadlineExceeded Trouble,
    /// The volume of a core was replaced by an empty one. EMQX does not let the core join while it remembers the site of the
    /// lost volume. The operator moves the shards of that site to other sites and has EMQX forget the site. Where the site held
    /// the only copy of a shard, you have to decide: restore the volume, or give the shard up.
    VolumeLost Trouble,
    /// A core is ready and forms a cluster of its own: it does not list the other cores, and they do not list it. Messages do
    /// not cross between the two clusters, and the operator does not configure EMQX through this core. Usually DNS or the
    /// network between the pods fails, or `env` overrides how cores find each other. A core that lost its connection rejoins when
    /// the network is back; a core that never joined looks for the other cores when it starts.
    SplitCluster Trouble,
    /// Another node is leaving or starting; nodes are replaced one at a time.
    WaitingForOtherNode Progress,
    /// Too many other nodes do not serve; this node stays until they do.
    WaitingForSurvivors Progress,
    /// Nodes are replaced in an order: cores before replicants, but the last core of the old version only after the replicants
    /// that depend on it.
    WaitingForOrder Progress,
    /// EMQX does not say whether the node runs, or says that it has stopped although its container runs: the node may be cut off
    /// with clients on it. The operator does not treat the node as gone.
    NodeUnknown Progress,
    /// Durable storage moves shards to their new sites, or copies of shards are catching up.
    DSReplicationProgressing Progress,
    /// The spec asks for larger volumes than the cores have; Kubernetes and the storage expand them without a restart.
    GrowingVolume Progress,
    /// The storage could not expand a volume; the message is the storage's. Kubernetes tries again after most errors. A failed
    /// expansion may be retried with a smaller size that is still larger than the volume (Kubernetes 1.32 and later).
    VolumeNotGrown Trouble,
    /// The spec asks for other volumes than the core set was created with, and none of its cores has ever had a volume, for
    /// example because the storage class does not exist. The operator deletes and creates the pods, the claims and the set; the
    /// claims hold no data.
    RemakingCoreSet Progress,
    /// A core was removed by scaling in. EMQX forgets its node and its site, and its volume is deleted, before its ordinal is
    /// used again.
    RetiringCore Progress,
    /// A core set was replaced by another set and is kept, because its volumes may hold the only copy of data: EMQX knows none
    /// of its cores, or a volume is left that the operator did not retire itself; or a core waits for a claim without a volume
    /// that is older than its set. Delete the set and the claims that the message names when their data is not needed.
    VolumeLeft Trouble,
    /// New nodes start beside the old ones and take over the clients when all new nodes serve.
    BlueGreenUpdate Progress,
    /// EMQX could not be made to forget the site of a removed core. EMQX before 6.0 has a command for it and no API; if the
    /// operator may not run commands in pods, run the command that the message names in any core pod.
    SiteNotForgotten Trouble,

    /// EMQX 5.9 and later forms clusters of more than one node only with a license, and the spec has none. Nodes of an earlier
    /// version stay as they are; of a new cluster the operator creates one core. Set `spec.config.roots.license.key` to the key, or to
    /// `evaluation` for a trial with 25 sessions. A license that was set in the EMQX dashboard, or that is stored on
    /// the volumes, has to be in the spec, too. The variable `EMQX_LICENSE__KEY` is accepted as well.
    LicenseMissing Trouble,

    /// `spec.image` is an upgrade that EMQX does not support, a downgrade, or an upgrade that loses the state of durable sessions.
    /// The operator changes no node. The message says what would be lost and what to do instead; set `spec.image` back, or
    /// consent to exactly this upgrade with the annotation `apps.emqx.io/upgrade-consent`, whose value is in the message.
    UpgradeNotSupported Trouble,

    /// No core answered a request to the EMQX API in time and without an error. Until one does, the operator removes no node.
    /// Look at the logs of the core pods and at network policies between the operator and port 18083. Where the message names a
    /// request that EMQX fails to carry out, the API does answer, and the log of the named node says why.
    RequestFailed Trouble,
    /// EMQX answers and refuses the operator's API key: EMQX has another secret for the key than Secret
    /// `NAME-bootstrap-api-key` (401), or another role or fewer scopes than the operator asked for (403). Nodes keep serving;
    /// meanwhile the operator does not configure EMQX and replaces no node. Put back the Secret that the cores were started with,
    /// or delete one core pod: a core reads the key from the Secret when it starts, and all nodes know the key then.
    LockedOut Trouble,
    /// EMQX keeps refusing a request of the operator. The message has the request and EMQX's answer; `eviction_agent_busy` means
    /// that a rebalance of the cluster or an evacuation of the node is running already. The operator tries again.
    RequestRefused Trouble,
    /// A pod is still terminating long after its grace period. Its Kubernetes node is probably gone or cut off: Kubernetes waits
    /// until it knows whether the pod still runs there, and creates no replacement. When the Kubernetes node does not come back,
    /// delete its Node object, or taint it with `node.kubernetes.io/out-of-service`, or delete the pod with `--force`.
    StuckTerminating Trouble,
    /// The spec is refused. The message names each field that is wrong. The operator changed nothing; correct the fields.
    InvalidSpec Trouble,
    /// A Secret, a ConfigMap or a key in one does not exist. Create it, or correct the reference; the operator then continues by
    /// itself.
    MissingReference Trouble,
    /// EMQX refused the configuration, and its previous configuration stays in force. Correct the root that the message names.
    ConfigRejected Trouble,
    /// The image cannot be pulled. The message has the cause. Check `spec.image` and `spec.imagePullSecrets`.
    ImagePullFailed Trouble,
    /// No Kubernetes node fits the pod. The message is the scheduler's. Add capacity, or correct `resources`, `nodeSelector`,
    /// `affinity` or `tolerations` of the template.
    Unschedulable Trouble,
    /// The pod's volume is not bound. The message names the claim and its storage class: check both. While no core has had a
    /// volume, correct `persistentVolumeClaimSpec` and the operator follows. If the claims have a `dataSource`, delete the core
    /// set and its claims instead.
    VolumePending Trouble,
    /// Kubernetes refuses to create pods, for example because of a quota or an admission rule. The message is the API
    /// server's. Raise the quota, or correct the field that the rule refuses; Kubernetes tries again by itself.
    PodCreationRefused Trouble,
    /// The kubelet cannot start the container from the pod's template. The message says why; correct the template.
    ContainerConfigInvalid Trouble,
    /// The container crashes repeatedly. The message has the end of its log; for more see `kubectl logs POD --previous`.
    CrashLooping Trouble,
    /// The container has been running for long and its pod is not ready. EMQX may wait for its peers, or have no dashboard
    /// listener configured.
    NotReadyForLong Trouble,
    /// A Secret that gives the cluster its identity was deleted while nodes use it: the cookie with which nodes authenticate to
    /// each other, or the API key of the operator. A new Secret would split the cluster or lock the operator out, so the operator
    /// creates none and restarts no node. Restore the Secret from a backup, or from a running node; the message has the command.
    IdentityLost Trouble,
    /// A request of the operator to Kubernetes keeps failing: an admission webhook is down, a role lacks a verb, the API server
    /// fails, or another controller changes the same object again and again. The message has the request and the API server's
    /// answer. The operator tries again with growing delays.
    KubernetesRequestFailed Trouble,
    /// The operator has a defect, which ended a reconcile of this resource. Other resources and the nodes of this resource are
    /// not affected; the operator tries again with growing delays. The message has the place in the code; the operator's log has
    /// more. Please report the defect together with the resource.
    InternalError Trouble,
    /// Kubernetes refused an object of the operator. The message is the API server's and names the field.
    ApplyRejected Trouble,
    /// An object with a name that the operator needs belongs to another owner. The operator does not change it; rename the object
    /// or the EMQX resource.
    NameTaken Trouble,
    /// Another client than the operator, such as `kubectl rollout restart` or a reloading controller, changed the pod template of
    /// a set. The operator reverted the change: pods are created from the EMQX resource, and would not restart in order. To restart all nodes, set the annotation `apps.emqx.io/restart-requested-at` on the EMQX resource to a new value.
    TemplateEdited Trouble,
    /// The volume of an existing core cannot be changed as the spec asks, and stays as it is. Volumes can grow, if their storage
    /// class allows expansion. Set the field that the message names back to the value that the volumes have.
    VolumeImmutable Trouble,
}

#[cfg(test)]
mod tests {
    use super::Reason;

    /// Kubernetes accepts nothing else in `conditions[].reason`.
    #[test]
    fn names_are_camel_case_words() {
        for reason in Reason::ALL {
            let name = reason.as_str();
            assert!(name.starts_with(|c: char| c.is_ascii_uppercase()), "{name}");
            assert!(name.chars().all(|c| c.is_ascii_alphanumeric()), "{name}");
        }
    }
}
