//! One write per object until all is well, few status writes, and then silence.
//!
//! Its name makes it the first: it waits for minutes, and others run meanwhile.

use emqx_operator_tests::cluster::{apply, namespace};
use emqx_operator_tests::{audit, emqx};
use serde_json::json;
use std::time::{Duration, Instant};

/// Longer than every interval at which the operator looks at a cluster.
const REST: Duration = Duration::from_secs(120);

#[tokio::test]
async fn each_object_is_written_once_and_then_nothing_is() {
    let client = crate::environment().await;
    let namespace = namespace(&client, "silent").await.unwrap();
    let spec = json!({
        "image": "emqx/emqx:5.10.4",
        "config": {"roots": {"license": {"key": "evaluation"}}},
        "coreTemplate": {"spec": {"replicas": 3}},
        "replicantTemplate": {"spec": {"replicas": 2}},
    });
    let started = Instant::now();
    apply(&client, Some(&namespace), &emqx::resource("iot", spec)).await.unwrap();
    let limit = Duration::from_secs(60);
    emqx::ready(&client, &namespace, "iot", limit).await;
    let took = usize::try_from(started.elapsed().as_secs() / 30).unwrap();
    // Whatever is still on its way arrives.
    tokio::time::sleep(Duration::from_secs(3)).await;

    let writes = audit::writes(&namespace);
    let counts = audit::counts(&writes);
    let status = counts.get("emqxes/iot/status").copied().unwrap_or_default();
    // The first and the last one, and one for every 30 s that the start takes.
    assert!((1..=2 + took).contains(&status), "{status} status writes: {counts:?}");
    let children: Vec<_> =
        counts.iter().filter(|(object, _)| !object.starts_with("emqxes/") && !object.starts_with("events/")).collect();
    assert!(children.len() >= 7, "fewer objects than a cluster has: {counts:?}");
    for (object, count) in children {
        let allowed = if object.starts_with("secrets/") { 2 } else { 1 };
        assert!(*count <= allowed, "{object} was written {count} times: {writes:#?}");
    }

    audit::silent(&namespace, REST).await;
}
