//! The `handstamp` command.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use handstamp_server::settings::{ServerConfig, Settings, SettingsError};
use handstamp_server::{cdi, serve, telemetry};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A session server that speaks the core protocol of SuperTokens.
#[derive(Parser)]
#[command(version, after_help = EXIT_CODES)]
struct Command {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Starts the server
    Serve(Flags),
    /// Shows all settings, what they are and where that comes from
    Config(Flags),
}

/// Every setting of the configuration file is also an environment variable, in upper case.
#[derive(Args)]
struct Flags {
    /// The configuration file (YAML)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The name or address to listen on
    #[arg(long)]
    host: Option<String>,
    /// The port to listen on; 0 takes a free one
    #[arg(long)]
    port: Option<String>,
    /// Where sessions are kept: sqlite:PATH or memory:
    #[arg(long, value_name = "URL")]
    database: Option<String>,
}

const EXIT_CODES: &str = "Exit codes: 0 stopped as asked, 1 failed, 2 wrong settings, 3 database not usable, 4 cannot listen";
const WRONG_SETTINGS: u8 = 2;

fn main() -> ExitCode {
    let result = match Command::parse().action {
        Action::Serve(flags) => {
            settings(flags).and_then(|(settings, config)| serve(&settings, &config))
        }
        Action::Config(flags) => settings(flags).map(|(settings, _)| show(&settings.to_string())),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, why)) => {
            eprintln!("handstamp: {why}");
            ExitCode::from(code)
        }
    }
}

type Stopped = (u8, String);

fn settings(flags: Flags) -> Result<(Settings, ServerConfig), Stopped> {
    let wrong = |error: SettingsError| (WRONG_SETTINGS, error.to_string());
    let env = |name: &str| std::env::var(name).ok();
    let given = [
        ("host", flags.host),
        ("port", flags.port),
        ("database", flags.database),
    ];
    let settings = Settings::collect(flags.config.as_deref(), env, given).map_err(wrong)?;
    let config = ServerConfig::try_from(&settings).map_err(wrong)?;
    Ok((settings, config))
}

fn serve(settings: &Settings, config: &ServerConfig) -> Result<(), Stopped> {
    telemetry::start(config.log_level, config.log_format);
    for (setting, found) in settings.relics() {
        tracing::warn!(origin = %found.origin, "setting `{}` is ignored: {}", setting.name, setting.help);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|why| (1, format!("cannot start: {why}")))?;
    let ran = runtime.block_on(serve::run(config, |addresses| announce(config, addresses)));
    ran.map_err(|error| (error.exit_code(), error.to_string()))
}

fn announce(config: &ServerConfig, addresses: &[SocketAddr]) {
    let addresses: Vec<String> = addresses
        .iter()
        .map(|address| format!("http://{address}"))
        .collect();
    show(&format!(
        "handstamp {} ready at {}; database {}; core protocol {}{}\n",
        env!("CARGO_PKG_VERSION"),
        addresses.join(" and "),
        config.database,
        cdi::SPOKEN
            .first()
            .map(ToString::to_string)
            .unwrap_or_default(),
        cdi::SPOKEN
            .last()
            .map(|newest| format!(" to {newest}"))
            .unwrap_or_default(),
    ));
}

/// Writes what was asked for to standard output. Whoever has closed it does not want it.
fn show(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
