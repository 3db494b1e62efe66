//! `conclave-soak`: people come and go at a server for minutes, and it must be as it was before.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it is a program that prints what it has seen")]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use conclave_sim::soak::Soak;

/// Starts Conclave on loopback and lets people come, go, look, switch cameras and change networks, by the seed's
/// decisions. Ends with 1 if anything is missing, left behind, or grows.
#[derive(Debug, Parser)]
#[command(name = "conclave-soak", version, about)]
struct Cli {
    /// Conclave's program
    #[arg(long, value_name = "FILE", default_value = "target/release/conclave")]
    program: PathBuf,
    /// Time of the whole run, in seconds
    #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u64).range(20..=86_400))]
    seconds: u64,
    /// Decides what happens
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Media threads of the server; its own choice without
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=64))]
    media_threads: Option<u8>,
    /// Rooms at the same time
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=20))]
    rooms: u8,
    /// People in each of them at most
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u8).range(2..=30))]
    people: u8,
}

fn main() -> ExitCode {
    let Cli { program, seconds, seed, media_threads, rooms, people } = Cli::parse();
    let time = Duration::from_secs(seconds);
    let soak = Soak { program, media_threads, time, seed, rooms: rooms.into(), people: people.into() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let result = runtime.map_err(Into::into).and_then(|runtime| runtime.block_on(soak.run(|line| println!("{line}"))));
    match result {
        Ok(faults) if faults.is_empty() => {
            println!("All is as it was.");
            ExitCode::SUCCESS
        }
        Ok(faults) => {
            faults.iter().for_each(|fault| eprintln!("conclave-soak: {fault}"));
            eprintln!("conclave-soak: {} faults with seed {seed}", faults.len());
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("conclave-soak: {error}");
            ExitCode::FAILURE
        }
    }
}
