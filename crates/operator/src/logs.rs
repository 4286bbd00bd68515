//! Logs: one line each, as text for people or as JSON for collectors.

use crate::arguments::LogFormat;
use anyhow::Context as _;
use tracing_subscriber::EnvFilter;

pub(crate) fn start(format: LogFormat, level: &str) -> anyhow::Result<()> {
    let filter =
        EnvFilter::try_new(level).with_context(|| format!("--log-level {level} is not a level or a filter"))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Json => builder.json().flatten_event(true).with_current_span(false).with_span_list(false).init(),
        LogFormat::Text => builder.init(),
    }
    Ok(())
}
