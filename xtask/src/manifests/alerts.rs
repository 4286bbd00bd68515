//! Alerts: promtool accepts them and runs their unit tests, and each leads to a page that tells what to do.

use crate::cluster::packages;
use crate::{paths, shell};
use anyhow::{Context as _, bail, ensure};
use serde_json::Value;
use std::process::Command;

const RULES: &str = "config/prometheus/rules.yaml";
const TESTS: &str = "config/prometheus/rules_test.yaml";
const RUNBOOKS: &str = "docs/runbooks.md";

pub(crate) fn check() -> anyhow::Result<()> {
    let rules = read(RULES)?;
    let resource: Value = serde_yaml::from_str(&rules).with_context(|| format!("{RULES} is not YAML"))?;
    described(&resource, &read(TESTS)?, &read(RUNBOOKS)?)?;
    let promtool = packages::prometheus()?.join("promtool");
    let folder = tempfile::tempdir()?;
    let plain = folder.path().join("rules.yaml");
    std::fs::write(&plain, serde_yaml::to_string(&resource["spec"])?)?;
    std::fs::write(folder.path().join("rules_test.yaml"), read(TESTS)?)?;
    shell::loudly(Command::new(&promtool).args(["check", "rules"]).arg(&plain))?;
    shell::loudly(Command::new(&promtool).current_dir(&folder).args(["test", "rules", "rules_test.yaml"]))
}

fn read(path: &str) -> anyhow::Result<String> {
    std::fs::read_to_string(paths::root().join(path)).with_context(|| format!("failed to read {path}"))
}

/// Every alert has a summary, a test in which it fires, and a section in the runbooks.
fn described(resource: &Value, tests: &str, runbooks: &str) -> anyhow::Result<()> {
    let groups = resource["spec"]["groups"].as_array().context("there are groups")?;
    let rules = groups.iter().flat_map(|group| group["rules"].as_array().into_iter().flatten());
    let alerts: Vec<_> = rules.filter(|rule| rule["alert"].is_string()).collect();
    ensure!(!alerts.is_empty(), "{RULES} has no alerts");
    let mut faults = Vec::new();
    for alert in alerts {
        let name = alert["alert"].as_str().unwrap_or_default();
        let annotation = |key: &str| alert["annotations"][key].as_str().unwrap_or_default();
        if annotation("summary").is_empty() {
            faults.push(format!("{name} has no summary"));
        }
        if !annotation("runbook_url").ends_with(&format!("/{RUNBOOKS}#{}", name.to_lowercase())) {
            faults.push(format!("{name} links no section of {RUNBOOKS}"));
        }
        if !runbooks.lines().any(|line| line == format!("## {name}")) {
            faults.push(format!("{RUNBOOKS} has no section {name}"));
        }
        if !tests.contains(&format!("- name: {name} fires")) {
            faults.push(format!("{TESTS} has no case in which {name} fires"));
        }
    }
    if !faults.is_empty() {
        bail!("{}", faults.join("\n"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::described;
    use serde_json::json;

    #[test]
    fn an_alert_that_nobody_described_is_named() {
        let alert = json!({"spec": {"groups": [{"rules": [{"alert": "Down", "annotations": {"summary": "s"}}]}]}});
        let error = described(&alert, "", "## Other").unwrap_err().to_string();
        assert!(error.contains("Down links no section"), "{error}");
        assert!(error.contains("has no section Down"), "{error}");
        assert!(error.contains("no case in which Down fires"), "{error}");
    }
}
