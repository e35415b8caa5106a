//! Logs: to standard error, as text or as JSON. Standard output is for what was asked for.

use tracing::level_filters::LevelFilter;

use crate::settings::LogFormat;

/// Starts logging. Call it once per process.
pub fn start(level: LevelFilter, format: LogFormat) {
    let builder = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_target(false);
    match format {
        LogFormat::Text => builder
            .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
            .init(),
        LogFormat::Json => builder.json().init(),
    }
}
