//! The command line. Flags that the Go operator has are called as there.

use anyhow::Context as _;
use clap::{Parser, Subcommand, ValueEnum};
use emqx_operator_runtime::{CertificateSource, LEASE, LeaderElection, OwnCertificate, Settings};
use jiff::SignedDuration;
use rand::Rng as _;
use rand::distr::Alphanumeric;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// Replaced after two thirds of it.
const CERTIFICATE_LIFETIME: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Runs EMQX clusters on Kubernetes: watches EMQX resources and keeps their pods, Services and configuration as they
/// say.
#[derive(Debug, Parser)]
#[command(version, about)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    /// Namespaces to watch, separated by commas or given repeatedly. Default: all.
    #[arg(long = "watch-namespaces", alias = "watch-namespace", value_delimiter = ',', env = "WATCH_NAMESPACE")]
    watch_namespaces: Vec<String>,

    /// Act only while holding the lease, so that several replicas can run.
    #[arg(long)]
    leader_elect: bool,

    /// The namespace of the lease. Default: the operator's own.
    #[arg(long, value_name = "NAMESPACE")]
    leader_election_namespace: Option<String>,

    /// Where /metrics is served; 0 turns it off.
    #[arg(long, value_name = "[ADDRESS]:PORT", default_value = ":8080")]
    metrics_bind_address: String,

    /// Serve /metrics over HTTPS, to those whose token says that they may get it. Without --metrics-cert-dir the
    /// certificate is made in process; what scrapers trust is ca.crt of Secret emqx-operator-metrics-ca.
    #[arg(long)]
    metrics_secure: bool,

    /// Take the certificate for /metrics from tls.crt and tls.key in this folder, again when they change.
    #[arg(long, value_name = "DIR", requires = "metrics_secure")]
    metrics_cert_dir: Option<PathBuf>,

    /// The Service through which /metrics is reached: the certificate that is made in process is for its names.
    #[arg(long, value_name = "NAME", default_value = "emqx-operator-controller-manager-metrics-service")]
    metrics_service: String,

    /// Where /healthz and /readyz are served; 0 turns them off.
    #[arg(long, value_name = "[ADDRESS]:PORT", default_value = ":8081")]
    health_probe_bind_address: String,

    /// How many clusters are worked on at the same time.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..))]
    max_concurrent_reconciles: u16,

    /// How logs are written.
    #[arg(long, value_enum, default_value_t = LogFormat::Text, env = "LOG_FORMAT")]
    pub(crate) log_format: LogFormat,

    /// error, warn, info, debug or trace, or a filter such as info,emqx_operator_runtime=debug.
    #[arg(long, value_name = "LEVEL", default_value = "info", env = "LOG_LEVEL")]
    pub(crate) log_level: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print the CustomResourceDefinitions as YAML and exit.
    Crd,
    Metrics(crate::metrics::Arguments),
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

impl Arguments {
    pub(crate) fn settings(&self, own_namespace: &str) -> anyhow::Result<Settings> {
        let namespaces = self.watch_namespaces.iter().map(|namespace| namespace.trim().to_owned());
        let election = LeaderElection {
            namespace: self.leader_election_namespace.clone().unwrap_or_else(|| own_namespace.to_owned()),
            identity: identity(),
        };
        Ok(Settings {
            watch_namespaces: namespaces.filter(|namespace| !namespace.is_empty()).collect(),
            health_address: address("--health-probe-bind-address", &self.health_probe_bind_address)?,
            metrics_address: address("--metrics-bind-address", &self.metrics_bind_address)?,
            metrics_certificate: self.metrics_secure.then(|| self.certificate(own_namespace)),
            leader_election: self.leader_elect.then_some(election),
            concurrency: self.max_concurrent_reconciles,
            emqx_deadline: Duration::from_secs(5),
            write_hook: None,
        })
    }
}

impl Arguments {
    fn certificate(&self, own_namespace: &str) -> CertificateSource {
        if let Some(folder) = &self.metrics_cert_dir {
            return CertificateSource::Files(folder.clone());
        }
        let service = &self.metrics_service;
        CertificateSource::Own(OwnCertificate {
            namespace: own_namespace.to_owned(),
            names: vec![
                service.clone(),
                format!("{service}.{own_namespace}"),
                format!("{service}.{own_namespace}.svc"),
                format!("{service}.{own_namespace}.svc.cluster.local"),
                "localhost".to_owned(),
            ],
            lifetime: CERTIFICATE_LIFETIME,
        })
    }
}

/// The pod's name where there is one: it is what `kubectl get lease` shows. What follows it is of this process alone: a container
/// that restarts, or two processes with one name, do not take each other's lease for their own. Go operators put `_` between the
/// two, by which the chart knows them (`_preflight.tpl`); this one puts `/`.
fn identity() -> String {
    let name = std::env::var("POD_NAME").or_else(|_| std::env::var("HOSTNAME")).unwrap_or_else(|_| LEASE.to_owned());
    let unique: String = rand::rng().sample_iter(Alphanumeric).take(10).map(char::from).collect();
    format!("{name}/{unique}")
}

/// `:8080` listens on all addresses, `0` on none.
fn address(flag: &str, text: &str) -> anyhow::Result<Option<SocketAddr>> {
    if text == "0" {
        return Ok(None);
    }
    let wrong = || format!("{flag} {text}: expected an address such as :8080 or 127.0.0.1:8080, or 0");
    if let Some(port) = text.strip_prefix(':') {
        let port = port.parse().with_context(wrong)?;
        return Ok(Some(SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port)));
    }
    text.parse().map(Some).with_context(wrong)
}

#[cfg(test)]
mod tests {
    use super::{Arguments, address};
    use clap::{CommandFactory as _, Parser as _};
    use emqx_operator_runtime::CertificateSource;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn the_identity_is_of_one_process_alone() {
        assert_ne!(super::identity(), super::identity());
        assert!(super::identity().contains('/'), "not that of a Go operator");
    }

    #[test]
    fn addresses_are_those_of_the_go_operator() {
        assert_eq!(address("--x", "0").unwrap(), None);
        assert_eq!(address("--x", ":8080").unwrap().unwrap().to_string(), "[::]:8080");
        assert_eq!(address("--x", "127.0.0.1:8443").unwrap().unwrap().to_string(), "127.0.0.1:8443");
        assert!(address("--x", "8080").unwrap_err().to_string().contains("--x 8080"));
    }

    #[test]
    fn metrics_are_secured_only_on_request() {
        let settings = |arguments: &[&str]| Arguments::parse_from(arguments).settings("own").unwrap();
        assert!(settings(&["emqx-operator"]).metrics_certificate.is_none());
        let own = settings(&["emqx-operator", "--metrics-secure"]).metrics_certificate;
        let Some(CertificateSource::Own(own)) = own else { panic!("{own:?}") };
        assert!(own.names.contains(&"emqx-operator-controller-manager-metrics-service.own.svc".to_owned()));
        let files = settings(&["emqx-operator", "--metrics-secure", "--metrics-cert-dir=/c"]).metrics_certificate;
        assert!(matches!(files, Some(CertificateSource::Files(folder)) if folder.as_os_str() == "/c"));
        assert!(Arguments::try_parse_from(["emqx-operator", "--metrics-cert-dir=/c"]).is_err());
    }

    #[test]
    fn namespaces_come_in_lists_and_repeatedly() {
        let arguments = Arguments::parse_from(["emqx-operator", "--watch-namespaces", "a,b", "--watch-namespace", "c"]);
        assert_eq!(arguments.settings("own").unwrap().watch_namespaces, ["a", "b", "c"]);
    }
}
