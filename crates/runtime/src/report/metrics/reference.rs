//! `docs/reference/metrics.md`, written from what is registered: a sample of every series is encoded and read back.

use super::{ClusterMetrics, Metrics, Outcome};
use crate::clusters::Clusters;
use crate::index::Key;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Default)]
struct Described {
    help: String,
    kind: String,
    labels: Vec<String>,
}

/// Its title, a text above the table, and the names that belong to it.
type Section = (&'static str, &'static str, fn(&str) -> bool);

/// Metrics with at least one series each.
fn sample() -> Metrics {
    let clusters = Clusters::default();
    let metrics = Metrics::new(16, clusters.clone());
    let key = Key { namespace: "ns".into(), name: "iot".into() };
    metrics.reconciles.begin();
    metrics.reconciles.end(Outcome::Success, Duration::from_millis(3));
    metrics.queue.changed(&key);
    metrics.kubernetes.ended("list", "GET", Some(200));
    emqx_client::Observer::ended(&metrics.emqx, "GET", None);
    clusters.register(&key, "uid");
    *clusters.get(&key, "uid").expect("it is known").metrics.lock() = ClusterMetrics::example();
    metrics
}

/// By the name that is asked for: counters have `_total`, histograms several series.
fn described(text: &str) -> BTreeMap<String, Described> {
    let mut all = BTreeMap::<String, Described>::new();
    for line in text.lines() {
        if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) {
            all.entry(name.to_owned()).or_default().help = help.trim_end_matches('.').to_owned();
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            all.entry(name.to_owned()).or_default().kind = kind.to_owned();
        } else if !line.starts_with('#') {
            let (name, labels) = line.split_once('{').unwrap_or((line.split(' ').next().unwrap_or_default(), ""));
            let found = all.iter_mut().rev().find(|(known, _)| {
                name.strip_prefix(known.as_str())
                    .is_some_and(|rest| ["", "_total", "_bucket", "_sum", "_count"].contains(&rest))
            });
            let (_, metric) = found.unwrap_or_else(|| panic!("{line} has no description"));
            let names = labels.split(',').filter_map(|pair| pair.split_once('=')).map(|(label, _)| label.to_owned());
            let new: Vec<_> = names.filter(|label| label != "le" && !metric.labels.contains(label)).collect();
            metric.labels.extend(new);
        }
    }
    let named = all.into_iter().map(|(name, metric)| {
        let suffix = if metric.kind == "counter" { "_total" } else { "" };
        (format!("{name}{suffix}"), metric)
    });
    named.collect()
}

fn page() -> String {
    let all = described(&tokio::runtime::Runtime::new().unwrap().block_on(async { sample().encode() }));
    let mut page = String::from(
        "# Metrics\n\nWritten from `crates/runtime/src/report/metrics` by `cargo xtask generate`. Labels are bounded: names \
         of resources, and closed sets. A histogram `x` has the series `x_bucket`, `x_sum` and `x_count`.\n\nSeries about \
         clusters come from the replica that leads, and vanish with their resource. They are used in \
         [alerts](../../config/prometheus/rules.yaml) and [dashboards](../../config/prometheus/dashboards).\n",
    );
    let sections: [Section; 4] = [
        ("Clusters", "", |name| name.starts_with("emqx_operator_cluster_")),
        ("The operator", "", |name| name.starts_with("emqx_operator_") && !name.starts_with("emqx_operator_cluster_")),
        ("The process", "", |name| name.starts_with("process_")),
        (
            "Names of the Go operator",
            "Metrics for dashboards and alerts of the Go operator. Not available: \
             `workqueue_adds_total`, `workqueue_retries_total` → `emqx_operator_reconciles_total`; \
             `workqueue_queue_duration_seconds`, `workqueue_unfinished_work_seconds`, \
             `workqueue_longest_running_processor_seconds` → `emqx_operator_oldest_unreconciled_change_seconds`; \
             `workqueue_work_duration_seconds` → `emqx_operator_reconcile_duration_seconds`; `go_*` → `process_*` and \
             `emqx_operator_runtime_*`; `controller_runtime_webhook_*`, `certwatcher_*`: there are no webhooks.\n\n",
            |name| !name.starts_with("emqx_operator_") && !name.starts_with("process_"),
        ),
    ];
    for (title, text, belongs) in sections {
        let _ = write!(page, "\n## {title}\n\n{text}| Name | Type | Labels | Meaning |\n| --- | --- | --- | --- |\n");
        for (name, metric) in all.iter().filter(|(name, _)| belongs(name)) {
            let labels: Vec<_> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
            let _ = writeln!(page, "| `{name}` | {} | {} | {} |", metric.kind, labels.join(", "), metric.help);
        }
    }
    page
}

#[test]
fn the_page_of_metrics_is_fresh() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/metrics.md");
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        std::fs::write(&path, page()).expect("docs/reference is writable");
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == page(), "{} is stale: run `cargo xtask generate`", path.display());
}

#[test]
fn series_of_a_deleted_cluster_vanish() {
    let (clusters, key) = (Clusters::default(), Key { namespace: "ns".into(), name: "iot".into() });
    let metrics = Metrics::new(1, clusters.clone());
    clusters.register(&key, "uid");
    *clusters.get(&key, "uid").expect("it is known").metrics.lock() = ClusterMetrics::example();
    assert!(metrics.encode().contains("name=\"iot\""));
    clusters.forget(&key);
    assert!(!metrics.encode().contains("iot"), "{}", metrics.encode());
}
