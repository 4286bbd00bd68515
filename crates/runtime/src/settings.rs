//! What the person who installs the operator may choose.

use crate::witness::Witness;
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
    /// Over which certificate `/metrics` is served, to those who may `get` it; over plain HTTP to everybody without one.
    pub metrics_certificate: Option<CertificateSource>,
    /// Whether only the holder of the lease acts.
    pub leader_election: Option<LeaderElection>,
    /// How many clusters are worked on at the same time.
    pub concurrency: u16,
    /// How long one pass may wait for EMQX.
    pub emqx_deadline: Duration,
    /// Told of every write; for tests.
    pub witness: Option<Arc<dyn Witness>>,
}

/// Where the certificate of the metrics endpoint comes from.
#[derive(Clone, Debug)]
pub enum CertificateSource {
    /// `tls.crt` and `tls.key` in this folder. They are taken anew when they change.
    Files(PathBuf),
    /// Made in process.
    Own(OwnCertificate),
}

/// A certificate that is made in process. Its authority is in Secret `emqx-operator-metrics-ca`.
#[derive(Clone, Debug)]
pub struct OwnCertificate {
    /// The namespace of the Secret.
    pub namespace: String,
    /// DNS names and addresses under which the endpoint is reached.
    pub names: Vec<String>,
    /// For how long a certificate is valid. It is replaced after two thirds of that.
    pub lifetime: SignedDuration,
}

/// Where the lease is, and under which name this process asks for it.
#[derive(Clone, Debug)]
pub struct LeaderElection {
    pub namespace: String,
    pub identity: String,
}

/// The same as the Go operator's, so that two operators never both lead.
pub const LEASE: &str = "19fd6fcc.emqx.io";
