//! The churn run: people come and go, look at each other, switch their cameras, and change networks, for minutes, in
//! waves. After each wave nobody is there, and the server must be as it was: what it still holds then, and what it
//! does then, is a fault.
//!
//! `plan` decides what happens, from the seed alone; `watch` knows who should receive what; `wave` lets it happen;
//! `server` is the process; `machine` knows for how long it could do nothing; `verdict` says what is wrong.

mod machine;
mod plan;
mod server;
mod verdict;
mod watch;
mod wave;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use thiserror::Error;

use crate::signal::SignalError;
use crate::swarm::Swarm;
use machine::{Machine, TICK};
use plan::{Shape, Wave};
use server::{Metrics, Server};
use verdict::{LEFT_BEHIND, Rest, faults_of, judge};
use wave::Place;

/// What a run consists of.
#[derive(Clone, Debug)]
pub struct Soak {
    /// The server's program.
    pub program: PathBuf,
    /// Its media threads; its own choice without.
    pub media_threads: Option<u8>,
    /// Time of the whole run. Waves become longer with it; at least two happen.
    pub time: Duration,
    /// Decides what happens.
    pub seed: u64,
    /// Rooms at the same time.
    pub rooms: usize,
    /// People in each of them at most.
    pub people: usize,
}

/// Why there is no result.
#[derive(Debug, Error)]
pub enum SoakError {
    /// The system gives no threads, sockets or files.
    #[error("the system refuses: {0}")]
    System(#[from] io::Error),
    /// The program does not start.
    #[error("{0} cannot be started: {1}")]
    Program(PathBuf, io::Error),
    /// The server does not listen, or has ended.
    #[error("the server does not run; it wrote: {0}")]
    Silent(String),
    /// The server does not tell its metrics.
    #[error(transparent)]
    Signal(#[from] SignalError),
}

/// How long a server may take to forget everybody who has gone, of the time that the machine gives it.
const FORGETTING: Duration = Duration::from_secs(15);
/// Between that and the look at what it does when nobody is there.
const SETTLING: Duration = Duration::from_millis(1_000);
/// How long it is looked at, and how often: work that ends is no fault, however long a slow machine takes for it, nor are
/// files and threads that are needed for it.
const IDLING: Duration = Duration::from_millis(1_500);
const MOST_LOOKS: usize = 8;
/// What a wave takes besides its churn, about.
const AROUND: Duration = Duration::from_millis(4_500);
/// A run of ten minutes has waves of this length; shorter runs have shorter ones, to have some.
const LONGEST_CHURN: Duration = Duration::from_secs(14);
const SHORTEST_CHURN: Duration = Duration::from_secs(5);

impl Soak {
    /// Runs, says line by line what happens, and returns what is wrong: nothing, if all is well.
    ///
    /// # Errors
    /// If there is nothing to judge.
    pub async fn run(&self, mut say: impl FnMut(&str)) -> Result<Vec<String>, SoakError> {
        let began = Instant::now();
        let churn = (self.time / 12).clamp(SHORTEST_CHURN, LONGEST_CHURN);
        let shape = Shape { rooms: self.rooms, seats: self.people, churn };
        let mut server = Server::start(&self.program, self.media_threads).await?;
        let mut faults = Vec::new();
        let mut rests: Vec<Rest> = Vec::new();
        let mut before = server.metrics().await?;
        say(&format!(
            "seed {}, {} rooms of {}, {:.0} s of churn a wave",
            self.seed,
            self.rooms,
            self.people,
            churn.as_secs_f64()
        ));
        say(verdict::HEADING);
        let mut number = 0;
        while number < 2 || began.elapsed() + churn + AROUND <= self.time {
            let wave = Wave::new(self.seed, number, shape);
            let steps = wave.steps();
            let swarm = Arc::new(Swarm::start(1)?);
            let machine = Machine::new(swarm.epoch(), server.pid());
            let place = Place { swarm, machine, site: server.site.clone(), bearer: server.token()? };
            let tally = wave::run(&place, wave, number, self.seed, churn).await;
            // Whoever has vanished stays so: their sockets are closed.
            drop(place);
            let counted = empty(&server, &mut faults, number).await?;
            let rest = self.rest(&server, &counted, tally.packets, began, rests.last()).await?;
            say(&rest.row(number, steps, &tally));
            faults.extend(faults_of(&before, &counted).map(|fault| format!("wave {number}: {fault}")));
            faults.extend(tally.faults.iter().map(|fault| format!("wave {number}: {fault}")));
            before = counted;
            rests.push(rest);
            number += 1;
            if !server.runs() {
                return Err(SoakError::Silent(server.log()));
            }
        }
        say(&verdict::dropped(&before));
        faults.extend(judge(&rests, self.time, &mut say));
        faults.extend(verdict::written(&server.log()));
        Ok(faults)
    }

    /// What the server holds, and does, when nobody is there; `before`: after the wave before.
    async fn rest(
        &self,
        server: &Server,
        counted: &Metrics,
        packets: u64,
        began: Instant,
        before: Option<&Rest>,
    ) -> Result<Rest, SoakError> {
        tokio::time::sleep(SETTLING).await;
        let mut looks = 0;
        loop {
            let (first, since) = (server.holds()?, Instant::now());
            tokio::time::sleep(IDLING).await;
            let (after, time) = (server.holds()?, since.elapsed());
            let idle = after.process.since(&first.process).threads;
            let idle = idle.into_iter().map(|(name, ran)| (name, ran.as_secs_f64() / time.as_secs_f64()));
            let rest = Rest {
                at: began.elapsed(),
                packets,
                memory: after.process.anonymous,
                histories: counted.sum(verdict::HISTORIES) as u64,
                descriptors: after.descriptors,
                threads: after.process.threads.keys().map(|(_, name)| name.clone()).collect(),
                idle: idle.collect(),
            };
            looks += 1;
            if looks == MOST_LOOKS || verdict::is_at_rest(&rest, before) {
                return Ok(rest);
            }
        }
    }
}

/// Waits until the server has forgotten everybody.
async fn empty(server: &Server, faults: &mut Vec<String>, number: usize) -> Result<Metrics, SoakError> {
    let machine = Machine::new(Instant::now(), server.pid());
    let since = machine.now();
    loop {
        let metrics = server.metrics().await?;
        let left: Vec<_> = LEFT_BEHIND.iter().filter(|name| metrics.sum(name) != 0.0).collect();
        if left.is_empty() {
            return Ok(metrics);
        }
        machine.look();
        if machine.given(since) >= FORGETTING {
            let left: Vec<_> = left.iter().map(|name| format!("{name} {}", metrics.sum(name))).collect();
            faults.push(format!("wave {number}: left behind when everybody had gone: {}", left.join(", ")));
            return Ok(metrics);
        }
        tokio::time::sleep(TICK).await;
    }
}
