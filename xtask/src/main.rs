//! The project's commands. `cargo xtask demo` and `cargo xtask test` are the two that everybody needs.

mod bench;
mod circles;
mod cluster;
mod demo;
mod deny;
mod generate;
mod image;
mod manifests;
mod packaging;
mod paths;
mod programs;
mod progress;
mod release;
mod shell;
mod simulate;
mod test;
mod tidy;

use clap::{Parser, Subcommand};

/// The project's commands.
///
/// Everything that a command needs is built or installed by it; what takes long the first time is kept in
/// ~/.cache/emqx-operator and takes seconds afterwards.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Starts a real Kubernetes with the operator and an EMQX cluster, and shows what to try next.
    Demo(demo::Arguments),
    /// Runs everything that CI checks.
    Test(test::Arguments),
    /// Measures the operator and writes the figures to target/bench.
    Bench(bench::Arguments),
    /// Starts, stops and uses local Kubernetes clusters.
    #[command(subcommand)]
    Cluster(cluster::Command),
    /// Builds the container images, without a Docker engine.
    Image(image::Arguments),
    /// Renders and checks the manifests that users install.
    #[command(subcommand)]
    Manifests(manifests::Command),
    /// Writes everything that a release consists of to dist/: manifests, chart, image, bill of materials, checksums.
    Release(release::Arguments),
    /// Writes the licences of everything that is part of the operator's image.
    Notices(release::Notices),
    /// Asks whether anything that Cargo.lock names has a known vulnerability. Needs the internet; no part of `test`.
    Advisories,
    /// Runs the tests with real pods, all or those whose name contains a word.
    E2e { filter: Option<String> },
    /// Kills the operator before every single write of a scenario, or of all, and compares the ends.
    CrashPoints { scenario: Option<String> },
    /// Runs random histories of a simulated cluster against the operator's decisions.
    Simulate(simulate::Simulate),
    /// Plants bugs in the operator's decisions and sees that the simulation catches each.
    Mutants(simulate::Mutants),
    /// Writes generated files anew: the CRDs and the reference pages.
    Generate,
    /// Sends one MQTT message through a broker; run by the demo inside the cluster's network.
    #[command(hide = true)]
    MqttRoundTrip(demo::round_trip::Arguments),
    /// Keeps MQTT devices connected; run by the demo inside the cluster's network.
    #[command(hide = true)]
    MqttDevices(mqtt_devices::command::Arguments),
    /// Checks that crates depend on each other as the architecture says.
    Tidy,
}

fn main() {
    let result = match Arguments::parse().command {
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Test(arguments) => test::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Cluster(command) => cluster::run(command),
        Command::Image(arguments) => image::run(&arguments),
        Command::Manifests(command) => manifests::run(&command),
        Command::Release(arguments) => release::run(&arguments),
        Command::Notices(arguments) => release::write_notices(&arguments),
        Command::Advisories => deny::advisories(),
        Command::E2e { filter } => test::run(&test::Arguments::end_to_end(filter)),
        Command::CrashPoints { scenario } => test::run(&test::Arguments::crash_points(scenario)),
        Command::Simulate(arguments) => simulate::simulate(&arguments),
        Command::Mutants(arguments) => simulate::mutants(&arguments),
        Command::Generate => generate::run(),
        Command::MqttRoundTrip(arguments) => demo::round_trip::run(&arguments),
        Command::MqttDevices(arguments) => demo::devices::run(arguments),
        Command::Tidy => tidy::run(),
    };
    if let Err(error) = result {
        eprintln!("error: {error:#}");
        std::process::exit(1);
    }
}
