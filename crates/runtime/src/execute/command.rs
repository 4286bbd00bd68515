//! Commands in pods, for the one thing that some EMQX versions have no API for.

use super::outcome::FailureKind;
use crate::context::Context;
use crate::index::Key;
use emqx_operator_core::reason::Reason;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::AttachParams;
use kube::client::UpgradeConnectionError;
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
        Ok(Err(error)) => explained(&error),
        Err(_) => format!("no answer within {} s", DEADLINE.as_secs()),
    };
    let text =
        format!("kubectl exec {pod} --container emqx -- emqx ctl ds forget {site} has to be run by hand: {problem}");
    Err(FailureKind::Refused { reason: Reason::SiteNotForgotten, text })
}

/// A site that nobody knows is forgotten already.
fn is_done(words: &str) -> bool {
    words.lines().any(|line| line.trim() == "ok") || words.contains("Unknown site")
}

/// Without the right the WebSocket is refused before it is one, and the API server's words with it.
fn explained(error: &kube::Error) -> String {
    let refused = match error {
        kube::Error::UpgradeConnection(UpgradeConnectionError::ProtocolSwitch(status)) => status.as_u16(),
        kube::Error::Api(status) => status.code,
        other => return other.to_string(),
    };
    if refused == 403 {
        return "the operator may not create pods/exec here, which is an opt-in (docs/install.md, Commands in pods)"
            .to_owned();
    }
    error.to_string()
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
    use super::{explained, is_done};
    use kube::client::UpgradeConnectionError::ProtocolSwitch;
    use kube::core::Status;

    #[test]
    fn a_missing_right_is_told_by_its_name() {
        let code = |code: u16| code.try_into().unwrap();
        let forbidden = [
            kube::Error::UpgradeConnection(ProtocolSwitch(code(403))),
            kube::Error::Api(Status::failure("pods is forbidden", "Forbidden").with_code(403).boxed()),
        ];
        for error in forbidden {
            assert!(explained(&error).contains("may not create pods/exec"), "{}", explained(&error));
        }
        let other = explained(&kube::Error::UpgradeConnection(ProtocolSwitch(code(500))));
        assert!(other.contains("500") && !other.contains("may not"), "{other}");
    }

    #[test]
    fn only_what_says_ok_is_done() {
        assert!(is_done("ok\n"));
        assert!(is_done("Unable to forget site: Unknown site: 4F2A\n"));
        assert!(!is_done("Unable to forget site: Site is considered temporarily down\n"));
        assert!(!is_done("Unable to forget site: Site is still a member of replica sets of: messages\n"));
        assert!(!is_done(""));
    }
}
