//! The programs that users have: kubectl, Helm, Prometheus. `cargo xtask test` says where they are.

use emqx_operator_tests::cluster::{root, setting};
use std::path::PathBuf;
use std::process::{Command, Output};

/// A run that must succeed; its output.
#[track_caller]
pub fn kubectl(arguments: &[&str]) -> String {
    succeeded("kubectl", arguments, run("EMQX_TEST_KUBECTL", arguments))
}

/// A run that must succeed; its output.
#[track_caller]
pub fn helm(arguments: &[&str]) -> String {
    succeeded("helm", arguments, run("EMQX_TEST_HELM", arguments))
}

/// A run that must fail; what it says.
#[track_caller]
pub fn helm_fails(arguments: &[&str]) -> String {
    helm_or(arguments).expect_err(&format!("helm {arguments:?} must fail"))
}

/// A run that may fail; what it says in either case.
pub fn helm_or(arguments: &[&str]) -> Result<String, String> {
    let output = run("EMQX_TEST_HELM", arguments);
    let text = text(&output);
    if output.status.success() { Ok(text) } else { Err(text) }
}

/// The chart of the checkout.
pub fn chart() -> String {
    root().join("charts/emqx-operator").display().to_string()
}

/// A rendered variant.
pub fn manifest(variant: &str) -> String {
    let folder = PathBuf::from(setting("EMQX_TEST_MANIFESTS").unwrap());
    folder.join(format!("{variant}.yaml")).display().to_string()
}

pub fn prometheus() -> PathBuf {
    setting("EMQX_TEST_PROMETHEUS").unwrap().into()
}

fn run(program: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(setting(program).unwrap());
    command.args(arguments).env("KUBECONFIG", setting("EMQX_TEST_KUBECONFIG").unwrap());
    command.output().unwrap()
}

#[track_caller]
fn succeeded(program: &str, arguments: &[&str], output: Output) -> String {
    assert!(output.status.success(), "{program} {arguments:?} failed: {}", text(&output));
    String::from_utf8(output.stdout).unwrap()
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
