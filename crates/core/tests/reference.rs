//! Reference pages that are written from the code.

use emqx_operator_core::reason::{Reason, Severity};
use std::fmt::Write as _;
use std::path::PathBuf;

fn page() -> String {
    let mut page = String::from(
        "# Reasons\n\nWritten from `crates/core/src/reason.rs` and `runbook.rs` by `cargo xtask generate`. Conditions, events \
         and metrics use these reasons; [troubleshooting](../troubleshooting.md) says where to begin. In the commands, NAME is \
         the resource, and POD, SET, CLAIM and SITE are named in its message. *Action required*: the message names the field \
         or the pod; such a reason also makes the condition `Degraded` true. *Progress*: work is under way; no action is \
         required. *Fine*: no action is required.\n",
    );
    for (severity, title) in
        [(Severity::Trouble, "Action required"), (Severity::Progress, "Progress"), (Severity::Fine, "Fine")]
    {
        let _ = write!(page, "\n## {title}\n");
        for reason in Reason::ALL.iter().filter(|reason| reason.severity() == severity) {
            let words: Vec<_> = reason.text().split_whitespace().collect();
            let _ = write!(page, "\n### {}\n\n{}\n", reason.as_str(), words.join(" "));
            if !reason.commands().is_empty() {
                let _ = write!(page, "\n```sh\n{}\n```\n", reason.commands().join("\n"));
            }
        }
    }
    page
}

#[test]
fn the_page_of_reasons_is_fresh() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/reasons.md");
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        std::fs::write(&path, page()).expect("docs/reference is writable");
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == page(), "{} is stale: run `cargo xtask generate`", path.display());
}
