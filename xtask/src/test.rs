//! Everything that CI checks, step by step. A step that fails does not keep others from running; the last line has the
//! totals.

use crate::cluster::{self, Profile, State, tools};
use crate::image::{self, Which};
use crate::{deny, manifests, packaging, paths, progress, shell, simulate, tidy};
use anyhow::{Context as _, bail};
use clap::ValueEnum;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread::ScopedJoinHandle;
use std::time::{Duration, Instant};

/// Runs everything that CI checks.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Run only these steps.
    #[arg(long, value_enum)]
    only: Vec<Step>,
    /// Only tests whose name contains this.
    filter: Option<String>,
}

impl Arguments {
    /// Only the tests with real pods.
    pub(crate) fn end_to_end(filter: Option<String>) -> Self {
        Self { only: vec![Step::E2e], filter }
    }

    /// Only the operator that is killed at every write.
    pub(crate) fn crash_points(filter: Option<String>) -> Self {
        Self { only: vec![Step::CrashPoints], filter }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Step {
    /// Formatting.
    Format,
    /// Lints, as errors.
    Lint,
    /// The dependency arrows of the architecture.
    Tidy,
    /// Licences, sources and unwanted crates among everything that Cargo.lock names.
    Deny,
    /// Unit, property, golden and conformance tests.
    Unit,
    /// 20,000 random histories of a simulated cluster.
    Simulation,
    /// Planted bugs that the simulation must catch. Takes some minutes.
    Mutants,
    /// Tests on a real API server with fake pods.
    Integration,
    /// Several operators at once: hand-over, and metrics over HTTPS.
    Replicas,
    /// The operator killed before every single write. Takes some minutes.
    CrashPoints,
    /// Tests with real pods.
    E2e,
    /// Ports, selectors, references, images and rights of everything that users install, and the alerts.
    Manifests,
    /// Every variant installed as users do, on real pods, and scraped by a real Prometheus.
    Packaging,
    /// The verbs that roles grant are those that the tests before have used.
    Verbs,
}

const STEPS: [(Step, &str); 14] = [
    (Step::Format, "format"),
    (Step::Lint, "lint"),
    (Step::Tidy, "tidy"),
    (Step::Deny, "licences and sources"),
    (Step::Unit, "unit, property, golden and conformance tests"),
    (Step::Simulation, "simulation"),
    (Step::Mutants, "planted bugs"),
    (Step::Integration, "integration tests"),
    (Step::Replicas, "replicas"),
    (Step::CrashPoints, "crash points"),
    (Step::E2e, "end-to-end tests"),
    (Step::Manifests, "manifests"),
    (Step::Packaging, "packaging tests"),
    (Step::Verbs, "verbs"),
];

/// What a step has counted.
#[derive(Clone, Copy, Default)]
struct Totals {
    passed: u64,
    failed: u64,
}

impl Step {
    /// A step that needs processors and no cluster runs beside steps that wait more than they work. The images, which more steps
    /// wait for, are built beside the fake pods.
    fn beside(self) -> Option<Company> {
        match self {
            Step::Simulation | Step::Mutants => Some(Company::Installations),
            _ => None,
        }
    }

    /// What a step that waits more than it works keeps others company as.
    fn company(self) -> Option<Company> {
        match self {
            Step::Integration | Step::Replicas | Step::CrashPoints => Some(Company::FakePods),
            Step::Packaging => Some(Company::Installations),
            _ => None,
        }
    }

    fn needs_images(self) -> bool {
        matches!(self, Step::E2e | Step::Packaging)
    }
}

/// Steps that wait more than they work. Devices of the end-to-end tests notice who else works: those run alone.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Company {
    FakePods,
    Installations,
}

/// How a step went.
struct Went {
    name: &'static str,
    counted: Totals,
    took: Duration,
    failed: bool,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let chosen = |step: &Step| arguments.only.is_empty() || arguments.only.contains(step);
    let steps: Vec<_> = STEPS.into_iter().filter(|(step, _)| chosen(step)).collect();
    let filter = arguments.filter.as_deref();
    let company = |company| steps.iter().any(|(step, _)| step.company() == Some(company));
    let (beside, alone): (Vec<_>, Vec<_>) =
        steps.iter().copied().partition(|(step, _)| step.beside().is_some_and(company));
    let images = steps.iter().any(|(step, _)| step.needs_images());
    let mut went = Vec::new();
    std::thread::scope(|scope| {
        let mut working: Option<(Company, ScopedJoinHandle<'_, Vec<Went>>)> = None;
        for (step, name) in alone {
            let company = step.company();
            if let Some((_, others)) = working.take_if(|(with, _)| Some(*with) != company) {
                went.extend(others.join().expect("steps do not panic"));
            }
            if let Some(company) = company.filter(|_| working.is_none()) {
                let steps = beside.iter().copied().filter(move |(step, _)| step.beside() == Some(company));
                let steps: Vec<_> = steps.collect();
                let images = images && company == Company::FakePods;
                working = Some((company, scope.spawn(move || work_beside(&steps, images))));
            }
            went.push(timed(step, name, filter));
        }
        if let Some((_, others)) = working {
            went.extend(others.join().expect("steps do not panic"));
        }
    });
    conclude(&went)
}

/// Steps that need nobody, and before them the images for steps that come later: they share their libraries.
fn work_beside(steps: &[(Step, &'static str)], images: bool) -> Vec<Went> {
    shell::work_beside_others();
    if images {
        // The step that needs them says what is wrong with them.
        drop(build_images());
    }
    steps.iter().map(|(step, name)| timed(*step, name, None)).collect()
}

fn timed(step: Step, name: &'static str, filter: Option<&str>) -> Went {
    println!("== {name}");
    let started = Instant::now();
    let mut counted = Totals::default();
    let result = one(step, filter, &mut counted);
    let took = started.elapsed();
    match &result {
        Ok(()) => println!("== {name}: ok {}\n", progress::seconds(took)),
        Err(error) => println!("== {name}: FAILED {}\n{error:#}\n", progress::seconds(took)),
    }
    Went { name, counted, took, failed: result.is_err() }
}

fn conclude(went: &[Went]) -> anyhow::Result<()> {
    for one in went {
        println!("{:>12}  {}{}", progress::seconds(one.took), one.name, if one.failed { " FAILED" } else { "" });
    }
    let passed: u64 = went.iter().map(|one| one.counted.passed).sum();
    // A step that failed without a failed test is one itself.
    let failed: u64 =
        went.iter().map(|one| one.counted.failed + u64::from(one.failed && one.counted.failed == 0)).sum();
    println!("{passed} passed, {failed} failed");
    let names: Vec<_> = went.iter().filter(|one| one.failed).map(|one| one.name).collect();
    if !names.is_empty() {
        bail!("these steps failed: {}", names.join("; "));
    }
    Ok(())
}

fn one(step: Step, filter: Option<&str>, totals: &mut Totals) -> anyhow::Result<()> {
    match step {
        Step::Format => shell::loudly(cargo().args(["fmt", "--all", "--check"])),
        Step::Lint => {
            let clippy = ["clippy", "--quiet", "--workspace", "--all-targets", "--locked", "--", "--deny", "warnings"];
            shell::loudly(cargo().args(clippy))
        }
        Step::Tidy => tidy::run(),
        Step::Deny => deny::check(),
        Step::Unit => {
            let mut tests = cargo();
            tests.args(["test", "--quiet", "--workspace", "--exclude", "emqx-operator-tests", "--locked"]);
            let rest = counted(tests.args(filter), totals);
            // The rest of this package needs a cluster.
            let mut library = cargo();
            library.args(["test", "--quiet", "--package", "emqx-operator-tests", "--lib", "--locked"]);
            rest.and(counted(library.args(filter), totals))
        }
        Step::Simulation => simulate::simulate(&simulate::Simulate::default()),
        Step::Mutants => simulate::mutants(&simulate::Mutants::default()),
        Step::Integration => on_cluster("test-integration", Profile::ControlPlane, "integration", filter, totals),
        Step::Replicas => on_cluster("test-replicas", Profile::ControlPlane, "replicas", filter, totals),
        Step::CrashPoints => on_cluster("test-crash-points", Profile::ControlPlane, "crash_points", filter, totals),
        Step::E2e => on_cluster("test-e2e", Profile::Node, "e2e", filter, totals),
        Step::Manifests => manifests::check_all(),
        Step::Packaging => on_cluster("test-packaging", Profile::Node, "packaging", filter, totals),
        Step::Verbs => verbs(),
    }
}

fn cargo() -> Command {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(paths::root());
    cargo
}

/// Runs one test program inside the network of a fresh cluster. A cluster whose tests failed is left for a look.
fn on_cluster(
    name: &str,
    profile: Profile,
    test: &str,
    filter: Option<&str>,
    totals: &mut Totals,
) -> anyhow::Result<()> {
    let program = progress::step("building the tests", || test_program(test))?;
    cluster::down(name)?;
    let state = cluster::up(name, profile)?;
    if profile == Profile::Node {
        load_images(&state)?;
    }
    let mut command = state.inside(&program);
    command.env("EMQX_TEST_KUBECTL", tools::kubectl()?);
    if test == "packaging" {
        packaging::prepare(&state, &mut command)?;
    }
    // Tests wait more than they work.
    // The figures that tests print are for people.
    command.args(["--nocapture"]).args(filter).env("RUST_BACKTRACE", "0").env("RUST_TEST_THREADS", "5");
    command.env("EMQX_TEST_KUBECONFIG", state.file("kubeconfig"));
    command.env("EMQX_TEST_OPERATOR_KUBECONFIG", state.file("kubeconfig-operator"));
    command.env("EMQX_TEST_AUDIT_LOG", state.file("logs/audit.log"));
    command.env("EMQX_TEST_CLUSTER", name);
    counted(&mut command, totals).with_context(|| {
        format!("cluster {name} is left for a look; remove it with: cargo xtask cluster down --name {name}")
    })?;
    // What was asked of the API server is compared with what roles grant.
    let audit = audit_logs();
    std::fs::create_dir_all(&audit)?;
    std::fs::copy(state.file("logs/audit.log"), audit.join(format!("{test}.log")))?;
    cluster::down(name).map(drop)
}

fn audit_logs() -> PathBuf {
    paths::root().join("target/audit")
}

/// Only after complete runs of all tests on clusters: a test that was left out has used nothing.
fn verbs() -> anyhow::Result<()> {
    let logs = ["integration", "e2e", "packaging"].map(|test| audit_logs().join(format!("{test}.log")));
    if let Some(missing) = logs.iter().find(|log| !log.exists()) {
        bail!("no {}: run the integration, e2e and packaging steps first, each without a filter", missing.display());
    }
    manifests::verbs::compare(&manifests::verbs::UsedVerbs::load()?, &manifests::verbs::observe(&logs)?)
}

fn build_images() -> anyhow::Result<Vec<PathBuf>> {
    let mut archives = image::build_with_progress(Which::Operator, "building the operator's image")?;
    archives.extend(image::build_with_progress(Which::Sim, "building the stand-in for EMQX")?);
    Ok(archives)
}

fn load_images(state: &State) -> anyhow::Result<()> {
    let archives = build_images()?;
    progress::step("loading images", || archives.iter().try_for_each(|archive| cluster::load_image(state, archive)))
}

/// Builds a test program and says where it is.
fn test_program(test: &str) -> anyhow::Result<PathBuf> {
    let mut build = cargo();
    build.args(["test", "--no-run", "--locked", "--package", "emqx-operator-tests", "--test", test]);
    let messages = shell::quietly(build.args(["--message-format", "json"]))?;
    let mut programs = messages.lines().filter_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        let is_test = message["target"]["name"] == test && message["profile"]["test"] == true;
        message["executable"].as_str().filter(|_| is_test).map(PathBuf::from)
    });
    programs.next_back().with_context(|| format!("cargo built no test program {test}"))
}

/// Runs a command with its output on ours, and adds up what its test runners count.
fn counted(command: &mut Command, totals: &mut Totals) -> anyhow::Result<()> {
    let mut child = command.stdout(Stdio::piped()).spawn().context("failed to start the tests")?;
    let output = child.stdout.take().context("the tests have an output")?;
    for line in BufReader::new(output).lines() {
        let line = line?;
        println!("{line}");
        if let Some(counts) = line.trim().strip_prefix("test result: ") {
            totals.passed += count(counts, "passed");
            totals.failed += count(counts, "failed");
        }
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("the tests ended with {status}");
    }
    Ok(())
}

/// The number in front of a word: `ok. 5 passed; 0 failed; …`.
fn count(text: &str, word: &str) -> u64 {
    let words: Vec<_> = text.split([' ', ';']).filter(|word| !word.is_empty()).collect();
    let numbers = words.windows(2).filter(|pair| pair[1] == word).filter_map(|pair| pair[0].parse::<u64>().ok());
    numbers.sum()
}

#[cfg(test)]
mod tests {
    use super::count;

    #[test]
    fn totals_are_read_off_the_runner() {
        let line = "ok. 12 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.39s";
        assert_eq!((count(line, "passed"), count(line, "failed")), (12, 3));
    }
}
