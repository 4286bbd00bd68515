//! Every "why" a user can see: the one vocabulary of condition reasons, event reasons, metric labels and log fields.
//!
//! A variant is added here first; its text is what the reference page prints. Names of the Go operator are kept where
//! it has one, because people match on them.

use serde::Serialize;

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident $weight:ident,)+) => {
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

            /// How much it matters to the person who looks.
            pub fn weight(self) -> Weight {
                match self { $(Reason::$name => Weight::$weight,)+ }
            }

            /// What it means and what to do.
            pub fn text(self) -> &'static str {
                match self { $(Reason::$name => concat!($($doc, "\n",)+),)+ }
            }
        }
    };
}

/// How much a reason matters to the person who looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Weight {
    /// All is well.
    Fine,
    /// Work is under way and needs nobody.
    Progress,
    /// Somebody should look: it does not go on without them, or not as they asked.
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
    /// A PodDisruptionBudget that is not the operator's selects the same pods, so the operator's own was deleted: Kubernetes
    /// evicts no pod that two budgets select. When the other one is deleted the operator makes its own again.
    BudgetOfUser Fine,
    /// The image of the spec is a step between releases of EMQX that the operator knows nothing about. It is carried out; read EMQX's
    /// release notes, and try it on a copy first.
    UpgradeUnknown Trouble,
    /// Pods exist and are not ready yet, or not yet members of the EMQX cluster.
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
    /// The new configuration is in the files, for nodes that start. The running ones get it without a restart as soon as an
    /// EMQX API answers, and all have the image of the spec.
    PendingAvailability Progress,
    /// Roots that are only read at start have changed; nodes have to restart.
    StartupConfigPending Progress,
    /// EMQX does not accept an API key of `spec.bootstrapAPIKeys` yet. Kubernetes brings a key that was added to the cores within
    /// two minutes, and EMQX is told to read it; no node restarts. Cores that were made by an operator before this one read the
    /// keys when they start.
    APIKeysPending Progress,
    /// The user paused the operator for this resource: the annotation `apps.emqx.io/paused` is set. Nothing but the
    /// status is written until it is removed.
    AnnotationSet Progress,

    /// Clients and sessions are being moved off a node before it stops.
    EvacuatingSessions Progress,
    /// Somebody else is emptying this node, or has closed it, or it gives clients away in a rebalance. The operator leaves
    /// that alone and waits; stop it with `emqx ctl rebalance stop` on the node, or on the node that the message names, if it is
    /// not wanted any more.
    ForeignEvacuation Progress,
    /// The rollout did not get on and was given up: nodes return to the templates and the configuration that last worked, or
    /// have done so. The message says what went wrong. Correct the spec; or set the annotation
    /// `apps.emqx.io/restart-requested-at` to another value to try the same again.
    RolledBack Trouble,
    /// Nothing has changed for `updateStrategy.progressDeadlineSeconds` while nodes are not as the spec says. The message
    /// says what is awaited. The operator goes on trying; a corrected spec continues from where it is.
    ProgressDeadlineExceeded Trouble,
    /// A core has an empty volume in place of the one that it had, and EMQX does not let it in while it remembers that one.
    /// The operator moves the shards of the old site to others and has it forgotten. Where it held the only copy of a
    /// shard, somebody has to decide: restore the volume, or give the shard up.
    VolumeLost Trouble,
    /// A core is ready and a cluster of its own: it does not list the other cores, nor they it. Messages do not pass between the
    /// two, and nothing is configured through it. Usually DNS or the network between the pods fails, or `env` overrides how cores
    /// find each other. A node that was cut off heals by itself when the network does; a core that never joined looks for the
    /// others when it starts.
    SplitCluster Trouble,
    /// Another node is just leaving or coming back; they go one at a time.
    WaitingForOtherNode Progress,
    /// Too many of the other nodes do not serve, so this one has to stay until they do.
    WaitingForSurvivors Progress,
    /// Nodes are replaced in an order: cores first, but the last core of the old version only after the replicants that
    /// follow it.
    WaitingForOrder Progress,
    /// EMQX does not say whether the node runs, or says that it has stopped although its container runs: it may be cut off, with
    /// clients on it. Nothing is taken for "gone".
    NodeUnknown Progress,
    /// Durable storage is moving shards to where they should be, or their copies are catching up.
    DSReplicationProgressing Progress,
    /// The spec asks for larger volumes than there are; Kubernetes and the storage make them so, without a restart.
    GrowingVolume Progress,
    /// The storage could not make a volume larger; the message is its own. Most errors are tried again by themselves. To do with
    /// less, ask for a size between what the volume has and what was asked for (Kubernetes 1.32 and later).
    VolumeNotGrown Trouble,
    /// The spec asks for other volumes than the core set was made for, and none of its cores has ever had one, for example
    /// because there is no such storage class. The pods, the claims and the set are made anew; nothing is on them.
    RemakingCoreSet Progress,
    /// A core was scaled away; its node, site and volume go before its number is used again.
    RetiringCore Progress,
    /// A core set was replaced by another and stays, because its volumes may hold data that is nowhere else: EMQX knows none
    /// of its cores, or a volume is left that the operator did not retire itself; or a core waits for a claim without a volume
    /// that is older than its set. Delete the set and the claims that are named when nobody needs them.
    VolumeLeft Trouble,
    /// New nodes grow beside the old ones and take over when all of them serve.
    BlueGreenUpdate Progress,
    /// The site of a core that was scaled away could not be forgotten. EMQX before 6.0 has a command for it and no API; if
    /// the operator may not run commands in pods, run the one that the message names, in any core pod.
    SiteNotForgotten Trouble,

    /// EMQX 5.9 and later makes clusters of more than one node with a license only, and the spec has none. Nodes of an earlier
    /// version stay as they are; of a new cluster one core is made. Set `spec.config.roots.license.key` to the key, or to
    /// `evaluation` for a trial with 25 sessions. A license that was given through the EMQX dashboard, or is on the volumes, has
    /// to stand in the spec, too. It may also come in the variable `EMQX_LICENSE__KEY`.
    LicenseMissing Trouble,

    /// The image of the spec is a step that EMQX does not support, that goes back to an earlier release, or that loses the state of
    /// durable sessions. No node is changed. The message says what would be lost and what to do instead; set `spec.image` back, or
    /// consent to exactly this step with the annotation `apps.emqx.io/upgrade-consent`, whose value is in the message.
    UpgradeNotSupported Trouble,

    /// The EMQX API of no core answered in time or without error. Nothing is removed while it is so. Look at the logs of
    /// the core pods and at network policies between the operator and port 18083. Where the message names a request that EMQX fails to
    /// carry out, the API answers, and the log of the node that is named says why.
    RequestFailed Trouble,
    /// EMQX answers and refuses the operator's API key: it knows the key under another secret than the one in Secret
    /// `NAME-bootstrap-api-key` (401), or with another role or fewer scopes than it was made with (403). Nodes serve on; EMQX
    /// is not configured and no node is replaced meanwhile. Put back the Secret that the cores were started with, or delete
    /// one core pod: a core reads the key from the Secret when it starts, and all nodes know it then.
    LockedOut Trouble,
    /// EMQX goes on to refuse a request of the operator. The message has the request and EMQX's answer; `eviction_agent_busy`
    /// means that somebody rebalances the cluster or empties the node. The operator tries again.
    RequestRefused Trouble,
    /// A pod was told to end and has not, long after its time to do so was over. Its machine is probably gone or cut off:
    /// Kubernetes waits until it is known whether the pod still runs there, and makes no other in its place. When the
    /// machine does not come back, delete its Node object, or taint it with `node.kubernetes.io/out-of-service`, or delete
    /// the pod with `--force`.
    StuckTerminating Trouble,
    /// The spec cannot be carried out as it is. The message names each field. Nothing was changed; correct the fields.
    InvalidSpec Trouble,
    /// A Secret, a ConfigMap or a key in one does not exist. Create it, or correct the reference; the operator goes on by
    /// itself.
    MissingReference Trouble,
    /// EMQX refused the configuration. What it had before stays in force. Correct the root that is named.
    ConfigRejected Trouble,
    /// The image cannot be pulled. The message has the cause. Check `spec.image` and `spec.imagePullSecrets`.
    ImagePullFailed Trouble,
    /// No Kubernetes node takes the pod. The message is the scheduler's. Make room, or correct `resources`, `nodeSelector`,
    /// `affinity` or `tolerations` of the template.
    Unschedulable Trouble,
    /// The pod's volume is not bound. The message names the claim and its storage class: check both. While no core has had a volume, a
    /// `persistentVolumeClaimSpec` that is corrected is followed, unless the claims have a `dataSource`: delete the core set and
    /// its claims then.
    VolumePending Trouble,
    /// Kubernetes refuses to create pods, for example because of a quota or an admission rule. The message is the API
    /// server's. Raise the quota, or correct what the rule refuses; Kubernetes tries again by itself.
    PodCreationRefused Trouble,
    /// The kubelet cannot start the container as it is described. The message says why; correct the template.
    ContainerConfigInvalid Trouble,
    /// The container ends again and again. The message has its last words; its log has more: `kubectl logs POD --previous`.
    CrashLooping Trouble,
    /// The container runs and its pod does not become ready for long. EMQX may wait for its peers or lack a configured
    /// dashboard listener.
    NotReadyForLong Trouble,
    /// A Secret that gives the cluster its identity was deleted while nodes live by it: the cookie that nodes know each other
    /// by, or the key by which EMQX lets the operator in. Another one would split the cluster or lock the operator out, so
    /// none is made, and no node is restarted. Restore it from a backup, or from a node that runs; the message has the
    /// command.
    IdentityLost Trouble,
    /// Kubernetes goes on not to carry out a request of the operator: an admission webhook is down, a role lacks a verb,
    /// the API server fails, or another controller changes the same object again and again. The message has the request
    /// and the API server's answer. The operator tries again, later each time.
    KubernetesRequestFailed Trouble,
    /// The operator met a defect of its own while it worked on this resource. Other resources go on, and so do the nodes of
    /// this one; the operator tries again, later each time. The message has the place; the log of the operator has more.
    /// Please report it, with the resource.
    InternalError Trouble,
    /// Kubernetes refused an object that the operator makes. The message is the API server's and names the field.
    ApplyRejected Trouble,
    /// An object has a name that the operator needs and belongs to somebody else. It is left alone; rename one of them.
    NameTaken Trouble,
    /// Something other than the operator, such as `kubectl rollout restart` or a controller that reloads, changed the pod template
    /// of a set. The operator took that back: nodes are made from the EMQX resource, and would not restart for it in an orderly
    /// way. To restart all nodes, set the annotation `apps.emqx.io/restart-requested-at` on the EMQX resource to a new value.
    TemplateEdited Trouble,
    /// The volume of an existing core cannot be changed in this way; the one that exists stays. Volumes can grow, if their
    /// storage class allows it. Set the field that is named back to what the volumes have.
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
