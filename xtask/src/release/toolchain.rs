//! Libraries that no crate names and that are in the static binary: they come with the machine that builds it.

use crate::shell;
use anyhow::Context as _;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(super) struct Library {
    pub(super) name: String,
    pub(super) version: String,
    /// An SPDX expression.
    pub(super) license: &'static str,
    pub(super) purl: String,
    /// Where its source is.
    pub(super) source: &'static str,
    /// Files with its notices and its licence, those that this machine has.
    pub(super) texts: Vec<PathBuf>,
}

/// The C library, the compiler's own, and Rust's.
pub(super) fn libraries() -> anyhow::Result<Vec<Library>> {
    let glibc = of_the_compiler(
        "libc.a",
        "LGPL-2.1-or-later",
        "https://sourceware.org/git/glibc.git",
        &["/usr/share/common-licenses/LGPL-2.1"],
    )?;
    let libgcc = of_the_compiler(
        "libgcc_eh.a",
        "GPL-3.0-or-later WITH GCC-exception-3.1",
        "https://gcc.gnu.org/git/gcc.git",
        &[],
    )?;
    Ok(vec![glibc, libgcc, rust()?])
}

/// What an archive that the linker takes belongs to, by the package that installed it.
fn of_the_compiler(
    archive: &str,
    license: &'static str,
    source: &'static str,
    texts: &[&str],
) -> anyhow::Result<Library> {
    let path = shell::quietly(Command::new("cc").arg(format!("-print-file-name={archive}")))?;
    let path = Path::new(path.trim()).canonicalize().with_context(|| format!("the C compiler has no {archive}"))?;
    let owner = shell::quietly(Command::new("dpkg-query").arg("--search").arg(&path))?;
    let package = owner.split([':', ' ']).next().unwrap_or_default();
    let mut query = Command::new("dpkg-query");
    let found =
        shell::quietly(query.args(["--show", "--showformat", "${source:Package} ${source:Version}\\n", package]))?;
    let line = found.lines().next().unwrap_or_default();
    let (name, version) = line.split_once(' ').with_context(|| format!("dpkg-query knows no source of {package}"))?;
    let copyright = PathBuf::from(format!("/usr/share/doc/{package}/copyright"));
    Ok(Library {
        purl: format!("pkg:deb/debian/{name}@{}?arch=source", version.replace('+', "%2B")),
        name: name.to_owned(),
        version: version.to_owned(),
        license,
        source,
        texts: existing(texts.iter().map(PathBuf::from).chain([copyright])),
    })
}

fn rust() -> anyhow::Result<Library> {
    let said = shell::quietly(Command::new("rustc").arg("--version"))?;
    let version = said.split(' ').nth(1).context("rustc tells its version")?.to_owned();
    let sysroot = shell::quietly(Command::new("rustc").args(["--print", "sysroot"]))?;
    let licenses = Path::new(sysroot.trim()).join("share/doc/rust/licenses");
    Ok(Library {
        purl: format!("pkg:generic/rust-std@{version}"),
        name: "rust-std".to_owned(),
        version,
        license: "MIT OR Apache-2.0",
        source: "https://github.com/rust-lang/rust",
        texts: existing(["MIT.txt", "Apache-2.0.txt"].map(|file| licenses.join(file))),
    })
}

fn existing(files: impl IntoIterator<Item = PathBuf>) -> Vec<PathBuf> {
    files.into_iter().filter(|file| file.is_file()).collect()
}
