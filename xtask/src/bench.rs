//! Figures about the operator, written to files.

use crate::programs::{self, Profile};
use crate::{cluster, image, paths, progress, shell};
use anyhow::Context as _;

/// Measures the operator on a control-plane cluster and writes the figures to target/bench.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Numbers of clusters, one run for each.
    #[arg(long, default_value = "10,100")]
    clusters: String,
}

const NAME: &str = "bench";

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let shipped = || programs::build(image::OPERATOR, Profile::Release);
    let operator = progress::step("building the operator as it is shipped", shipped)?;
    let bench = || programs::build_local("emqx-operator-tests", "emqx-bench");
    let bench = progress::step("building the bench", bench)?;
    cluster::down(NAME)?;
    let state = cluster::up(NAME, cluster::Profile::ControlPlane)?;
    let mut bench = state.inside(&bench);
    bench.arg("--operator").arg(operator).args(["--clusters", &arguments.clusters]);
    bench.arg("--out").arg(paths::root().join("target/bench"));
    bench.env("EMQX_TEST_KUBECONFIG", state.file("kubeconfig"));
    bench.env("EMQX_TEST_OPERATOR_KUBECONFIG", state.file("kubeconfig-operator"));
    bench.env("EMQX_TEST_AUDIT_LOG", state.file("logs/audit.log"));
    let measured = shell::loudly(&mut bench).context("the bench failed");
    cluster::down(NAME)?;
    measured
}
