//! Several operators at once: one acts, the next one follows soon and repeats nothing, and all of them tell metrics to those
//! who may have them.

// A test that cannot go on panics; helpers of tests count as code otherwise.
#![allow(clippy::unwrap_used)]

mod handover;
mod metrics;
mod survival;

use emqx_operator_tests::fleet::Fleet;
use emqx_operator_tests::{cluster, crd, operator};
use kube::Client;
use tokio::sync::OnceCell;

/// A namespace that operators may use as their own, and a fleet that plays the brokers.
async fn environment(prefix: &str) -> (Client, String) {
    let (client, namespace, _) = prepared(prefix).await;
    (client, namespace)
}

/// The same, with the fleet.
async fn prepared(prefix: &str) -> (Client, String, &'static Fleet) {
    static STARTED: OnceCell<Fleet> = OnceCell::const_new();
    let client = cluster::admin().await.expect("the cluster can be reached");
    let fleet = STARTED
        .get_or_init(|| async {
            operator::grant(&client).await.expect("roles can be granted");
            operator::grant_reviews(&client).await.expect("roles can be granted");
            crd::install(&client).await.expect("the CRD is accepted");
            Fleet::start()
        })
        .await;
    let namespace = cluster::namespace(&client, prefix).await.unwrap();
    operator::grant_own_namespace(&client, &namespace).await.unwrap();
    (client, namespace, fleet)
}
