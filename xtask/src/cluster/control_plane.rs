//! etcd, API server, controller manager and scheduler.

use super::namespace::NODE_ADDRESS;
use super::processes;
use super::{Profile, State};
use std::fs;

/// Metadata of every request, once it is answered: tests count them by user and verb.
const AUDIT_POLICY: &str =
    "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules:\n- level: Metadata\n";

pub(super) fn start(state: &mut State) -> anyhow::Result<()> {
    start_etcd(state)?;
    start_api_server(state)?;
    start_controllers(state)?;
    forward_from_host(state)
}

fn start_etcd(state: &mut State) -> anyhow::Result<()> {
    let arguments = [
        format!("--data-dir={}", state.file("etcd").display()),
        "--listen-client-urls=http://127.0.0.1:2379".to_owned(),
        "--advertise-client-urls=http://127.0.0.1:2379".to_owned(),
        "--listen-peer-urls=http://127.0.0.1:2380".to_owned(),
        "--initial-advertise-peer-urls=http://127.0.0.1:2380".to_owned(),
        "--initial-cluster=default=http://127.0.0.1:2380".to_owned(),
        // The data of a test cluster does not outlive the machine.
        "--unsafe-no-fsync".to_owned(),
        "--log-level=warn".to_owned(),
    ];
    processes::start(state, "etcd", &arguments)
}

fn start_api_server(state: &mut State) -> anyhow::Result<()> {
    fs::write(state.file("audit-policy.yaml"), AUDIT_POLICY)?;
    let file = |name: &str| state.file(name).display().to_string();
    let arguments = [
        "--etcd-servers=http://127.0.0.1:2379".to_owned(),
        format!("--advertise-address={NODE_ADDRESS}"),
        "--secure-port=6443".to_owned(),
        "--service-cluster-ip-range=10.96.0.0/16".to_owned(),
        format!("--tls-cert-file={}", file("pki/server.crt")),
        format!("--tls-private-key-file={}", file("pki/server.key")),
        format!("--token-auth-file={}", file("tokens.csv")),
        "--authorization-mode=Node,RBAC".to_owned(),
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local".to_owned(),
        format!("--service-account-signing-key-file={}", file("pki/tokens.key")),
        format!("--service-account-key-file={}", file("pki/tokens.pub")),
        format!("--audit-policy-file={}", file("audit-policy.yaml")),
        format!("--audit-log-path={}", file("logs/audit.log")),
        // MB; without it the log begins anew at 100 MB, and who counts loses what came before.
        "--audit-log-maxsize=100000".to_owned(),
        "--allow-privileged=true".to_owned(),
        // What is applied may come back otherwise, as from a webhook.
        "--feature-gates=MutatingAdmissionPolicy=true".to_owned(),
        "--runtime-config=admissionregistration.k8s.io/v1beta1=true".to_owned(),
        // Nodes are asked for logs and exec by address; their names resolve nowhere.
        "--kubelet-preferred-address-types=InternalIP".to_owned(),
    ];
    processes::start(state, "kube-apiserver", &arguments)?;
    processes::wait(state, "kube-apiserver", || state.kubectl(&["get", "--raw", "/readyz"]).is_ok())
}

fn start_controllers(state: &mut State) -> anyhow::Result<()> {
    let kubeconfig = format!("--kubeconfig={}", state.file("kubeconfig").display());
    // One of each, and their own limits would be the bottleneck of every measurement.
    let common = [
        kubeconfig,
        "--leader-elect=false".to_owned(),
        "--kube-api-qps=500".to_owned(),
        "--kube-api-burst=500".to_owned(),
    ];
    let manager = [
        format!("--service-account-private-key-file={}", state.file("pki/tokens.key").display()),
        format!("--root-ca-file={}", state.file("pki/ca.crt").display()),
        // Fake pods get fake volumes; real ones get theirs from a provisioner that non-root pods can live with.
        format!("--enable-hostpath-provisioner={}", state.profile == Profile::ControlPlane),
    ];
    let manager: Vec<_> = common.iter().cloned().chain(manager).collect();
    processes::start(state, "kube-controller-manager", &manager)?;
    processes::start(state, "kube-scheduler", &common)?;
    // Pods cannot be made before it exists.
    processes::wait(state, "kube-controller-manager", || state.kubectl(&["get", "serviceaccount", "default"]).is_ok())
}

/// The host reaches the API server through one port of its loopback.
fn forward_from_host(state: &mut State) -> anyhow::Result<()> {
    let enter = format!("nsenter --net={}", super::namespace::path(&state.namespace()));
    let arguments = [
        format!("TCP-LISTEN:{},bind=127.0.0.1,reuseaddr,fork", state.host_port),
        format!("EXEC:{enter} socat STDIO TCP\\:{NODE_ADDRESS}\\:6443"),
    ];
    processes::start_on_host(state, "socat", &arguments)
}
