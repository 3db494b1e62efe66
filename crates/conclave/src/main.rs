//! `conclave serve` and `conclave check`.

use std::io::Write;
use std::process::ExitCode;

use conclave::{Config, ConfigError, Invocation, Server, check, config, log};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// As `sysexits.h` has it: the options are wrong.
const USAGE: u8 = 64;

fn main() -> ExitCode {
    let invocation = match Invocation::from_args(std::env::args_os()) {
        Ok(invocation) => invocation,
        // Also help and version, which clap prints where they belong.
        Err(ConfigError::CommandLine(error)) => {
            let _ = error.print();
            return if error.use_stderr() { USAGE.into() } else { ExitCode::SUCCESS };
        }
        Err(error) => return fail(USAGE, &error),
    };
    match invocation {
        Invocation::Serve(config) => serve(*config),
        Invocation::Check { options, json } => check(&options, json),
    }
}

fn serve(config: Config) -> ExitCode {
    if let Err(error) = log::start(&config.log, config.log_format) {
        return fail(1, &error);
    }
    for variable in config::unknown_variables() {
        tracing::warn!(variable, "this environment variable is not an option of Conclave");
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(1, &error),
    };
    let code = runtime.block_on(run(config));
    // What has not ended by now is not waited for.
    runtime.shutdown_background();
    code
}

fn check(options: &check::Options, json: bool) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(1, &error),
    };
    let report = runtime.block_on(check::run(options));
    // A name that is still being looked up is not waited for.
    runtime.shutdown_background();
    let text = if json { serde_json::to_string_pretty(&report).unwrap_or_default() } else { report.to_string() };
    match writeln!(std::io::stdout(), "{}", text.trim_end()) {
        Ok(()) => report.verdict.exit_code().into(),
        Err(error) => fail(1, &error),
    }
}

async fn run(config: Config) -> ExitCode {
    // Before anything is announced, so that a signal that comes at once is heard.
    let (mut terminate, mut interrupt) = match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
        (Ok(terminate), Ok(interrupt)) => (terminate, interrupt),
        (Err(error), _) | (_, Err(error)) => return fail(1, &error),
    };
    let server = match Server::start(config).await {
        Ok(server) => server,
        Err(error) => return fail(1, &error),
    };
    let mut stdout = std::io::stdout();
    // A closed standard output is no reason not to serve.
    let _ = writeln!(stdout, "{}", server.announcement()).and_then(|()| stdout.flush());
    either(&mut terminate, &mut interrupt).await;
    tokio::select! {
        () = server.stop() => ExitCode::SUCCESS,
        // Whoever asks twice does not want to wait.
        () = either(&mut terminate, &mut interrupt) => ExitCode::FAILURE,
    }
}

async fn either(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

fn fail(code: u8, error: &dyn std::fmt::Display) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "conclave: {error}");
    code.into()
}
