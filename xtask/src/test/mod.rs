//! Everything that CI checks. A step that fails does not keep others from running; the last lines have the time of each step
//! and of the whole, and the totals.
//!
//! There are two lanes. Tests on clusters wait more than they work: they run one after the other. What needs processors and
//! nothing else runs beside them, on the processors that they leave; but for the suite that wants quiet.

mod quiet;
mod suite;
mod totals;

use crate::{deny, manifests, shell, simulate, tidy};
use anyhow::bail;
use clap::ValueEnum;
use quiet::Quiet;
use std::path::PathBuf;
use std::time::Instant;
use suite::{Suite, Suites};
use totals::{Totals, Went, conclude, counted, timed};

/// Runs everything that CI checks.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Run only these steps.
    #[arg(long, value_enum)]
    only: Vec<Step>,
    /// The long variants, too: packaging tests install every variant of the manifests, and not only those that have
    /// what no other one has.
    #[arg(long)]
    all: bool,
    /// Only tests whose name contains this.
    filter: Option<String>,
}

impl Arguments {
    /// Only the tests with real pods.
    pub(crate) fn end_to_end(filter: Option<String>) -> Self {
        Self { only: vec![Step::E2e], all: false, filter }
    }

    /// Only the operator that is killed at every write.
    pub(crate) fn crash_points(filter: Option<String>) -> Self {
        Self { only: vec![Step::CrashPoints], all: false, filter }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Step {
    /// Formatting.
    Format,
    /// The dependency arrows of the architecture.
    Tidy,
    /// Licences, sources and unwanted crates among everything that Cargo.lock names.
    Deny,
    /// Ports, selectors, references, images and rights of everything that users install, and the alerts.
    Manifests,
    /// Lints, as errors.
    Lint,
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
    /// Variants installed as users do, on real pods, and scraped by a real Prometheus; every one of them with `--all`.
    Packaging,
    /// The verbs that roles grant are those that the tests before have used.
    Verbs,
}

const STEPS: [(Step, &str); 14] = [
    (Step::Format, "format"),
    (Step::Tidy, "tidy"),
    (Step::Deny, "licences and sources"),
    (Step::Manifests, "manifests"),
    (Step::Lint, "lint"),
    (Step::Unit, "unit, property, golden and conformance tests"),
    (Step::Simulation, "simulation"),
    (Step::Mutants, "planted bugs"),
    (Step::Integration, "integration tests"),
    (Step::Replicas, "replicas"),
    (Step::CrashPoints, "crash points"),
    (Step::E2e, "end-to-end tests"),
    (Step::Packaging, "packaging tests"),
    (Step::Verbs, "verbs"),
];

type Work = fn(filter: Option<&str>, totals: &mut Totals) -> anyhow::Result<()>;

/// What a step needs.
enum Kind {
    /// Seconds. Comes first, so that what is wrong there is known at once.
    Short(Work),
    /// Processors, and nothing else.
    Processors(Work),
    /// A cluster, for which it waits most of the time.
    Cluster(&'static Suite),
    /// What others have left.
    Last(Work),
}

impl Step {
    fn kind(self) -> Kind {
        match self {
            Step::Format => Kind::Short(|_, _| shell::loudly(shell::cargo().args(["fmt", "--all", "--check"]))),
            Step::Tidy => Kind::Short(|_, _| tidy::run()),
            Step::Deny => Kind::Short(|_, _| deny::check()),
            Step::Manifests => Kind::Short(|_, _| manifests::check_all()),
            Step::Lint => Kind::Processors(|_, _| lint()),
            Step::Unit => Kind::Processors(unit),
            Step::Simulation => Kind::Processors(|_, _| simulate::simulate(&simulate::Simulate::default())),
            Step::Mutants => Kind::Processors(|_, _| simulate::mutants(&simulate::Mutants::default())),
            Step::Integration => Kind::Cluster(&suite::INTEGRATION),
            Step::Replicas => Kind::Cluster(&suite::REPLICAS),
            Step::CrashPoints => Kind::Cluster(&suite::CRASH_POINTS),
            Step::E2e => Kind::Cluster(&suite::E2E),
            Step::Packaging => Kind::Cluster(&suite::PACKAGING),
            Step::Verbs => Kind::Last(|_, _| verbs()),
        }
    }
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let started = Instant::now();
    let chosen = |step: &Step| arguments.only.is_empty() || arguments.only.contains(step);
    let (mut short, mut processors, mut clusters, mut last) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (step, name) in STEPS.into_iter().filter(|(step, _)| chosen(step)) {
        match step.kind() {
            Kind::Short(work) => short.push((work, name)),
            Kind::Processors(work) => processors.push((work, name)),
            Kind::Cluster(suite) => clusters.push((suite, name)),
            Kind::Last(work) => last.push((work, name)),
        }
    }
    let filter = arguments.filter.as_deref();
    let quiet = Quiet::default();
    let mut went = each(&short, filter, &quiet);
    // Before there are lanes: one would wait for the other, because Cargo builds for one command at a time.
    let suites = Suites::build(clusters.iter().map(|(suite, _)| *suite).collect(), filter, arguments.all);
    std::thread::scope(|scope| {
        let beside = scope.spawn(|| {
            // Somebody may wait for the images from the first.
            if clusters.first().is_some_and(|(suite, _)| !suite.needs_images()) {
                shell::yield_processors();
            }
            suites.build_images();
            if !clusters.is_empty() {
                shell::yield_processors();
            }
            each(&processors, filter, &quiet)
        });
        went.extend(clusters.iter().map(|(suite, name)| {
            let _quiet = suite.wants_quiet().then(|| quiet.wanted());
            timed(name, |totals| suites.run(suite, totals))
        }));
        went.extend(beside.join().expect("steps do not panic"));
    });
    went.extend(each(&last, filter, &quiet));
    conclude(&went, started.elapsed())
}

fn each(steps: &[(Work, &'static str)], filter: Option<&str>, quiet: &Quiet) -> Vec<Went> {
    let one = |(work, name): &(Work, &'static str)| {
        let _disturbed = quiet.disturbed();
        timed(name, |totals| work(filter, totals))
    };
    steps.iter().map(one).collect()
}

fn lint() -> anyhow::Result<()> {
    let clippy = ["clippy", "--quiet", "--workspace", "--all-targets", "--locked", "--", "--deny", "warnings"];
    shell::loudly(shell::cargo().args(clippy))
}

/// Of tests on clusters only the library: the rest of that package needs a cluster.
fn unit(filter: Option<&str>, totals: &mut Totals) -> anyhow::Result<()> {
    let all: [&[&str]; 2] = [&["--workspace", "--exclude", suite::PACKAGE], &["--package", suite::PACKAGE, "--lib"]];
    let tests = |what: &[&str]| {
        let mut tests = shell::cargo();
        tests.args(["test", "--quiet", "--locked"]).args(what);
        tests
    };
    all.iter().try_for_each(|what| shell::loudly(tests(what).arg("--no-run")))?;
    // Some test deadlines, and would notice that they wait for processors.
    shell::with_processors(|| {
        let went = all.map(|what| counted(tests(what).args(filter), totals));
        went.into_iter().collect()
    })
}

/// Only after complete runs of all tests on clusters: a test that was left out has used nothing.
fn verbs() -> anyhow::Result<()> {
    let logs = ["integration", "e2e", "packaging"].map(suite::audit_log);
    if let Some(missing) = logs.iter().find(|log| !log.exists()) {
        bail!("no {}: run the integration, e2e and packaging steps first, each without a filter", missing.display());
    }
    let logs: Vec<PathBuf> = logs.into();
    manifests::verbs::compare(&manifests::verbs::UsedVerbs::load()?, &manifests::verbs::observe(&logs)?)
}
