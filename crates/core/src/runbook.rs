//! Commands for the reference page of reasons: what a user looks at, and how a user acts. `NAME` is the resource, `POD` the
//! pod that the message names, in the namespace of the resource.

use crate::reason::Reason;

const OPERATOR_LOG: &str = "kubectl --namespace emqx-operator-system logs deployment/emqx-operator-controller-manager";
const POD: &str = "kubectl describe pod POD";
const POD_LOG: &str = "kubectl logs POD --container emqx";
const PREVIOUS_LOG: &str = "kubectl logs POD --container emqx --previous";
const EVENTS: &str = "kubectl events --for emqx/NAME";
const DESCRIBE: &str = "kubectl describe emqx NAME";
const NODES: &str = "kubectl exec service/NAME-headless --container emqx -- emqx ctl cluster status";
const EVACUATIONS: &str = "kubectl get emqx NAME --output jsonpath='{.status.nodeEvacuations}'";
const STORAGE: &str = "kubectl exec service/NAME-headless --container emqx -- emqx ctl ds info";

impl Reason {
    /// Commands that show more, the most useful one first. Reasons that need no explanation have none.
    pub fn commands(self) -> &'static [&'static str] {
        match self {
            Reason::EvacuatingSessions => &[EVACUATIONS],
            Reason::ForeignEvacuation => &[
                EVACUATIONS,
                "kubectl exec POD --container emqx -- emqx ctl rebalance node-status",
                "kubectl exec POD --container emqx -- emqx ctl rebalance stop    # when the evacuation is not wanted any more",
            ],
            Reason::WaitingForSurvivors | Reason::CorePodsUnavailable | Reason::ReplicantPodsUnavailable => {
                &["kubectl get pods --selector apps.emqx.io/instance=NAME --output wide", DESCRIBE]
            }
            Reason::Starting | Reason::NoRequester | Reason::NodeUnknown => &[NODES, POD_LOG],
            Reason::DSReplicationProgressing => &[STORAGE],
            Reason::RetiringCore | Reason::BlueGreenUpdate => &[DESCRIBE, EVENTS],
            Reason::VolumeLeft => &[
                "kubectl get statefulsets,pvc --selector apps.emqx.io/instance=NAME",
                NODES,
                "kubectl delete statefulset SET && kubectl delete pvc CLAIM    # when the data is not needed",
            ],
            Reason::RolledBack => &[
                DESCRIBE,
                "kubectl get secret NAME-last-good --output jsonpath='{.data.rolled-back\\.json}' | base64 --decode",
                EVENTS,
            ],
            Reason::ProgressDeadlineExceeded => {
                &[DESCRIBE, "kubectl get pods --selector apps.emqx.io/instance=NAME", EVENTS]
            }
            Reason::VolumeLost => &[STORAGE, "kubectl get pvc --selector apps.emqx.io/instance=NAME", DESCRIBE],
            Reason::SplitCluster => &[
                DESCRIBE,
                "kubectl exec NAME-core-0 --container emqx -- emqx ctl cluster status",
                "kubectl get endpointslices --selector kubernetes.io/service-name=NAME-headless",
            ],
            Reason::SiteNotForgotten => {
                &[STORAGE, "kubectl exec service/NAME-headless --container emqx -- emqx ctl ds forget SITE"]
            }
            Reason::UpgradeNotSupported | Reason::UpgradeUnknown => {
                &[DESCRIBE, NODES, "kubectl edit emqx NAME    # spec.image"]
            }
            Reason::LicenseMissing => &[DESCRIBE, "kubectl edit emqx NAME    # spec.config.roots.license.key"],
            Reason::RequestFailed => &[NODES, POD_LOG, "kubectl get networkpolicies", OPERATOR_LOG],
            Reason::LockedOut => &[
                "kubectl get secret NAME-bootstrap-api-key --output yaml",
                "kubectl delete pod POD    # one core: EMQX reads the Secret when the core starts",
            ],
            Reason::InvalidSpec | Reason::ApplyRejected => &[DESCRIBE, "kubectl edit emqx NAME"],
            Reason::IdentityLost => &[
                DESCRIBE,
                "kubectl create secret generic NAME-node-cookie --from-literal=node_cookie=\"$(kubectl exec NAME-core-0 --container emqx -- printenv EMQX_NODE__COOKIE)\"",
                "kubectl exec NAME-core-0 --container emqx -- cat /opt/emqx/etc/bootstrap_api_keys | kubectl create secret generic NAME-bootstrap-api-key --from-file=bootstrap_api_key=/dev/stdin",
            ],
            Reason::KubernetesRequestFailed => {
                &[DESCRIBE, "kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations", OPERATOR_LOG]
            }
            Reason::InternalError => &[OPERATOR_LOG, "kubectl get emqx NAME --output yaml"],
            Reason::RequestRefused => &[EVACUATIONS, NODES, OPERATOR_LOG],
            Reason::StuckTerminating => &[
                "kubectl get nodes",
                "kubectl delete pod POD --force --grace-period=0    # when its Kubernetes node does not come back",
            ],
            Reason::MissingReference => &[DESCRIBE, "kubectl get secrets,configmaps,serviceaccounts,pvc"],
            Reason::ConfigRejected => &[DESCRIBE, POD_LOG],
            Reason::ImagePullFailed | Reason::ContainerConfigInvalid => &[POD],
            Reason::Unschedulable => &[POD, "kubectl describe nodes"],
            Reason::VolumeNotGrown => &["kubectl describe pvc CLAIM", "kubectl get storageclasses"],
            Reason::VolumePending => &["kubectl get pvc,storageclasses", "kubectl describe pvc CLAIM"],
            Reason::PodCreationRefused => &[
                "kubectl get resourcequotas,limitranges",
                "kubectl describe statefulsets,replicasets --selector apps.emqx.io/instance=NAME",
            ],
            Reason::CrashLooping => &[PREVIOUS_LOG, POD],
            Reason::NotReadyForLong => &[POD_LOG, NODES],
            Reason::NameTaken => &[DESCRIBE],
            Reason::TemplateEdited => &[
                EVENTS,
                "kubectl annotate emqx NAME apps.emqx.io/restart-requested-at=\"$(date)\" --overwrite    # restarts all nodes",
            ],
            Reason::VolumeImmutable => &["kubectl get pvc,storageclasses", DESCRIBE],
            Reason::Ready
            | Reason::RequestSucceeded
            | Reason::Converged
            | Reason::CorePodsAvailable
            | Reason::ReplicantPodsAvailable
            | Reason::Applied
            | Reason::AnnotationNotSet
            | Reason::BudgetOfUser
            | Reason::Create
            | Reason::ScalingUp
            | Reason::ScalingDown
            | Reason::RollingUpdate
            | Reason::CoreNodesProgressing
            | Reason::ReplicantNodesProgressing
            | Reason::PendingInitialStartup
            | Reason::PendingAvailability
            | Reason::StartupConfigPending
            | Reason::APIKeysPending
            | Reason::AnnotationSet
            | Reason::WaitingForOtherNode
            | Reason::WaitingForOrder
            | Reason::GrowingVolume
            | Reason::RemakingCoreSet => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::reason::{Reason, Severity};

    /// A user who gets an alert with a reason finds commands on the reference page.
    #[test]
    fn every_trouble_has_a_command() {
        let silent = |reason: &&Reason| reason.severity() == Severity::Trouble && reason.commands().is_empty();
        assert_eq!(Reason::ALL.iter().find(silent), None);
    }
}
