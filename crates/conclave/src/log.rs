//! Log lines: structured, on standard error, without personal data.

use std::io::IsTerminal;
use std::panic::PanicHookInfo;

use tracing::Level;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use crate::config::LogFormat;

/// Starts logging for the whole process.
///
/// # Errors
/// When the process logs already.
pub fn start(filter: &str, format: LogFormat) -> Result<(), TryInitError> {
    // The option was checked when it was read; a filter that became invalid since logs at `info`.
    let chosen = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let lines =
        tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    let lines = match format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    tracing_subscriber::registry()
        .with(lines.with_filter(filter_fn(|line| may_be_logged(line.target(), *line.level()))).with_filter(chosen))
        .try_init()?;
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// Only this project's own lines are known to be free of personal data. Libraries print peers'
/// addresses, headers and messages, some of them at `warn`.
fn may_be_logged(target: &str, level: Level) -> bool {
    target == "conclave" || target.starts_with("conclave::") || target.starts_with("conclave_") || level == Level::ERROR
}

/// Where it happened, not what was said: the message of a failed slice or `expect` quotes values.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    metrics::counter!(crate::metrics::PANICS).increment(1);
    tracing::error!(place, thread = std::thread::current().name().unwrap_or(""), "panic");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_heard_only_when_something_is_broken() {
        assert!(may_be_logged("conclave::http", Level::TRACE));
        assert!(may_be_logged("conclave_media::shard", Level::DEBUG));
        assert!(!may_be_logged("tungstenite::protocol", Level::TRACE));
        assert!(!may_be_logged("quinn_udp", Level::WARN));
        assert!(may_be_logged("rustls", Level::ERROR));
    }
}
