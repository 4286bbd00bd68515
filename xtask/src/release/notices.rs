//! What others have written and is part of the operator's binary, with the licences that ask to be passed on. Each text
//! stands there once, under the names of all whose it is.

use super::linked::{Metadata, expression};
use super::toolchain::{self, Library};
use crate::paths;
use anyhow::{Context as _, bail};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// How files begin that have a licence, or a notice to be passed on.
const NAMES: [&str; 7] = ["license", "licence", "copying", "copyright", "notice", "unlicense", "unicode-license"];
/// Copied sources of others lie this deep in some crates, with their own licences.
const DEPTH: usize = 4;
const RULER: &str = "================================================================================";

/// A licence text, and whose it is.
#[derive(Default)]
struct Text {
    owners: Vec<String>,
    text: String,
}

/// Texts by their words: line breaks and indentation differ from crate to crate.
type Texts = BTreeMap<String, Text>;

/// Files of the image and of a release, by name.
pub(crate) fn files() -> anyhow::Result<BTreeMap<&'static str, String>> {
    let ours = |name: &str| read(&paths::root().join(name));
    let third_party = third_party(&Metadata::read()?, &toolchain::libraries()?)?;
    Ok([("LICENSE", ours("LICENSE")?), ("NOTICE", ours("NOTICE")?), ("THIRD-PARTY-NOTICES.txt", third_party)].into())
}

fn third_party(metadata: &Metadata, libraries: &[Library]) -> anyhow::Result<String> {
    let linked = metadata.linked()?;
    let (mut list, mut texts) = (String::new(), Texts::new());
    for Library { name, version, license, source, texts: files, .. } in libraries {
        writeln!(list, "{name} {version}: {license} ({source})")?;
        for file in files {
            add(&mut texts, format!("{name} {version}"), read(file)?);
        }
    }
    let mut without = Vec::new();
    for package in linked.third_party() {
        let owner = format!("{} {}", text(package, "name"), text(package, "version"));
        let license = expression(package).unwrap_or_else(|| "see its text".to_owned());
        writeln!(list, "{owner}: {license} ({})", text(package, "repository"))?;
        match of_crate(package, &license)? {
            found if found.is_empty() => without.push(owner),
            found => found.into_iter().for_each(|text| add(&mut texts, owner.clone(), text)),
        }
    }
    if !without.is_empty() {
        bail!("these crates bring no text of their licence: {}", without.join(", "));
    }
    let mut notices = format!(
        "Parts of the EMQX operator that others have written, and their licences.\n\n\
         Where a part may be had under one of several licences, all of them are here.\n\n{list}"
    );
    for Text { owners, text } in in_order(texts) {
        write!(notices, "\n{RULER}\n{}\n{RULER}\n\n{}\n", owners.join("\n"), text.trim_end())?;
    }
    Ok(notices)
}

/// The licences of a crate, from its own files.
fn of_crate(package: &Value, license: &str) -> anyhow::Result<Vec<String>> {
    let manifest = Path::new(text(package, "manifest_path"));
    let folder = manifest.parent().with_context(|| format!("{} is in a folder", manifest.display()))?;
    let mut files = Vec::new();
    find(folder, DEPTH, &mut files)?;
    files.sort();
    // Some forget the file; this text is the same for everybody, and ours, too.
    if files.is_empty() && license.contains("Apache-2.0") {
        files.push(paths::root().join("LICENSE"));
    }
    files.iter().map(|file| read(file)).collect()
}

fn find(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("failed to list {}", folder.display()))? {
        let path = entry?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
        let is_code = name.ends_with(".rs") || name.ends_with(".c") || name.ends_with(".h") || name.ends_with(".py");
        if path.is_dir() && depth > 1 {
            find(&path, depth - 1, found)?;
        } else if path.is_file() && !is_code && NAMES.iter().any(|prefix| name.starts_with(prefix)) {
            found.push(path);
        }
    }
    Ok(())
}

fn add(texts: &mut Texts, owner: String, text: String) {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let entry = texts.entry(words).or_insert_with(|| Text { owners: Vec::new(), text });
    if !entry.owners.contains(&owner) {
        entry.owners.push(owner);
    }
}

/// Those of the most parts first.
fn in_order(texts: Texts) -> Vec<Text> {
    let mut texts: Vec<_> = texts.into_values().collect();
    texts.sort_by(|a, b| b.owners.len().cmp(&a.owners.len()).then_with(|| a.owners.cmp(&b.owners)));
    texts
}

fn text<'a>(package: &'a Value, field: &str) -> &'a str {
    package[field].as_str().unwrap_or_default()
}

/// Some are not UTF-8.
fn read(file: &Path) -> anyhow::Result<String> {
    let bytes = fs::read(file).with_context(|| format!("failed to read {}", file.display()))?;
    Ok(String::from_utf8_lossy(&bytes).replace("\r\n", "\n"))
}

#[cfg(test)]
mod tests {
    use super::{Texts, add, files, in_order, of_crate};
    use serde_json::json;

    #[test]
    fn everything_that_is_linked_is_named_with_its_licence() {
        let files = files().unwrap();
        let notices = &files["THIRD-PARTY-NOTICES.txt"];
        // A crate without a file of its own, copied sources inside a crate, and what no crate names.
        for part in ["\nkube 5.", "the fiat-crypto authors", "\nglibc 2.", "GNU LESSER GENERAL PUBLIC", "\nrust-std 1."]
        {
            assert!(notices.contains(part), "{part:?} is missing");
        }
        for not_linked in ["\nproptest ", "\nxtask ", "\nemqx-operator "] {
            assert!(!notices.contains(not_linked), "{not_linked:?} is not linked, or not of others");
        }
        // The image is small, and its licences are to be a fraction of it.
        assert!(notices.len() < 1_500_000, "{} bytes", notices.len());
        assert!(files["LICENSE"].contains("Apache License") && files["NOTICE"].contains("LGPL"));
    }

    #[test]
    fn a_crate_without_a_text_has_only_the_one_that_all_share() {
        let folder = tempfile::tempdir().unwrap();
        let package = json!({"manifest_path": folder.path().join("Cargo.toml")});
        assert_eq!(of_crate(&package, "MIT").unwrap(), Vec::<String>::new());
        assert!(of_crate(&package, "MIT OR Apache-2.0").unwrap()[0].contains("Apache License"));
        std::fs::create_dir_all(folder.path().join("third_party/copied")).unwrap();
        std::fs::write(folder.path().join("third_party/copied/LICENSE-MIT"), "of others").unwrap();
        std::fs::write(folder.path().join("license.rs"), "code").unwrap();
        assert_eq!(of_crate(&package, "MIT").unwrap(), ["of others"]);
    }

    #[test]
    fn a_text_that_only_looks_different_is_there_once() {
        let mut texts = Texts::new();
        for (owner, text) in [("b 1", "Do what\nyou like."), ("a 1", "Do what you  like.\n"), ("c 1", "Do not.")] {
            add(&mut texts, owner.to_owned(), text.to_owned());
        }
        let owners: Vec<_> = in_order(texts).into_iter().map(|text| text.owners).collect();
        assert_eq!(owners, [vec!["b 1", "a 1"], vec!["c 1"]]);
    }
}
