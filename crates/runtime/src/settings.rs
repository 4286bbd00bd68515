//! Settings of the operator process.

use crate::write_hook::WriteHook;
use jiff::SignedDuration;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The settings of one operator process.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Namespaces to watch; none means all.
    pub watch_namespaces: Vec<String>,
    /// Where `/healthz` and `/readyz` are served.
    pub health_address: Option<SocketAddr>,
    /// Where `/metrics` is served.
    pub metrics_address: Option<SocketAddr>,
    /// The certificate of `/metrics`, which is then served to clients with the right to `get` it. Without a certificate it is served
    /// over plain HTTP to all clients.
    pub metrics_certificate: Option<CertificateSource>,
    /// Whether only the holder of the lease acts.
    pub leader_election: Option<LeaderElection>,
    /// How many clusters are reconciled at the same time.
    pub concurrency: u16,
    /// How long one reconcile may wait for EMQX.
    pub emqx_deadline: Duration,
    /// Test hook, called before and after every write.
    pub write_hook: Option<Arc<dyn WriteHook>>,
}

/// Where the certificate of the metrics endpoint comes from.
#[derive(Clone, Debug)]
pub enum CertificateSource {
    /// `tls.crt` and `tls.key` in this folder. They are read again when they change.
    Files(PathBuf),
    /// Created in process.
    Own(OwnCertificate),
}

/// A certificate that is created in process. Its authority is in Secret `emqx-operator-metrics-ca`.
#[derive(Clone, Debug)]
pub struct OwnCertificate {
    /// The namespace of the Secret.
    pub namespace: String,
    /// DNS names and addresses under which the endpoint is reached.
    pub names: Vec<String>,
    /// How long a certificate is valid. It is replaced after two thirds of that time.
    pub lifetime: SignedDuration,
}

/// The namespace of the lease, and the identity of this process.
#[derive(Clone, Debug)]
pub struct LeaderElection {
    pub namespace: String,
    pub identity: String,
}

/// The same as the Go operator's, so that two operators never both lead.
pub const LEASE: &str = "19fd6fcc.emqx.io";
