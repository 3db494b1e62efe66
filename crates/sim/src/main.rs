//! `conclave-load`: bots that load a server, and what that costs it.
#![allow(clippy::print_stdout, reason = "it is a program that prints what it has measured")]

mod cli;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let result = cli::Cli::parse().run();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("conclave-load: {error}");
            ExitCode::FAILURE
        }
    }
}
