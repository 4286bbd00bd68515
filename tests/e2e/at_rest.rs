//! One write per object until the cluster is Ready, two of the status at most, then silence.
//!
//! Its name makes it the first: it waits for minutes, and others run meanwhile.

use crate::{READY, environment};
use emqx_operator_tests::cluster::{apply, documents};
use emqx_operator_tests::operator::Operator;
use emqx_operator_tests::{audit, emqx};
use std::time::{Duration, Instant};

/// Longer than every interval at which the operator looks at a cluster.
const REST: Duration = Duration::from_secs(120);

#[tokio::test]
async fn a_ready_cluster_is_left_in_peace() {
    let (client, namespace) = environment("peace").await;
    let _operator = Operator::start(&[&namespace]);
    let started = Instant::now();
    for document in documents("examples/core-replicant.yaml").unwrap() {
        apply(&client, Some(&namespace), &document).await.unwrap();
    }
    emqx::ready(&client, &namespace, "emqx", READY).await;
    let took = usize::try_from(started.elapsed().as_secs() / 30).unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let writes = audit::writes(&namespace);
    for (object, count) in audit::counts(&writes) {
        // Created objects have no name in the log, so the two Secrets count as one.
        let allowed = match object {
            "secrets/?" => 2,
            // The first and the last one, and one for every 30 s that the start takes.
            "emqxes/emqx/status" => 2 + took,
            object if object.starts_with("events/") => 4,
            _ => 1,
        };
        assert!(count <= allowed, "{object} was written {count} times: {writes:#?}");
    }
    audit::silent(&namespace, REST).await;
    emqx::delete(&client, &namespace, "emqx").await;
}
