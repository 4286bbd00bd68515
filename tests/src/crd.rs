//! The CRD as it is shipped.

use crate::cluster::apply;
use crate::emqx::resource;
use crate::wait::until;
use emqx_operator_api::emqx_crd;
use emqx_operator_api::hub::EMQX;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::json;
use std::time::Duration;

/// Installs the CRD, and waits until the API server serves it with its schema.
pub async fn install(client: &Client) -> anyhow::Result<()> {
    apply(client, None, &serde_json::to_value(emqx_crd())?).await?;
    let api = Api::<EMQX>::namespaced(client.clone(), "default");
    let params = PatchParams { dry_run: true, ..PatchParams::apply("user") };
    until("the CRD to be served", Duration::from_secs(60), || async {
        let probe = resource("probe", json!({"image": "emqx/emqx:5.10.4"}));
        let answer = api.patch("probe", &params, &Patch::Apply(&probe)).await.map_err(|error| error.to_string())?;
        // A default of the schema shows that it is the strict one.
        if answer.spec.core_template.spec.node.replicas == 1 { Ok(()) } else { Err("no defaults yet".to_owned()) }
    })
    .await;
    Ok(())
}
