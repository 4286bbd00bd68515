//! Tests on a real API server with controllers and fake pods: what is written, how often, and what wrong input does.

mod healing;
mod silence;
mod stored_before_the_schema;
mod wrong_input;

use emqx_operator_api::emqx_crd;
use emqx_operator_tests::{cluster, operator};
use kube::Client;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

/// One operator serves all tests of this file; each test has a namespace of its own.
async fn environment() -> Client {
    static STARTED: OnceCell<()> = OnceCell::const_new();
    let client = cluster::admin().await.expect("the cluster can be reached");
    STARTED
        .get_or_init(|| async {
            operator::grant(&client).await.expect("roles can be granted");
            stored_before_the_schema::store(&client).await.expect("an old resource can be stored");
            install_crd(&client).await.expect("the CRD is accepted");
            // It runs until the process ends.
            drop(operator::start());
        })
        .await;
    client
}

async fn install_crd(client: &Client) -> anyhow::Result<()> {
    let crd = serde_json::to_value(emqx_crd())?;
    cluster::apply(client, None, &crd).await?;
    wait_for_crd(client).await;
    Ok(())
}

async fn wait_for_crd(client: &Client) {
    let limit = std::time::Duration::from_secs(20);
    emqx_operator_tests::wait::until("the CRD to be served", limit, || async {
        let probe = emqx_operator_tests::emqx::resource("probe", json!({"image": "emqx/emqx:5.10.4"}));
        dry_run(client, &probe).await.map_err(|error| error.to_string())
    })
    .await;
}

async fn dry_run(client: &Client, object: &Value) -> Result<(), kube::Error> {
    let api = kube::Api::<emqx_operator_api::hub::EMQX>::namespaced(client.clone(), "default");
    let params = kube::api::PatchParams { dry_run: true, ..kube::api::PatchParams::apply("user") };
    api.patch("probe", &params, &kube::api::Patch::Apply(object)).await.map(drop)
}
