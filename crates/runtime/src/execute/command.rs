//! Commands in pods, for the one thing that some EMQX versions have no API for.

use super::outcome::FailureKind;
use crate::context::Context;
use crate::index::Key;
use emqx_client::plain;
use emqx_operator_core::reason::Reason;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::AttachParams;
use kube::client::UpgradeConnectionError;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _};

const DEADLINE: Duration = Duration::from_secs(20);
/// `emqx ctl` says a line or two. What a pod says beyond this is not read.
const LARGEST: u64 = 64 << 10;
/// The longest part of the output of a failed command that is reported.
const LONGEST: usize = 300;

/// Forgets a site of durable storage. `emqx ctl` ends with 0 also when it fails, and says why in words that differ from
/// release to release; only success is always the same.
pub(super) async fn forget_site(ctx: &Context, key: &Key, pod: &str, site: &str) -> Result<(), FailureKind> {
    let said = tokio::time::timeout(DEADLINE, run(ctx, key, pod, &["emqx", "ctl", "ds", "forget", site])).await;
    let problem = match said {
        Ok(Ok(words)) if is_done(&words) => return Ok(()),
        Ok(Ok(words)) => words,
        Ok(Err(error)) => explained(&error),
        Err(_) => format!("no answer within {} s", DEADLINE.as_secs()),
    };
    let problem = shown(&problem);
    let text =
        format!("kubectl exec {pod} --container emqx -- emqx ctl ds forget {site} has to be run by hand: {problem}");
    Err(FailureKind::Refused { reason: Reason::SiteNotForgotten, text })
}

/// A site that EMQX does not know is forgotten already.
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
    let words = match process.stdout() {
        Some(output) => read(output).await,
        None => String::new(),
    };
    // The exit status is not used, and output beyond the limit is not read.
    process.abort();
    Ok(words)
}

/// What cannot be read is not an answer.
async fn read(output: impl AsyncRead + Unpin) -> String {
    let mut bytes = Vec::new();
    let _ = output.take(LARGEST).read_to_end(&mut bytes).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

fn shown(problem: &str) -> String {
    let line = plain(problem.trim(), LONGEST);
    if line.is_empty() { "it said nothing".to_owned() } else { line }
}

#[cfg(test)]
mod tests {
    use super::{LARGEST, explained, is_done, read, shown};
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

    /// `yes` in place of `emqx`.
    #[tokio::test]
    async fn endless_output_is_not_read_to_its_end() {
        assert_eq!(read(tokio::io::repeat(b'y')).await.len() as u64, LARGEST);
        assert_eq!(read(&b"ok\xff\n"[..]).await, "ok\u{fffd}\n");
    }

    #[test]
    fn of_other_words_one_line_is_shown() {
        assert_eq!(shown("\n Unable to forget site: \u{1b}[31mno\nwhy\n"), "Unable to forget site:  [31mno why");
        assert_eq!(shown(&"y\n".repeat(40_000)).chars().count(), 301);
        assert_eq!(shown(" \n"), "it said nothing");
    }
}
