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

/// Forgets a site of durable storage. `emqx ctl` ends with 0 also when it fails, and says why in words that differ from
/// release to release; only success is always the same.
pub(super) async fn forget_site(ctx: &Context, key: &Key, pod: &str, site: &str) -> Result<(), FailureKind> {
    let said = tokio::time::timeout(DEADLINE, run(ctx, key, pod, &["emqx", "ctl", "ds", "forget", site])).await;
    let problem = match said {
        Ok(Ok(words)) if is_done(&words) => return Ok(()),
        Ok(Ok(words)) => words.trim().to_owned(),
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no answer within {} s", DEADLINE.as_secs()),
    };
    let text = format!("kubectl exec {pod} -- emqx ctl ds forget {site} has to be run by hand: {problem}");
    Err(FailureKind::Refused { reason: Reason::SiteNotForgotten, text })
}

/// A site that nobody knows is forgotten already.
fn is_done(words: &str) -> bool {
    words.lines().any(|line| line.trim() == "ok") || words.contains("Unknown site")
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

#[cfg(test)]
mod tests {
    use super::is_done;

    #[test]
    fn only_what_says_ok_is_done() {
        assert!(is_done("ok\n"));
        assert!(is_done("Unable to forget site: Unknown site: 4F2A\n"));
        assert!(!is_done("Unable to forget site: Site is considered temporarily down\n"));
        assert!(!is_done("Unable to forget site: Site is still a member of replica sets of: messages\n"));
        assert!(!is_done(""));
    }
}
