//! `emqx-operator metrics`: fetches the metrics of a running operator, as Prometheus would. The image has no shell, so
//! `helm test` and people who look for a fault use it.

use anyhow::{Context as _, bail};
use std::path::PathBuf;
use std::time::Duration;

/// Fetch the metrics of a running operator, as Prometheus would, and print them.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// For example https://emqx-operator-controller-manager-metrics-service.emqx-operator-system.svc:8443/metrics
    #[arg(long)]
    url: String,

    /// The file with the token to send, for example /var/run/secrets/kubernetes.io/serviceaccount/token
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,

    /// The file with the authority that the server's certificate must be from.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,

    /// Take any certificate.
    #[arg(long, conflicts_with = "ca_file")]
    insecure: bool,

    /// The status that the answer must have; metrics are printed for 200 only.
    #[arg(long, value_name = "CODE", default_value_t = 200)]
    expect_status: u16,

    /// For how long an answer with another status, or none, is no failure yet, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    wait: u64,
}

pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let limit = tokio::time::Instant::now() + Duration::from_secs(arguments.wait);
    loop {
        match fetch(arguments).await {
            Ok(text) => {
                print!("{text}");
                return Ok(());
            }
            Err(error) if tokio::time::Instant::now() >= limit => return Err(error),
            Err(_) => tokio::time::sleep(Duration::from_secs(1)).await,
        }
    }
}

async fn fetch(arguments: &Arguments) -> anyhow::Result<String> {
    let mut client = reqwest::Client::builder().timeout(Duration::from_secs(10)).no_proxy();
    if let Some(file) = &arguments.ca_file {
        client = client.tls_certs_only(reqwest::Certificate::from_pem_bundle(&read(file)?)?);
    } else {
        // There are no other authorities in the image.
        client = client.tls_certs_only([]).tls_danger_accept_invalid_certs(arguments.insecure);
    }
    let mut request = client.build()?.get(&arguments.url);
    if let Some(file) = &arguments.token_file {
        request = request.bearer_auth(String::from_utf8(read(file)?)?.trim());
    }
    let answer = request.send().await.with_context(|| format!("{} does not answer", arguments.url))?;
    let status = answer.status();
    let text = answer.text().await.context("the answer breaks off")?;
    if status.as_u16() != arguments.expect_status {
        bail!("{} answers {status}, not {}: {}", arguments.url, arguments.expect_status, text.trim());
    }
    if status.is_success() && !text.contains("emqx_operator_leading") {
        bail!("{} answers, but not with the metrics of an operator", arguments.url);
    }
    Ok(if status.is_success() { text } else { format!("{status}, as expected\n") })
}

fn read(file: &PathBuf) -> anyhow::Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("failed to read {}", file.display()))
}
