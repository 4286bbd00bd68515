//! What the operator asks of the API server: a list in `config/rbac`, taken from audit logs of the tests.

use crate::paths;
use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Verbs by `group/resource`, the core group written as `core`.
pub(crate) type Resources = BTreeMap<String, BTreeSet<String>>;

/// What the operator does where, and when: every section is granted by roles of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Section {
    /// Always, in the namespaces that it watches.
    Watched,
    /// Where the user lets it run commands in pods, by a role of its own.
    PodsExec,
    /// With `--leader-elect`, in its own namespace.
    LeaderElection,
    /// With certificates that it makes itself, in its own namespace.
    MetricsCertificates,
    /// With metrics over HTTPS, everywhere.
    MetricsAuthentication,
}

/// The list.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct UsedVerbs {
    /// What audit logs have shown.
    seen: BTreeMap<Section, Resources>,
    /// What is needed and is in no audit log, with the reason.
    #[serde(default)]
    never_logged: Vec<NeverLogged>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NeverLogged {
    section: Section,
    resource: String,
    verb: String,
    reason: String,
}

const OPERATOR_NAMESPACE: &str = "emqx-operator-system";
/// The operator inside a test program, and in its pod.
const USERS: [&str; 2] =
    ["emqx-operator", "system:serviceaccount:emqx-operator-system:emqx-operator-controller-manager"];
const METRICS_CA: &str = "emqx-operator-metrics-ca";

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Audit logs, as they are in target/audit after `cargo xtask test`.
    #[arg(required = true)]
    logs: Vec<PathBuf>,
    /// Take them over into the list instead of comparing.
    #[arg(long)]
    write: bool,
}

fn file() -> PathBuf {
    paths::root().join("config/rbac/used-verbs.yaml")
}

impl UsedVerbs {
    pub(crate) fn load() -> anyhow::Result<UsedVerbs> {
        let text = std::fs::read_to_string(file()).with_context(|| format!("failed to read {}", file().display()))?;
        Self::parse(&text).with_context(|| format!("failed to read {}", file().display()))
    }

    pub(crate) fn parse(text: &str) -> anyhow::Result<UsedVerbs> {
        Ok(serde_yaml::from_str(text)?)
    }

    /// Everything that is needed, seen or not.
    pub(crate) fn sections(&self) -> BTreeMap<Section, Resources> {
        let mut sections = self.seen.clone();
        for NeverLogged { section, resource, verb, .. } in &self.never_logged {
            sections.entry(*section).or_default().entry(resource.clone()).or_default().insert(verb.clone());
        }
        sections
    }

    fn text(&self) -> anyhow::Result<String> {
        let mut text = String::from(
            "# What the operator asks of the API server, as audit logs of the tests show it. `seen` is written by\n\
             # `cargo xtask manifests verbs --write target/audit/*.log`; roles must grant exactly this.\nseen:\n",
        );
        for (section, resources) in &self.seen {
            writeln!(text, "  {}:", serde_yaml::to_string(section)?.trim())?;
            for (resource, verbs) in resources {
                let verbs: Vec<_> = verbs.iter().map(String::as_str).collect();
                writeln!(text, "    {resource}: [{}]", verbs.join(", "))?;
            }
        }
        text.push_str("never-logged:\n");
        text.push_str(&serde_yaml::to_string(&self.never_logged)?);
        Ok(text)
    }
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let seen = observe(&arguments.logs)?;
    let mut used = UsedVerbs::load()?;
    if arguments.write {
        used.seen = seen;
        return std::fs::write(file(), used.text()?).context("failed to write the list");
    }
    compare(&used, &seen)
}

/// Fails unless the list is just what the logs show.
pub(crate) fn compare(used: &UsedVerbs, seen: &BTreeMap<Section, Resources>) -> anyhow::Result<()> {
    let (listed, seen) = (flat(&used.seen), flat(seen));
    let never: BTreeSet<_> =
        used.never_logged.iter().map(|n| format!("{:?}: {} {}", n.section, n.verb, n.resource)).collect();
    let mut faults: Vec<_> =
        seen.difference(&listed).filter(|v| !never.contains(*v)).map(|v| format!("not listed: {v}")).collect();
    faults.extend(listed.difference(&seen).map(|verb| format!("listed, but no test does it: {verb}")));
    if faults.is_empty() {
        return Ok(());
    }
    bail!(
        "{}\nwrite a test, or refresh config/rbac/used-verbs.yaml: cargo xtask manifests verbs --write LOG…",
        faults.join("\n")
    )
}

fn flat(sections: &BTreeMap<Section, Resources>) -> BTreeSet<String> {
    let resources =
        sections.iter().flat_map(|(section, resources)| resources.iter().map(move |(r, verbs)| (section, r, verbs)));
    resources
        .flat_map(|(section, resource, verbs)| verbs.iter().map(move |verb| format!("{section:?}: {verb} {resource}")))
        .collect()
}

/// What the operator did, and was allowed to do, by audit logs.
pub(crate) fn observe(logs: &[impl AsRef<Path>]) -> anyhow::Result<BTreeMap<Section, Resources>> {
    let mut sections = BTreeMap::<Section, Resources>::new();
    for log in logs.iter().map(AsRef::as_ref) {
        let text = std::fs::read_to_string(log).with_context(|| format!("failed to read {}", log.display()))?;
        for (section, resource, verbs) in text.lines().filter_map(request) {
            sections.entry(section).or_default().entry(resource).or_default().extend(verbs);
        }
    }
    Ok(sections)
}

fn request(line: &str) -> Option<(Section, String, Vec<String>)> {
    let event: Value = serde_json::from_str(line).ok()?;
    let is_operator = event["user"]["username"].as_str().is_some_and(|user| USERS.contains(&user));
    if !is_operator || event["annotations"]["authorization.k8s.io/decision"] == "forbid" {
        return None;
    }
    let reference = &event["objectRef"];
    let text = |field: &str| reference[field].as_str().unwrap_or_default();
    let group = if text("apiGroup").is_empty() { "core" } else { text("apiGroup") };
    let mut resource = format!("{group}/{}", reference["resource"].as_str()?);
    if !text("subresource").is_empty() {
        write!(resource, "/{}", text("subresource")).ok()?;
    }
    let in_own = text("namespace") == OPERATOR_NAMESPACE;
    let section = match resource.as_str() {
        "coordination.k8s.io/leases" => Section::LeaderElection,
        "core/pods/exec" => Section::PodsExec,
        "authentication.k8s.io/tokenreviews" | "authorization.k8s.io/subjectaccessreviews" => {
            Section::MetricsAuthentication
        }
        // The name of an object that is created is in no audit log of this level.
        "core/secrets"
            if in_own && (text("name") == METRICS_CA || text("name").is_empty() && event["verb"] == "create") =>
        {
            Section::MetricsCertificates
        }
        _ => Section::Watched,
    };
    let mut verbs = vec![event["verb"].as_str()?.to_owned()];
    // An apply that makes the object needs both rights, and is logged as a patch.
    if event["verb"] == "patch" && event["responseStatus"]["code"] == 201 {
        verbs.push("create".to_owned());
    }
    Some((section, resource, verbs))
}

#[cfg(test)]
mod tests {
    use super::{Section, UsedVerbs, compare, flat, request};
    use std::collections::BTreeMap;

    const LIST: &str = "seen:\n  watched:\n    core/pods: [list]\n";

    fn seen(verbs: &[&str]) -> BTreeMap<Section, super::Resources> {
        let verbs = verbs.iter().map(ToString::to_string).collect();
        [(Section::Watched, [("core/pods".to_owned(), verbs)].into())].into()
    }

    #[test]
    fn a_list_that_is_what_was_seen_passes() {
        compare(&UsedVerbs::parse(LIST).unwrap(), &seen(&["list"])).unwrap();
    }

    #[test]
    fn both_directions_of_a_difference_are_named() {
        let error = compare(&UsedVerbs::parse(LIST).unwrap(), &seen(&["watch"])).unwrap_err().to_string();
        assert!(error.contains("not listed: Watched: watch core/pods"), "{error}");
        assert!(error.contains("listed, but no test does it: Watched: list core/pods"), "{error}");
    }

    #[test]
    fn the_text_of_a_list_is_that_list() {
        let list = UsedVerbs::load().unwrap();
        assert_eq!(UsedVerbs::parse(&list.text().unwrap()).unwrap(), list);
        assert!(!flat(&list.sections()).is_empty());
    }

    #[test]
    fn requests_are_read_off_audit_events() {
        let event = |user: &str, verb: &str, reference: &str| {
            request(&format!(r#"{{"user": {{"username": "{user}"}}, "verb": "{verb}", "objectRef": {reference}}}"#))
        };
        let lease = r#"{"apiGroup": "coordination.k8s.io", "resource": "leases", "namespace": "a", "name": "b"}"#;
        let found = event("emqx-operator", "patch", lease).unwrap();
        assert_eq!(found, (Section::LeaderElection, "coordination.k8s.io/leases".to_owned(), vec!["patch".to_owned()]));
        let status = r#"{"apiGroup": "apps.emqx.io", "resource": "emqxes", "subresource": "status"}"#;
        assert_eq!(event("emqx-operator", "patch", status).unwrap().1, "apps.emqx.io/emqxes/status");
        let exec = r#"{"resource": "pods", "subresource": "exec", "namespace": "a", "name": "b"}"#;
        assert_eq!(event("emqx-operator", "get", exec).unwrap().0, Section::PodsExec);
        assert_eq!(event("somebody", "patch", lease), None);
    }
}
