//! Every panel of every dashboard shows something of an operator that runs.

use crate::programs::{kubectl, manifest};
use crate::prometheus::{Prometheus, Scraper, endpoint};
use crate::{alone, installed};
use emqx_operator_tests::cluster::{apply, root};
use emqx_operator_tests::emqx;
use emqx_operator_tests::wait::until;
use serde_json::{Value, json};
use std::time::Duration;

/// Title and query of every target of every panel, with the variables as Grafana fills them in for "All".
fn queries() -> Vec<(String, String)> {
    let mut queries = Vec::new();
    for file in std::fs::read_dir(root().join("config/prometheus/dashboards")).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        let dashboard: Value = serde_json::from_str(&text).unwrap();
        for panel in dashboard["panels"].as_array().unwrap() {
            for target in panel["targets"].as_array().into_iter().flatten() {
                let query = target["expr"].as_str().unwrap().replace("$__rate_interval", "1m");
                let query = query.replace("$namespace", ".*").replace("$name", ".*");
                queries.push((panel["title"].to_string(), query));
            }
        }
    }
    queries
}

#[tokio::test]
async fn every_panel_shows_data() {
    let (client, _alone) = alone().await;
    installed::clear(&client).await;
    kubectl(&["apply", "--filename", &manifest("kustomize-prometheus")]);
    installed::becomes_ready();
    installed::manages_a_node(&client).await;
    // One that is held up, or the panel about that would be empty.
    let held = emqx::resource("held", json!({"image": "registry.example/no/such:image"}));
    apply(&client, Some("default"), &held).await.unwrap();
    let prometheus = Prometheus::start(&endpoint(), Scraper::Anonymous).await;
    let queries = queries();
    assert!(queries.len() > 20, "{queries:?}");
    for (title, query) in queries {
        until(&format!("data in panel {title}"), Duration::from_secs(60), || async {
            let found = prometheus.query(&query).await?;
            if found.is_empty() { Err(format!("nothing for {query}")) } else { Ok(()) }
        })
        .await;
    }
    // Labels are those of clusters, not of the pod that was scraped.
    let ready = "emqx_operator_cluster_condition{namespace=\"default\",name=\"emqx\",type=\"Ready\"} == 1";
    until("the cluster to be Ready in Prometheus", Duration::from_secs(60), || async {
        let found = prometheus.query(ready).await?;
        let is_ready = found.first().is_some_and(|series| series["metric"]["status"] == "True");
        if is_ready { Ok(()) } else { Err(format!("{found:?}")) }
    })
    .await;
    installed::clear(&client).await;
}
