//! Manifests as users install them: rendered, and checked for what nobody notices before users do.

mod alerts;
mod check;
mod compare;
pub(crate) mod images;
mod objects;
pub(crate) mod render;
pub(crate) mod verbs;

use anyhow::{Context as _, bail};
use clap::Subcommand;
use objects::Variant;
use std::path::{Path, PathBuf};
use verbs::UsedVerbs;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Writes every variant, kustomize and Helm, a file each.
    Render {
        /// The folder that is written to.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Checks that ports, selectors, references, images and rights of manifests fit together.
    Check {
        /// Manifests; every variant of this tree when none is named.
        files: Vec<PathBuf>,
    },
    /// Compares what the operator did, by audit logs, with what the roles are made from.
    Verbs(verbs::Arguments),
}

pub(crate) fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::Render { out } => render(out),
        Command::Check { files } if files.is_empty() => check_all(),
        Command::Check { files } => {
            let variants: anyhow::Result<Vec<_>> = files.iter().map(read).collect();
            report(&variants?)
        }
        Command::Verbs(arguments) => verbs::run(arguments),
    }
}

/// Checks every variant of this tree, that the chart installs what kustomize installs, and the alerts.
pub(crate) fn check_all() -> anyhow::Result<()> {
    let variants = render::parsed()?;
    report(&variants)?;
    compare::check(&variants)?;
    images::check(&variants)?;
    alerts::check()?;
    println!("the chart and the kustomize tree install the same, in {} variants", compare::PAIRS.len());
    Ok(())
}

/// Writes every variant, a file each.
pub(crate) fn render(out: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(out).with_context(|| format!("failed to make {}", out.display()))?;
    for (name, text) in render::all()? {
        let file = out.join(format!("{name}.yaml"));
        std::fs::write(&file, text).with_context(|| format!("failed to write {}", file.display()))?;
        println!("{}", file.display());
    }
    Ok(())
}

fn read(file: &PathBuf) -> anyhow::Result<Variant> {
    let text = std::fs::read_to_string(file).with_context(|| format!("failed to read {}", file.display()))?;
    Variant::parse(&file.display().to_string(), &text)
}

fn report(variants: &[Variant]) -> anyhow::Result<()> {
    let used = UsedVerbs::load()?;
    let mut count = 0;
    for variant in variants {
        let faults = check::check(variant, &used);
        println!("{}: {} objects, {} faults", variant.name, variant.objects.len(), faults.len());
        for fault in &faults {
            println!("  {fault}");
        }
        count += faults.len();
    }
    if count > 0 {
        bail!("{count} faults in manifests");
    }
    Ok(())
}
