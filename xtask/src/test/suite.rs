//! Test programs that run inside the network of a cluster.
//!
//! Each has a cluster of its own, which takes seconds: to sweep away what another one has left would take longer, for it is
//! thousands of requests, and what was forgotten would be found by the tests.

use super::totals::{Totals, counted};
use crate::cluster::{self, Profile, State, tools};
use crate::image::{self, Which};
use crate::{packaging, paths, progress, shell};
use anyhow::{Context as _, anyhow};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::OnceLock;

pub(super) const PACKAGE: &str = "emqx-operator-tests";

/// One test program.
#[derive(PartialEq, Eq)]
pub(super) struct Suite {
    test: &'static str,
    cluster: &'static str,
    profile: Profile,
    /// Tests at a time. They wait more than they work, but every real pod of theirs works, too.
    threads: u8,
}

pub(super) const INTEGRATION: Suite =
    Suite { test: "integration", cluster: "test-integration", profile: Profile::ControlPlane, threads: 5 };
pub(super) const REPLICAS: Suite =
    Suite { test: "replicas", cluster: "test-replicas", profile: Profile::ControlPlane, threads: 8 };
/// All scenarios at a time; each has some clusters.
pub(super) const CRASH_POINTS: Suite =
    Suite { test: "crash_points", cluster: "test-crash-points", profile: Profile::ControlPlane, threads: 8 };
pub(super) const E2E: Suite = Suite { test: "e2e", cluster: "test-e2e", profile: Profile::Node, threads: 5 };
pub(super) const PACKAGING: Suite =
    Suite { test: "packaging", cluster: "test-packaging", profile: Profile::Node, threads: 5 };

impl Suite {
    /// Devices of the end-to-end tests notice who else works.
    pub(super) fn wants_quiet(&self) -> bool {
        *self == E2E
    }

    /// Pods that are real run images.
    pub(super) fn needs_images(&self) -> bool {
        self.profile == Profile::Node
    }
}

/// Those that run, with what they need.
pub(super) struct Suites<'a> {
    chosen: Vec<&'static Suite>,
    filter: Option<&'a str>,
    /// Whether long variants run, too.
    all: bool,
    /// Where each test program is, or why there is none.
    programs: Result<BTreeMap<String, PathBuf>, String>,
    images: OnceLock<Result<Vec<PathBuf>, String>>,
}

impl<'a> Suites<'a> {
    /// Builds the test programs, all with one command.
    pub(super) fn build(chosen: Vec<&'static Suite>, filter: Option<&'a str>, all: bool) -> Self {
        let tests: Vec<_> = chosen.iter().map(|suite| suite.test).collect();
        let programs = if tests.is_empty() {
            Ok(BTreeMap::new())
        } else {
            progress::step("building the tests", || programs(&tests)).map_err(|error| format!("{error:#}"))
        };
        Self { chosen, filter, all, programs, images: OnceLock::new() }
    }

    /// Builds the images, if a suite needs them. The suite that needs them says what is wrong with them.
    pub(super) fn build_images(&self) {
        if self.chosen.iter().any(|suite| suite.needs_images()) {
            drop(self.images());
        }
    }

    /// Whoever comes second waits for the first.
    fn images(&self) -> anyhow::Result<&[PathBuf]> {
        let images = self.images.get_or_init(|| images().map_err(|error| format!("{error:#}")));
        images.as_deref().map_err(|error| anyhow!("{error}"))
    }

    /// Runs a suite on a fresh cluster. A cluster whose tests failed is left for a look.
    pub(super) fn run(&self, suite: &Suite, totals: &mut Totals) -> anyhow::Result<()> {
        let programs = self.programs.as_ref().map_err(|error| anyhow!("{error}"))?;
        let program =
            programs.get(suite.test).with_context(|| format!("cargo built no test program {}", suite.test))?;
        let name = suite.cluster;
        cluster::down(name)?;
        let state = cluster::up(name, suite.profile)?;
        let mut command = state.inside(program);
        if suite.needs_images() {
            let images = self.images()?;
            progress::step("loading images", || {
                images.iter().try_for_each(|image| cluster::load_image(&state, image))
            })?;
        }
        if *suite == PACKAGING {
            packaging::prepare(&state, &mut command)?;
        }
        // The figures that tests print are for people.
        command.arg("--nocapture").args(self.filter).env("RUST_BACKTRACE", "0");
        command.env("RUST_TEST_THREADS", suite.threads.to_string());
        command.env("EMQX_TEST_KUBECTL", tools::kubectl()?);
        command.env("EMQX_TEST_KUBECONFIG", state.file("kubeconfig"));
        command.env("EMQX_TEST_OPERATOR_KUBECONFIG", state.file("kubeconfig-operator"));
        command.env("EMQX_TEST_AUDIT_LOG", state.file("logs/audit.log"));
        command.env("EMQX_TEST_CLUSTER", name);
        if self.all {
            command.arg("--include-ignored");
        }
        counted(&mut command, totals).with_context(|| {
            format!("cluster {name} is left for a look; remove it with: cargo xtask cluster down --name {name}")
        })?;
        keep_audit_log(suite, &state)?;
        cluster::down(name).map(drop)
    }
}

/// What was asked of the API server is compared with what roles grant.
fn keep_audit_log(suite: &Suite, state: &State) -> anyhow::Result<()> {
    let kept = audit_log(suite.test);
    if let Some(folder) = kept.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::copy(state.file("logs/audit.log"), kept)?;
    Ok(())
}

/// Where the audit log of a suite is, once all of its tests have passed.
pub(super) fn audit_log(test: &str) -> PathBuf {
    paths::root().join("target/audit").join(format!("{test}.log"))
}

fn images() -> anyhow::Result<Vec<PathBuf>> {
    let mut archives = image::build_with_progress(Which::Operator, "building the operator's image")?;
    archives.extend(image::build_with_progress(Which::Sim, "building the stand-in for EMQX")?);
    Ok(archives)
}

/// Builds test programs and says where each is.
fn programs(tests: &[&str]) -> anyhow::Result<BTreeMap<String, PathBuf>> {
    let mut build = shell::cargo();
    build.args(["test", "--no-run", "--locked", "--package", PACKAGE, "--message-format", "json"]);
    build.args(tests.iter().flat_map(|test| ["--test", test]));
    let messages = shell::quietly(&mut build)?;
    let programs = messages.lines().filter_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        let name = message["target"]["name"].as_str().filter(|_| message["profile"]["test"] == true)?;
        Some((name.to_owned(), PathBuf::from(message["executable"].as_str()?)))
    });
    Ok(programs.collect())
}
