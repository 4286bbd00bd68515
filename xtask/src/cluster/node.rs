//! What runs pods: a real node, or fake ones.

use super::State;
use super::namespace::NODE_ADDRESS;
use super::{processes, wait_for};
use crate::image;
use std::fs;
use std::time::Duration;

/// Image of pause containers and of the pods that make volumes: busybox, which is at hand.
const HELPER_IMAGE: &str = "localhost/busybox:1";

/// A real node: containerd, kubelet, kube-proxy, CoreDNS and a provisioner of volumes.
pub(super) fn start(state: &mut State) -> anyhow::Result<()> {
    start_containerd(state)?;
    start_kubelet(state)?;
    start_proxy(state)?;
    start_dns(state)?;
    start_provisioner(state)?;
    let limit = Duration::from_secs(60);
    wait_for(state, limit, &["wait", "node/node-1", "--for=condition=Ready", "--timeout=1s"]).map(drop)
}

/// Fake nodes and pods; kwok plays the kubelet.
pub(super) fn start_fake(state: &mut State) -> anyhow::Result<()> {
    fs::write(state.file("kwok.yaml"), KWOK)?;
    let arguments = [
        format!("--kubeconfig={}", state.file("kubeconfig").display()),
        format!("--config={}", state.file("kwok.yaml").display()),
        format!("--cidr={}", super::namespace::FAKE_PODS),
        format!("--node-ip={NODE_ADDRESS}"),
        "--manage-all-nodes=true".to_owned(),
        // Without leases the controllers take the nodes for dead after a while, and their pods for not ready. They look
        // at when a lease was renewed, not at how long it is valid; it is renewed after a quarter of this time.
        "--node-lease-duration-seconds=40".to_owned(),
    ];
    processes::start(state, "kwok", &arguments)?;
    state.apply(FAKE_STORAGE)?;
    for number in 1..=3 {
        state.apply(&FAKE_NODE.replace("NUMBER", &number.to_string()))?;
    }
    let limit = Duration::from_secs(60);
    wait_for(state, limit, &["wait", "nodes", "--all", "--for=condition=Ready", "--timeout=1s"]).map(drop)
}

fn start_containerd(state: &mut State) -> anyhow::Result<()> {
    let folder = state.file("containerd");
    fs::create_dir_all(state.file("cni/net.d"))?;
    fs::create_dir_all(&folder)?;
    let config = CONTAINERD.replace("FOLDER", &state.folder().display().to_string()).replace("IMAGE", HELPER_IMAGE);
    fs::write(folder.join("config.toml"), config)?;
    let cni = CNI.replace("FOLDER", &state.folder().display().to_string());
    fs::write(state.file("cni/net.d/10-pods.conflist"), cni)?;
    processes::start(state, "containerd", &[format!("--config={}", folder.join("config.toml").display())])?;
    let socket = folder.join("containerd.sock");
    processes::wait(state, "containerd", || socket.exists())?;
    let archive = image::helper(HELPER_IMAGE)?;
    crate::shell::until(Duration::from_secs(20), || super::load_image(state, &archive))
}

fn start_kubelet(state: &mut State) -> anyhow::Result<()> {
    let socket = state.file("containerd/containerd.sock");
    // Pods get no search domains and servers but the cluster's.
    fs::write(state.file("resolv.conf"), "")?;
    let config = KUBELET
        .replace("SOCKET", &socket.display().to_string())
        .replace("LOGS", &state.file("pod-logs").display().to_string())
        .replace("RESOLV", &state.file("resolv.conf").display().to_string())
        .replace("ADDRESS", NODE_ADDRESS);
    fs::write(state.file("kubelet.yaml"), config)?;
    let arguments = [
        format!("--config={}", state.file("kubelet.yaml").display()),
        format!("--kubeconfig={}", state.file("kubeconfig-node").display()),
        format!("--root-dir={}", state.file("kubelet").display()),
        format!("--cert-dir={}", state.file("kubelet/pki").display()),
        "--hostname-override=node-1".to_owned(),
        format!("--node-ip={NODE_ADDRESS}"),
    ];
    processes::start(state, "kubelet", &arguments)
}

fn start_proxy(state: &mut State) -> anyhow::Result<()> {
    let config = PROXY.replace("KUBECONFIG", &state.file("kubeconfig").display().to_string());
    fs::write(state.file("kube-proxy.yaml"), config)?;
    processes::start(state, "kube-proxy", &[format!("--config={}", state.file("kube-proxy.yaml").display())])
}

fn start_dns(state: &mut State) -> anyhow::Result<()> {
    let config = COREFILE
        .replace("ADDRESS", NODE_ADDRESS)
        .replace("KUBECONFIG", &state.file("kubeconfig").display().to_string());
    fs::write(state.file("Corefile"), config)?;
    processes::start(state, "coredns", &["-conf".to_owned(), state.file("Corefile").display().to_string()])
}

fn start_provisioner(state: &mut State) -> anyhow::Result<()> {
    let volumes = state.file("volumes");
    fs::create_dir_all(&volumes)?;
    let config = format!(
        r#"{{"nodePathMap": [{{"node": "DEFAULT_PATH_FOR_NON_LISTED_NODES", "paths": ["{}"]}}]}}"#,
        volumes.display()
    );
    fs::write(state.file("provisioner.json"), &config)?;
    let helper_pod = HELPER_POD.replace("IMAGE", HELPER_IMAGE);
    fs::write(state.file("helper-pod.yaml"), &helper_pod)?;
    state.apply(PROVISIONER)?;
    let arguments = [
        "start".to_owned(),
        format!("--config={}", state.file("provisioner.json").display()),
        format!("--kubeconfig={}", state.file("kubeconfig").display()),
        "--namespace=local-path-storage".to_owned(),
        "--service-account-name=default".to_owned(),
        format!("--helper-image={HELPER_IMAGE}"),
        format!("--helper-pod-file={}", state.file("helper-pod.yaml").display()),
    ];
    processes::start(state, "local-path-provisioner", &arguments)
}

/// `restrict_oom_score_adj`: without it every sandbox fails with "can't get final child's PID from pipe: EOF".
const CONTAINERD: &str = r#"version = 2
root = "FOLDER/containerd/root"
state = "FOLDER/containerd/state"
[grpc]
  address = "FOLDER/containerd/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
  path = "FOLDER/containerd/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "IMAGE"
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "FOLDER/cni/net.d"
"#;

const CNI: &str = r#"{
  "cniVersion": "0.4.0",
  "name": "pods",
  "plugins": [
    {
      "type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": false, "hairpinMode": true,
      "ipam": {
        "type": "host-local", "dataDir": "FOLDER/cni/addresses",
        "ranges": [[{"subnet": "10.244.0.0/16"}]], "routes": [{"dst": "0.0.0.0/0"}]
      }
    },
    {"type": "portmap", "capabilities": {"portMappings": true}}
  ]
}
"#;

/// `cgroupsPerQOS: false` and no enforcement: the machine's cgroups are not ours to arrange.
const KUBELET: &str = r#"apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: ADDRESS
authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
authorization: {mode: AlwaysAllow}
cgroupDriver: cgroupfs
cgroupsPerQOS: false
enforceNodeAllocatable: []
failCgroupV1: false
failSwapOn: false
containerRuntimeEndpoint: unix://SOCKET
clusterDNS: [ADDRESS]
clusterDomain: cluster.local
resolvConf: RESOLV
podLogsDir: LOGS
maxPods: 250
evictionHard: {memory.available: 1Mi, nodefs.available: 1Mi, imagefs.available: 1Mi, nodefs.inodesFree: "1", imagefs.inodesFree: "1"}
imageGCHighThresholdPercent: 100
registerNode: true
syncFrequency: 10s
fileCheckFrequency: 0s
httpCheckFrequency: 0s
serializeImagePulls: false
"#;

const PROXY: &str = r#"apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
clientConnection: {kubeconfig: KUBECONFIG}
hostnameOverride: node-1
mode: iptables
clusterCIDR: 10.244.0.0/16
conntrack: {maxPerCore: 0}
iptables: {syncPeriod: 30s, minSyncPeriod: 100ms}
"#;

/// No cache: nodes that start look each other up until they are there.
const COREFILE: &str = ".:53 {
  bind ADDRESS
  errors
  ready ADDRESS:8181
  kubernetes cluster.local in-addr.arpa {
    kubeconfig KUBECONFIG
    pods insecure
    ttl 1
  }
}
";

/// The provisioner makes folders that pods which are not root can write to.
const PROVISIONER: &str = r#"apiVersion: v1
kind: Namespace
metadata: {name: local-path-storage}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: local-path-config, namespace: local-path-storage}
data:
  setup: |
    #!/bin/sh
    mkdir -m 0777 -p "$VOL_DIR"
  teardown: |
    #!/bin/sh
    rm -rf "$VOL_DIR"
---
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata:
  name: local-path
  annotations: {storageclass.kubernetes.io/is-default-class: "true"}
provisioner: rancher.io/local-path
volumeBindingMode: WaitForFirstConsumer
reclaimPolicy: Delete
"#;

const HELPER_POD: &str = "apiVersion: v1
kind: Pod
metadata: {name: helper-pod}
spec:
  containers:
  - {name: helper-pod, image: 'IMAGE', imagePullPolicy: Never}
";

const FAKE_STORAGE: &str = r#"apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata:
  name: fake
  annotations: {storageclass.kubernetes.io/is-default-class: "true"}
provisioner: kubernetes.io/host-path
allowVolumeExpansion: true
reclaimPolicy: Delete
"#;

const FAKE_NODE: &str = "apiVersion: v1
kind: Node
metadata:
  name: fake-NUMBER
  labels: {kubernetes.io/os: linux, kubernetes.io/hostname: fake-NUMBER, type: kwok}
  annotations: {kwok.x-k8s.io/node: fake}
spec: {}
status:
  allocatable: {cpu: 1k, memory: 1Ti, pods: 10k, ephemeral-storage: 1Ti}
  capacity: {cpu: 1k, memory: 1Ti, pods: 10k, ephemeral-storage: 1Ti}
";

/// How fake pods live: an address at once, ready after the time a broker needs to boot, gone when they are deleted. As a
/// kubelet would, they become ready later than they run.
const KWOK: &str = r#"apiVersion: config.kwok.x-k8s.io/v1alpha1
kind: KwokConfiguration
options: {podPlayStageParallelism: 16, nodePlayStageParallelism: 4}
---
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata: {name: pod-run}
spec:
  resourceRef: {apiGroup: v1, kind: Pod}
  selector:
    matchExpressions:
    - {key: .metadata.deletionTimestamp, operator: DoesNotExist}
    - {key: .status.podIP, operator: DoesNotExist}
  next:
    statusTemplate: |
      {{ $now := Now }}
      conditions:
      - {type: Initialized, status: "True", lastTransitionTime: {{ $now | Quote }}}
      - {type: Ready, status: "False", lastTransitionTime: {{ $now | Quote }}}
      - {type: ContainersReady, status: "False", lastTransitionTime: {{ $now | Quote }}}
      containerStatuses:
      {{ range .spec.containers }}
      - {name: {{ .name | Quote }}, image: {{ .image | Quote }}, ready: false, started: true, restartCount: 0, state: {running: {startedAt: {{ $now | Quote }}}}}
      {{ end }}
      hostIP: {{ NodeIPWith .spec.nodeName | Quote }}
      podIP: {{ PodIPWith .spec.nodeName ( or .spec.hostNetwork false ) ( or .metadata.uid "" ) ( or .metadata.name "" ) ( or .metadata.namespace "" ) | Quote }}
      phase: Running
      startTime: {{ $now | Quote }}
---
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata: {name: pod-ready}
spec:
  resourceRef: {apiGroup: v1, kind: Pod}
  selector:
    matchExpressions:
    - {key: .metadata.deletionTimestamp, operator: DoesNotExist}
    # Whether a broker is ready is said by the fleet, which plays it.
    - {key: '.metadata.labels["apps.emqx.io/managed-by"]', operator: DoesNotExist}
    - {key: '.status.conditions.[] | select( .type == "Ready" ) | .status', operator: In, values: ["False"]}
  delay: {durationMilliseconds: 300, jitterDurationMilliseconds: 500}
  next:
    statusTemplate: |
      {{ $now := Now }}
      conditions:
      - {type: Initialized, status: "True", lastTransitionTime: {{ $now | Quote }}}
      - {type: Ready, status: "True", lastTransitionTime: {{ $now | Quote }}}
      - {type: ContainersReady, status: "True", lastTransitionTime: {{ $now | Quote }}}
      containerStatuses:
      {{ range .spec.containers }}
      - {name: {{ .name | Quote }}, image: {{ .image | Quote }}, ready: true, started: true, restartCount: 0, state: {running: {startedAt: {{ $now | Quote }}}}}
      {{ end }}
---
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata: {name: pod-delete}
spec:
  resourceRef: {apiGroup: v1, kind: Pod}
  selector:
    matchExpressions:
    - {key: .metadata.deletionTimestamp, operator: Exists}
  next: {finalizers: {empty: true}, delete: true}
"#;
