//! Logs: one line each, as text for people or as JSON for collectors.

use crate::arguments::LogFormat;
use anyhow::Context as _;
use std::io::IsTerminal as _;
use tracing_subscriber::EnvFilter;

pub(crate) fn start(format: LogFormat, level: &str) -> anyhow::Result<()> {
    // The library opens a span for every reconcile, which would stand in front of every line.
    let filter = EnvFilter::try_new(format!("kube_runtime=warn,{level}"))
        .with_context(|| format!("--log-level {level} is not a level or a filter"))?;
    let colors = std::io::stderr().is_terminal();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colors).with_writer(std::io::stderr);
    match format {
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(false).with_span_list(false).init(),
        LogFormat::Text => builder.init(),
    }
    Ok(())
}
