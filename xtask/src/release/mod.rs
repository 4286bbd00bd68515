//! Everything that a release consists of, from the sources at hand, into `dist/`.

mod linked;
mod notices;
mod sbom;
mod toolchain;

use crate::cluster::tools;
use crate::image;
use crate::manifests;
use crate::programs::Profile;
use crate::{paths, progress, shell};
use anyhow::Context as _;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is written.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The folder that is written to, anew.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Leave the image out, which takes minutes to build.
    #[arg(long)]
    no_image: bool,
}

/// Writes the licences of everything that is part of the operator's image, as they are in it.
#[derive(clap::Args)]
pub(crate) struct Notices {
    /// The folder that is written to.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

pub(crate) fn write_notices(arguments: &Notices) -> anyhow::Result<()> {
    let out = &arguments.out;
    fs::create_dir_all(out).with_context(|| format!("failed to make {}", out.display()))?;
    notices::files()?.iter().try_for_each(|(name, text)| write(&out.join(name), text))
}

pub(crate) use notices::files as notices;

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let out = arguments.out.clone().unwrap_or_else(|| paths::root().join("dist"));
    if out.exists() {
        fs::remove_dir_all(&out).with_context(|| format!("failed to empty {}", out.display()))?;
    }
    fs::create_dir_all(&out).with_context(|| format!("failed to make {}", out.display()))?;
    progress::step("rendering and checking the manifests", || manifests(&out))?;
    progress::step("packing the chart", || chart(&out))?;
    progress::step("listing what the operator is built from", || {
        let file = out.join(format!("emqx-operator-{}.cdx.json", version()));
        write(&file, &sbom::of_the_operator()?)
    })?;
    progress::step("collecting the licences of what it is built from", || {
        notices()?.iter().try_for_each(|(name, text)| write(&out.join(name), text))
    })?;
    if !arguments.no_image {
        progress::step("building the image", || {
            let archive = image::operator(Profile::Release)?;
            let file = out.join(format!("emqx-operator-{}-image.tar", version()));
            fs::copy(&archive, &file).map(drop).with_context(|| format!("failed to write {}", file.display()))
        })?;
    }
    for (name, size) in checksums(&out)? {
        println!("{size:>10}  {}", out.join(name).display());
    }
    Ok(())
}

fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

/// A file per variant of the kustomize tree, the CRDs apart, and the images that all of them pull.
fn manifests(out: &Path) -> anyhow::Result<()> {
    manifests::check_all()?;
    for (name, folder) in manifests::render::overlays()? {
        let variant = name.trim_start_matches("kustomize").trim_end_matches("-default");
        write(&out.join(format!("emqx-operator{variant}.yaml")), &manifests::render::kustomize(&folder)?)?;
    }
    let crds = manifests::render::kustomize(&paths::root().join("config/crd"))?;
    write(&out.join("emqx-operator-crds.yaml"), &crds)?;
    let images: Vec<_> = manifests::images::listed()?.into_iter().collect();
    write(&out.join("images.txt"), &(images.join("\n") + "\n"))
}

fn chart(out: &Path) -> anyhow::Result<()> {
    let chart = paths::root().join("charts/emqx-operator");
    shell::quietly(Command::new(tools::helm()?).arg("package").arg(chart).arg("--destination").arg(out)).map(drop)
}

/// As `sha256sum --check` reads it. Returns names and sizes.
fn checksums(out: &Path) -> anyhow::Result<Vec<(String, u64)>> {
    let entries = fs::read_dir(out).with_context(|| format!("failed to list {}", out.display()))?;
    let names: Result<Vec<_>, _> = entries.map(|entry| entry.map(|entry| entry.file_name())).collect();
    let mut names: Vec<_> = names?.into_iter().filter_map(|name| name.into_string().ok()).collect();
    names.sort();
    let (mut sums, mut sizes) = (String::new(), Vec::new());
    for name in names {
        let bytes = fs::read(out.join(&name)).with_context(|| format!("failed to read {name}"))?;
        writeln!(sums, "{}  {name}", hex::encode(Sha256::digest(&bytes)))?;
        sizes.push((name, u64::try_from(bytes.len())?));
    }
    write(&out.join("SHA256SUMS"), &sums)?;
    Ok(sizes)
}

fn write(file: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(file, text).with_context(|| format!("failed to write {}", file.display()))
}
