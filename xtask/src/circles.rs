//! No file of the core needs another that needs it. Cargo forbids circles between crates only; within a crate they grow unseen,
//! until no file can be understood alone.
//!
//! A file needs what its paths name: `use` and plain paths are followed through re-exports to the file that has the item. A
//! `mod.rs` that only re-exports is no file on the way.

use anyhow::{Context as _, bail};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use syn::visit::{self, Visit};
use syn::{Attribute, ItemMod, ItemUse, UseTree, Visibility};

/// Modules are paths from the root of the crate, without `crate`.
type Module = Vec<String>;

/// What one file says.
#[derive(Default)]
struct File {
    /// The paths that it names, as they are written.
    paths: Vec<Vec<String>>,
    /// What is re-exported under which name.
    exports: BTreeMap<String, Vec<String>>,
    /// The names that `use` brings in.
    imports: BTreeMap<String, Vec<String>>,
}

/// One file needs another for these names.
type Needs = BTreeMap<Module, BTreeMap<Module, BTreeSet<String>>>;

/// Fails if files below `source` need each other, but for the needs in `allowed`, which have a reason; and if a file of a folder
/// of the lifecycle needs one in a folder that is `forbidden` to it.
pub(crate) fn check(source: &Path, allowed: &[(&str, &str)], forbidden: &[(&str, &[&str])]) -> anyhow::Result<usize> {
    let files = read(source)?;
    let mut needs = needs(&files);
    let wrong: Vec<_> = forbidden.iter().flat_map(|(folder, others)| strays(&needs, folder, others)).collect();
    if !wrong.is_empty() {
        bail!("the direction of the lifecycle is violated:\n{}", wrong.join("\n"));
    }
    for (from, to) in allowed {
        let needed = needs.get_mut(&module(from)).and_then(|needed| needed.remove(&module(to)));
        needed.with_context(|| format!("{from} does not need {to} any more: take it off the list in tidy.rs"))?;
    }
    let circles: Vec<_> = circles(&needs).iter().map(|circle| told(circle, &needs)).collect();
    if !circles.is_empty() {
        bail!("files of {} need each other:\n{}", source.display(), circles.join("\n"));
    }
    Ok(files.len())
}

/// Files of a folder that need files of folders that they must not know.
fn strays(needs: &Needs, folder: &str, others: &[&str]) -> Vec<String> {
    let path = |folder: &str| self::module(&format!("lifecycle/{folder}"));
    let mut wrong = Vec::new();
    // The file that lists a folder needs what it lists.
    let in_folder = |module: &Module| module.starts_with(&path(folder)) && *module != path(folder);
    for (from, needed) in needs.iter().filter(|(from, _)| in_folder(from)) {
        for to in needed.keys().filter(|to| others.iter().any(|other| to.starts_with(&path(other)))) {
            wrong.push(format!("  {} must not need {}", name(from), name(to)));
        }
    }
    wrong
}

fn name(module: &Module) -> String {
    if module.is_empty() { "lib".to_owned() } else { module.join("/") }
}

fn module(text: &str) -> Module {
    text.split('/').map(str::to_owned).collect()
}

fn read(source: &Path) -> anyhow::Result<BTreeMap<Module, File>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![source.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let syntax = syn::parse_file(&std::fs::read_to_string(&path)?)
                    .with_context(|| format!("failed to parse {}", path.display()))?;
                let mut file = File::default();
                file.visit_file(&syntax);
                let path = path.strip_prefix(source)?.with_extension("");
                let mut module: Module = path.iter().map(|part| part.to_string_lossy().into_owned()).collect();
                module.retain(|part| !["mod", "lib"].contains(&part.as_str()));
                files.insert(module, file);
            }
        }
    }
    Ok(files)
}

impl<'ast> Visit<'ast> for File {
    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        if !is_test(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let exported = !matches!(item.vis, Visibility::Inherited);
        self.take(&item.tree, Vec::new(), exported);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.paths.push(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        visit::visit_path(self, path);
    }

    /// `pub(in crate::lifecycle)` names a module and needs nothing of it.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}
}

impl File {
    fn take(&mut self, tree: &UseTree, mut path: Vec<String>, exported: bool) {
        let (last, name) = match tree {
            UseTree::Path(inner) => {
                path.push(inner.ident.to_string());
                return self.take(&inner.tree, path, exported);
            }
            UseTree::Group(group) => return group.items.iter().for_each(|one| self.take(one, path.clone(), exported)),
            UseTree::Name(name) => (name.ident.to_string(), name.ident.to_string()),
            UseTree::Rename(name) => (name.ident.to_string(), name.rename.to_string()),
            UseTree::Glob(_) => ("*".to_owned(), "*".to_owned()),
        };
        // `use super::config::{self}` brings in the module by its own name.
        let name = if name == "self" { path.last().cloned().unwrap_or_default() } else { name };
        if last != "self" {
            path.push(last);
        }
        let names = if exported { &mut self.exports } else { &mut self.imports };
        names.insert(name, path.clone());
        if !exported {
            self.paths.push(path);
        }
    }
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|one| {
        one.path().is_ident("cfg") && one.parse_args::<syn::Ident>().is_ok_and(|condition| condition == "test")
    })
}

fn needs(files: &BTreeMap<Module, File>) -> Needs {
    let of = |(module, file): (&Module, &File)| {
        let mut needed: BTreeMap<Module, BTreeSet<String>> = BTreeMap::new();
        for path in &file.paths {
            if let Some(found) = resolve(files, module, path, 0).filter(|found| found != module) {
                needed.entry(found).or_default().insert(path.last().cloned().unwrap_or_default());
            }
        }
        (module.clone(), needed)
    };
    files.iter().map(of).collect()
}

/// More re-exports of re-exports are no path of ours.
const DEEPEST: usize = 16;

/// The file that has the item of this path, as it is written in `from`.
fn resolve(files: &BTreeMap<Module, File>, from: &Module, path: &[String], depth: usize) -> Option<Module> {
    let (first, rest) = path.split_first().filter(|_| depth < DEEPEST)?;
    let mut module = from.clone();
    let mut rest = rest;
    match first.as_str() {
        "crate" => module.clear(),
        "self" => {}
        "super" => {
            module.pop();
            while let Some((_, others)) = rest.split_first().filter(|(next, _)| *next == "super") {
                module.pop();
                rest = others;
            }
        }
        _ => {
            let child = [from.as_slice(), std::slice::from_ref(first)].concat();
            if files.contains_key(&child) {
                module = child;
            } else {
                let import = files[from].imports.get(first).filter(|import| *import != path)?;
                return resolve(files, from, &[import.as_slice(), rest].concat(), depth + 1);
            }
        }
    }
    while let Some((next, others)) = rest.split_first() {
        module.push(next.clone());
        if !files.contains_key(&module) {
            module.pop();
            let export = files[&module].exports.get(next);
            let exported = export.and_then(|export| resolve(files, &module, &[export, others].concat(), depth + 1));
            return Some(exported.unwrap_or(module));
        }
        rest = others;
    }
    Some(module)
}

/// Sets of files each of which reaches all others of its set.
fn circles(needs: &Needs) -> Vec<BTreeSet<Module>> {
    let reached: BTreeMap<&Module, BTreeSet<Module>> =
        needs.keys().map(|module| (module, reach(needs, module))).collect();
    let mut circles = BTreeSet::new();
    for (module, reachable) in &reached {
        if reachable.contains(*module) {
            let mutual = reachable.iter().filter(|other| reached[other].contains(*module));
            circles.insert(mutual.cloned().collect::<BTreeSet<_>>());
        }
    }
    circles.into_iter().collect()
}

fn reach(needs: &Needs, from: &Module) -> BTreeSet<Module> {
    let mut found = BTreeSet::new();
    let mut next: Vec<_> = needs[from].keys().collect();
    while let Some(module) = next.pop() {
        if found.insert(module.clone()) {
            next.extend(needs[module].keys());
        }
    }
    found
}

fn told(circle: &BTreeSet<Module>, needs: &Needs) -> String {
    let lines = circle.iter().flat_map(|from| {
        let needed = needs[from].iter().filter(|(to, _)| circle.contains(*to));
        needed.map(move |(to, names)| {
            let names: Vec<_> = names.iter().map(String::as_str).collect();
            format!("  {} needs {} ({})", name(from), name(to), names.join(", "))
        })
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::check;

    fn of(files: &[(&str, &str)], allowed: &[(&str, &str)]) -> anyhow::Result<usize> {
        let folder = tempfile::tempdir().expect("a folder");
        for (path, text) in files {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("it is made");
            std::fs::write(path, text).expect("it is written");
        }
        check(folder.path(), allowed, &[("rules", &["rules"]), ("checks", &["admission"])])
    }

    /// What files say, and what of it is told; nothing where there is no circle.
    #[test]
    fn files_that_need_each_other_are_told() {
        let rows: &[(&[(&str, &str)], &str)] = &[
            (&[("lib.rs", "mod a; mod b;"), ("a.rs", "use crate::b::B;"), ("b.rs", "pub struct B;")], ""),
            (
                &[
                    ("lib.rs", "mod a; mod b;"),
                    ("a.rs", "use crate::b::B; pub struct A;"),
                    ("b.rs", "fn f(_: super::a::A) {}"),
                ],
                "a needs b (B)\n  b needs a (A)",
            ),
            // Through the re-exports of a folder, and by the name of a module.
            (
                &[
                    ("lib.rs", "mod a; mod b;"),
                    ("a/mod.rs", "mod one; mod two; pub use one::One; pub use two::Two;"),
                    ("a/one.rs", "use super::Two; pub struct One;"),
                    ("a/two.rs", "use super::one; pub struct Two(one::One);"),
                    ("b.rs", "use crate::a::One;"),
                ],
                "a/one needs a/two (Two)\n  a/two needs a/one (One, one)",
            ),
            // Tests may look back, and a visibility needs nothing.
            (
                &[
                    ("lib.rs", "mod a; mod b;"),
                    ("a.rs", "pub(in crate::b) struct A; #[cfg(test)] mod tests { use crate::b::B; }"),
                    ("b.rs", "use crate::a::A; pub struct B;"),
                ],
                "",
            ),
        ];
        for (files, expected) in rows {
            let told = of(files, &[]).map_or_else(|error| error.to_string(), |_| String::new());
            assert!(told.contains(expected) && told.is_empty() == expected.is_empty(), "{files:?}: {told}");
        }
    }

    #[test]
    fn a_rule_knows_no_other_rule() {
        let files = [
            ("lib.rs", "mod lifecycle;"),
            ("lifecycle/mod.rs", "mod rules;"),
            ("lifecycle/rules/mod.rs", "mod a; mod b; fn f() { a::plan(); b::plan(); }"),
            ("lifecycle/rules/a.rs", "pub fn plan() { super::b::plan(); }"),
            ("lifecycle/rules/b.rs", "pub fn plan() {}"),
        ];
        let text = of(&files, &[]).expect_err("a needs b").to_string();
        assert!(text.contains("lifecycle/rules/a must not need lifecycle/rules/b"), "{text}");
        assert!(!text.contains("rules must not"), "{text}");
    }

    /// What is forbidden may be one file, with or without a folder below it.
    #[test]
    fn a_check_knows_no_admission() {
        let files = [
            ("lib.rs", "mod lifecycle;"),
            ("lifecycle/mod.rs", "mod admission; mod checks;"),
            ("lifecycle/admission.rs", "mod permit; pub fn examine() {}"),
            ("lifecycle/admission/permit.rs", "pub struct Permit;"),
            ("lifecycle/checks/mod.rs", "mod a; mod b;"),
            ("lifecycle/checks/a.rs", "use crate::lifecycle::admission::examine;"),
            ("lifecycle/checks/b.rs", "use crate::lifecycle::admission::permit::Permit;"),
        ];
        let text = of(&files, &[]).expect_err("both need it").to_string();
        assert!(text.contains("checks/a must not need lifecycle/admission"), "{text}");
        assert!(text.contains("checks/b must not need lifecycle/admission/permit"), "{text}");
    }

    #[test]
    fn what_is_allowed_has_to_be_there() {
        let files = [
            ("lib.rs", "mod a; mod b;"),
            ("a.rs", "use crate::b::B; pub struct A;"),
            ("b.rs", "use crate::a::A; pub struct B;"),
        ];
        assert!(of(&files, &[("a", "b")]).is_ok());
        let text = of(&files, &[("a", "b"), ("b", "lib")]).expect_err("b does not need it").to_string();
        assert!(text.contains("b does not need lib any more"), "{text}");
    }
}
