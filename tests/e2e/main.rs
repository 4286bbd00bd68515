//! Tests with real pods, by user story. Each has a namespace and an operator of its own.

// A test that cannot go on panics; helpers of tests count as code otherwise.
#![allow(clippy::unwrap_used)]

mod at_rest;
mod cluster;
mod configuration;
mod day_two;
mod discovery;
mod documented;
mod durable;
mod examples;
mod explained;
mod messages;
mod operator_down;

use emqx_operator_tests::{crd, operator};
use kube::Client;
use std::time::Duration;
use tokio::sync::OnceCell;

/// Two cores of a machine run everything: brokers need some time to boot.
const READY: Duration = Duration::from_secs(180);

/// A client, and a namespace that this test alone uses.
async fn environment(prefix: &str) -> (Client, String) {
    static PREPARED: OnceCell<()> = OnceCell::const_new();
    let client = emqx_operator_tests::cluster::admin().await.expect("the cluster can be reached");
    PREPARED
        .get_or_init(|| async {
            operator::grant(&client).await.expect("roles can be granted");
            crd::install(&client).await.expect("the CRD is accepted");
        })
        .await;
    let namespace = emqx_operator_tests::cluster::namespace(&client, prefix).await.expect("a namespace can be made");
    (client, namespace)
}
