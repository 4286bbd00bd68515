//! Commands in pods, for the one thing that some EMQX versions have no API for.

use super::outcome::FailureKind;
use crate::context::Context;
use crate::index::Key;
use emqx_operator_core::reason::Reason;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::AttachParams;
use std::time::Duration;
use tokio::io::AsyncReadExt as _;

const DEADLINE: Duration = Duration::from_secs(20);

/// Forgets a site of durable storage. `emqx ctl` ends with 0 also when it fails; its words tell.
pub(super) async fn forget_site(ctx: &Context, key: &Key, pod: &str, site: &str) -> Result<(), FailureKind> {
    let said = tokio::time::timeout(DEADLINE, run(ctx, key, pod, &["emqx", "ctl", "ds", "forget", site])).await;
    let problem = match said {
        Ok(Ok(words)) if words.contains("error") => words.trim().to_owned(),
        Ok(Ok(_)) => return Ok(()),
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no answer within {} s", DEADLINE.as_secs()),
    };
    let text = format!("kubectl exec {pod} -- emqx ctl ds forget {site} has to be run by hand: {problem}");
    Err(FailureKind::Refused { reason: Reason::SiteNotForgotten, text })
}

async fn run(ctx: &Context, key: &Key, pod: &str, command: &[&str]) -> Result<String, kube::Error> {
    let pods = Api::<Pod>::namespaced(ctx.client.clone(), &key.namespace);
    let params = AttachParams::default().container("emqx").stderr(false);
    let mut process = pods.exec(pod, command.iter().copied(), &params).await?;
    let mut words = String::new();
    if let Some(mut output) = process.stdout() {
        // What cannot be read is not an answer; the status of the process decides nothing here.
        let _ = output.read_to_string(&mut words).await;
    }
    let _ = process.join().await;
    Ok(words)
}
