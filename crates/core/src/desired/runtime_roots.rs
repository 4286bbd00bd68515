//! The runtime roots that were sent to EMQX, by name. EMQX keeps a root until it gets another one, so a root that the spec drops
//! has to be sent once more as an empty root: EMQX fills it with its defaults.

use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;

/// Roots that are left as they are when the spec drops them, since EMQX stores more in them than the spec has: keys of
/// other users, a license that was set in the dashboard, plugins that were installed there.
const LEFT: [&str; 4] = ["api_key", "config_backup_interval", "license", "plugins"];

/// Whether each of them is a list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RuntimeRoots(BTreeMap<String, bool>);

impl RuntimeRoots {
    pub(super) fn of(roots: &BTreeMap<String, Value>) -> Self {
        Self(roots.iter().map(|(root, value)| (root.clone(), value.is_array())).collect())
    }

    /// The roots of a text that [`super::config`] has rendered, one root per line.
    pub(crate) fn of_text(text: &str) -> Self {
        let roots = text.lines().filter_map(|line| {
            let (root, value) = line.strip_prefix('"')?.split_once("\" = ")?;
            Some((root.to_owned(), value.starts_with('[')))
        });
        Self(roots.collect())
    }

    /// As an annotation holds them: `listeners,rewrite[]`.
    pub(crate) fn write(&self) -> String {
        let names: Vec<_> =
            self.0.iter().map(|(root, list)| format!("{root}{}", if *list { "[]" } else { "" })).collect();
        names.join(",")
    }

    pub(crate) fn read(text: &str) -> Self {
        let names = text.split(',').filter(|name| !name.is_empty());
        let roots = names.map(|name| match name.strip_suffix("[]") {
            Some(root) => (root.to_owned(), true),
            None => (name.to_owned(), false),
        });
        Self(roots.collect())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn with(&self, others: &Self) -> Self {
        Self(self.0.iter().chain(&others.0).map(|(root, list)| (root.clone(), *list)).collect())
    }

    /// Removed roots that EMQX keeps.
    pub(crate) fn left_beside(&self, wanted: &Self) -> Self {
        let left = self.dropped(wanted).filter(|(root, _)| LEFT.contains(root));
        Self(left.map(|(root, list)| (root.to_owned(), list)).collect())
    }

    /// The HOCON text that resets removed roots.
    pub(crate) fn resets_beside(&self, wanted: &Self) -> String {
        let reset = self.dropped(wanted).filter(|(root, _)| !LEFT.contains(root));
        reset
            .map(|(root, list)| match (root, list) {
                // Its other keys are read only when EMQX starts, and may not be in the request.
                ("cluster", _) => "\"cluster\" = {\"links\":[]}\n".to_owned(),
                (root, true) => format!("\"{root}\" = []\n"),
                (root, false) => format!("\"{root}\" = {{}}\n"),
            })
            .collect()
    }

    fn dropped<'a>(&'a self, wanted: &'a Self) -> impl Iterator<Item = (&'a str, bool)> {
        let gone = self.0.iter().filter(|(root, _)| !wanted.0.contains_key(*root));
        gone.map(|(root, list)| (root.as_str(), *list))
    }
}

impl fmt::Display for RuntimeRoots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.keys().map(String::as_str).collect::<Vec<_>>().join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::RuntimeRoots;

    #[test]
    fn what_is_written_is_read() {
        for text in ["", "mqtt", "authentication[],cluster,mqtt"] {
            assert_eq!(RuntimeRoots::read(text).write(), text);
        }
        let text = "\"authentication\" = [{\"a\":1}]\n\"mqtt\" = {\"b\":\"\\\" = \"}\nsomething = else\n";
        assert_eq!(RuntimeRoots::of_text(text).write(), "authentication[],mqtt");
    }

    #[test]
    fn what_the_spec_drops_is_reset_or_left() {
        let before = RuntimeRoots::read("authentication[],cluster,license,listeners,mqtt");
        let wanted = RuntimeRoots::read("mqtt,log");
        let reset = "\"authentication\" = []\n\"cluster\" = {\"links\":[]}\n\"listeners\" = {}\n";
        assert_eq!(before.resets_beside(&wanted), reset);
        assert_eq!(before.left_beside(&wanted).to_string(), "license");
        assert_eq!(wanted.with(&before.left_beside(&wanted)).write(), "license,log,mqtt");
        assert_eq!(before.resets_beside(&before), "");
    }
}
