//! Tests on a real API server with controllers and fake pods: what is written, how often, and what wrong input does.

// A test that cannot go on panics; helpers of tests count as code otherwise.
#![allow(clippy::unwrap_used)]

mod at_rest;
mod blue_green;
mod hanging;
mod healing;
mod recovering;
mod refusals;
mod rolling;
mod scaling;
mod stored_before_the_schema;
mod strangers;
mod tenant_policy;
mod upgrading;
mod wrong_input;

use emqx_operator_tests::fleet::Fleet;
use emqx_operator_tests::{cluster, crd, operator};
use kube::Client;
use tokio::sync::OnceCell;

/// One operator serves all tests of this file; each test has a namespace of its own.
async fn environment() -> Client {
    prepared().await.0
}

/// The same, with the fleet that plays the brokers.
async fn prepared() -> (Client, &'static Fleet) {
    static STARTED: OnceCell<Fleet> = OnceCell::const_new();
    let client = cluster::admin().await.expect("the cluster can be reached");
    let fleet = STARTED
        .get_or_init(|| async {
            operator::grant(&client).await.expect("roles can be granted");
            stored_before_the_schema::store(&client).await.expect("an old resource can be stored");
            crd::install(&client).await.expect("the CRD is accepted");
            operator::Operator::start(&[]).keep();
            Fleet::start()
        })
        .await;
    (client, fleet)
}
