//! The `handstamp` command.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use handstamp_server::chain::Chain;
use handstamp_server::serve::ServeError;
use handstamp_server::settings::{ServerConfig, Settings, SettingsError};
use handstamp_server::{cdi, serve, telemetry};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A session server that speaks the core protocol of SuperTokens.
#[derive(Parser)]
#[command(name = "handstamp", version, after_help = EXIT_CODES)]
struct Command {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Starts the server
    Serve(Flags),
    /// Brings the database's schema up to date
    Migrate(Flags),
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
    // Not as documentation, where the address would have to stand in brackets.
    #[arg(
        long,
        value_name = "URL",
        help = "Where sessions are kept: sqlite:PATH, postgres://USER:PASSWORD@HOST/DATABASE, mysql://USER:PASSWORD@HOST/DATABASE or memory:"
    )]
    database: Option<String>,
}

const EXIT_CODES: &str = "Exit codes: 0 stopped as asked, 1 failed, 2 wrong settings, 3 database not usable, 4 cannot listen";
const WRONG_SETTINGS: u8 = 2;

fn main() -> ExitCode {
    let result = match Command::parse().action {
        Action::Serve(flags) => {
            settings(flags).and_then(|(settings, config)| serve(&settings, &config))
        }
        Action::Migrate(flags) => settings(flags).and_then(|(_, config)| migrate(&config)),
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
    let given = [
        ("host", flags.host),
        ("port", flags.port),
        ("database", flags.database),
    ];
    let settings =
        Settings::collect(flags.config.as_deref(), std::env::vars_os(), given).map_err(wrong)?;
    let config = ServerConfig::try_from(&settings).map_err(wrong)?;
    Ok((settings, config))
}

fn serve(settings: &Settings, config: &ServerConfig) -> Result<(), Stopped> {
    telemetry::start(config.log_level, config.log_format);
    for (setting, found) in settings.relics() {
        tracing::warn!(origin = %found.origin, "setting `{}` is ignored: {}", setting.name, setting.help);
    }
    for name in settings.other_databases() {
        tracing::warn!("setting `{name}` is ignored: `database` says where sessions are kept");
    }
    to_its_end(serve::run(config, |addresses| announce(config, addresses)))
}

fn migrate(config: &ServerConfig) -> Result<(), Stopped> {
    telemetry::start(config.log_level, config.log_format);
    to_its_end(serve::migrate(config))?;
    show(&format!(
        "the schema in {} is up to date\n",
        config.database
    ));
    Ok(())
}

fn to_its_end(work: impl Future<Output = Result<(), ServeError>>) -> Result<(), Stopped> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|why| (1, format!("cannot start: {why}")))?;
    let ran = runtime.block_on(work);
    ran.map_err(|error| (error.exit_code(), Chain(&error).to_string()))
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
