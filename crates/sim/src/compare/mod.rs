//! Servers under the same load, one after the other in one run, beside the floor: what `make bench` prints.

mod cases;
mod inside;
mod servers;

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use conclave_rtp::srtp::Profile;
use thiserror::Error;

use crate::floor;
use crate::load::{self, LoadError, Outcome, Scenario};
use crate::measure::{Figure, OffTheFirstCore, Results, median};

pub use cases::Case;
use cases::{Stretch, cases};
use inside::Inside;
use servers::{Running, ServerKind, StartError};

/// How to compare.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// This program, which measures the floor in the servers' namespace.
    pub load_program: PathBuf,
    /// Conclave's program.
    pub conclave: PathBuf,
    /// Janus's program; `None`: it is left out.
    pub janus: Option<PathBuf>,
    /// Network namespace that servers run in, `None`: the one that bots are in.
    pub namespace: Option<String>,
    /// The servers' address.
    pub server_address: IpAddr,
    /// The bots' address.
    pub bots_address: IpAddr,
    /// Runs of each case; medians count.
    pub runs: usize,
    /// Shorter runs and fewer bots, to see that everything works: the figures are worth little.
    pub quick: bool,
    /// Cases whose name has this in it.
    pub only: String,
}

/// Why there is nothing to compare.
#[derive(Debug, Error)]
pub enum CompareError {
    /// A server does not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// A run gives no figures.
    #[error("{server}, {case}: {error}")]
    Load {
        /// Which server.
        server: &'static str,
        /// Under which load.
        case: &'static str,
        /// Why.
        error: LoadError,
    },
    /// The floor cannot be measured.
    #[error("the floor cannot be measured: {0}")]
    Floor(String),
}

/// Processor time that a floor is measured for.
const FLOOR_TIME: Duration = Duration::from_millis(500);
/// The same at the pace of media, when most of the time nothing is to be sent.
const PACED_FLOOR_TIME: Duration = Duration::from_millis(150);
/// Share of a core that the server is to be busy with when its own delay is measured.
const HALF_A_CORE: f64 = 0.5;

/// What the packets of a stretch cost at least, in microseconds for each.
struct StretchFloor {
    is_video: bool,
    /// As fast as can be, with everything in the caches.
    flat_out: f64,
    /// When frames are due.
    paced: f64,
}

impl Comparison {
    /// Runs everything and prints as it goes: this takes minutes.
    ///
    /// # Errors
    /// If a server does not start or does not serve. What was measured before has been printed and kept.
    pub async fn run(&self, results: &mut Results, mut print: impl FnMut(&str)) -> Result<(), CompareError> {
        print(&format!("media plane: {} run(s) of each case, medians", self.runs));
        for case in cases(self.quick).iter().filter(|case| case.name.contains(&self.only)) {
            print(&format!("\n{}: {}", case.name, case.about));
            let mut measured = BTreeMap::new();
            for _ in 0..self.runs.max(1) {
                // In turns, so that whatever else the machine does falls on all of them.
                for kind in self.servers() {
                    let outcome = self.measure(kind, case.name, &case.scenario).await?;
                    measured.entry(kind).or_insert_with(Vec::new).push(outcome);
                }
            }
            let mut floors = BTreeMap::new();
            for (kind, outcomes) in &measured {
                let profile = outcomes.iter().find_map(|outcome| outcome.traffic.profile);
                floors.insert(*kind, self.floors(case, profile.unwrap_or(Profile::AeadAes256Gcm))?);
            }
            self.tell(case, &floors, &measured, results, &mut print);
        }
        if "delay".contains(&self.only) {
            // Of one receiver's packets none waits behind those of another.
            for (case, receivers) in [("delay, one receiver", 1), ("delay", 4)] {
                self.delay(case, receivers, results, &mut print).await?;
            }
        }
        if "shards".contains(&self.only) {
            self.shards(results, &mut print).await?;
        }
        Ok(())
    }

    fn servers(&self) -> Vec<ServerKind> {
        [Some(ServerKind::Conclave), self.janus.is_some().then_some(ServerKind::Janus)].into_iter().flatten().collect()
    }

    async fn measure(
        &self,
        kind: ServerKind,
        case: &'static str,
        scenario: &Scenario,
    ) -> Result<Outcome, CompareError> {
        let server = Running::start(kind, self).await?;
        let outcome = load::run(&server.target(), scenario, Some(server.pid())).await;
        outcome.map_err(|error| CompareError::Load { server: kind.name(), case, error })
    }

    /// The floors of each kind of stretch that the case has, protected as the server has chosen.
    fn floors(&self, case: &Case, profile: Profile) -> Result<Vec<StretchFloor>, CompareError> {
        let floors = cases::stretches(&case.scenario).into_iter().map(|stretch| {
            Ok(StretchFloor {
                is_video: stretch.is_video,
                flat_out: self.floor(stretch, profile, None)?,
                paced: self.floor(stretch, profile, Some(stretch.runs_per_second))?,
            })
        });
        floors.collect()
    }

    /// Microseconds for each packet.
    fn floor(&self, stretch: Stretch, profile: Profile, frames: Option<u32>) -> Result<f64, CompareError> {
        let failed = |error: &dyn std::fmt::Display| CompareError::Floor(error.to_string());
        let sinks = floor::sinks(self.bots_address, stretch.destinations).map_err(|error| failed(&error))?;
        let to: Vec<_> = sinks.iter().map(|sink| sink.local().to_string()).collect();
        let costs = (0..self.runs.max(1)).map(|_| {
            let command = self.in_namespace(&self.load_program);
            let output = as_floor(command, stretch, profile, frames, &to).output().map_err(|error| failed(&error))?;
            cost_told(&output)
        });
        Ok(median(costs.collect::<Result<_, _>>()?).unwrap_or_default())
    }

    /// How many times what one core sends two send, where nothing but the floor runs: the machine's own part of what a
    /// second shard is worth. `None`: there is no second core.
    fn floor_of_two_cores(&self, stretch: Stretch) -> Result<Option<f64>, CompareError> {
        if std::thread::available_parallelism().is_ok_and(|cores| cores.get() < 2) {
            return Ok(None);
        }
        let failed = |error: &dyn std::fmt::Display| CompareError::Floor(error.to_string());
        let half = Stretch { destinations: stretch.destinations / 2, ..stretch };
        let sinks = [half.destinations; 2].map(|count| floor::sinks(self.bots_address, count));
        let mut to = Vec::new();
        for sinks in &sinks {
            let sinks = sinks.as_ref().map_err(|error| failed(error))?;
            to.push(sinks.iter().map(|sink| sink.local().to_string()).collect::<Vec<_>>());
        }
        let start = |core: usize| {
            let mut command = self.in_namespace(Path::new("taskset"));
            command.args(["--cpu-list", &core.to_string()]).arg(&self.load_program);
            let mut command = as_floor(command, half, Profile::AeadAes256Gcm, None, &to[core]);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(|error| failed(&error))
        };
        let wait = |child: Child| cost_told(&child.wait_with_output().map_err(|error| failed(&error))?);
        let mut ratios = Vec::new();
        for _ in 0..self.runs.max(1) {
            let alone = wait(start(0)?)?;
            let (first, second) = (start(0)?, start(1)?);
            let together = [wait(first)?, wait(second)?];
            ratios.push(together.into_iter().map(|cost| alone / cost).sum());
        }
        Ok(median(ratios))
    }

    /// A command that runs where servers run.
    fn in_namespace(&self, program: &Path) -> Command {
        match &self.namespace {
            None => Command::new(program),
            Some(name) => {
                let mut command = Command::new("nsenter");
                command.arg(format!("--net=/run/netns/{name}")).arg(program);
                command
            }
        }
    }

    fn tell(
        &self,
        case: &Case,
        floors: &BTreeMap<ServerKind, Vec<StretchFloor>>,
        measured: &BTreeMap<ServerKind, Vec<Outcome>>,
        results: &mut Results,
        print: &mut impl FnMut(&str),
    ) {
        let mut rows: BTreeMap<(usize, String, &'static str), BTreeMap<&'static str, f64>> = BTreeMap::new();
        for (kind, outcomes) in measured {
            for (place, (metric, unit)) in names(outcomes).into_iter().enumerate() {
                let values = outcomes.iter().filter_map(|outcome| find(outcome, &metric)).collect();
                if let Some(value) = median(values) {
                    rows.entry((place, metric, unit)).or_default().insert(kind.name(), value);
                }
            }
            // Sound and pictures have a floor each; how much there is of either, the server decides.
            let floors = floors.get(kind).map_or(&[][..], Vec::as_slice);
            let cpu = median(outcomes.iter().filter_map(Outcome::cpu_per_packet).collect());
            type Kind = fn(&StretchFloor) -> f64;
            let kinds: [(&str, Kind); 2] = [("floor", |floor| floor.flat_out), ("paced floor", |floor| floor.paced)];
            for (name, of) in kinds {
                let mixed = outcomes.iter().map(|outcome| mixed_floor(floors, of, outcome)).collect();
                let Some(floor) = median(mixed).filter(|floor| *floor > 0.0) else { continue };
                rows.entry((0, format!("{name} of these packets"), "us")).or_default().insert(kind.name(), floor);
                if let Some(cpu) = cpu {
                    let row = rows.entry((0, format!("server cpu by {name}"), "ratio")).or_default();
                    row.insert(kind.name(), cpu / floor);
                }
            }
        }
        print(&format!("  {:<30} {:>12} {:>12}  {:>8}", "", "conclave", "janus", "ratio"));
        for ((_, metric, unit), values) in &rows {
            let value = |kind: ServerKind| values.get(kind.name()).copied();
            let (ours, theirs) = (value(ServerKind::Conclave), value(ServerKind::Janus));
            let ratio = ours.zip(theirs).filter(|(_, theirs)| *theirs > 0.0).map(|(ours, theirs)| ours / theirs);
            let shown = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.2}"));
            print(&format!("  {metric:<30} {:>12} {:>12}  {:>8}  {unit}", shown(ours), shown(theirs), shown(ratio)));
            for (server, value) in values {
                results.keep("media", case.name, &Figure::new(format!("{server}: {metric}"), *value, unit));
            }
            if let Some(ratio) = ratio {
                results.keep("media", case.name, &Figure::new(format!("ratio: {metric}"), ratio, "conclave/janus"));
            }
        }
    }

    /// Conclave's own delay on one core that is half busy. Bots keep off it, so that what they do is not counted.
    async fn delay(
        &self,
        case: &'static str,
        receivers: usize,
        results: &mut Results,
        print: &mut impl FnMut(&str),
    ) -> Result<(), CompareError> {
        let _kept = OffTheFirstCore::keep();
        let meetings = cases::meetings(receivers, self.quick);
        let probe = self.measure(ServerKind::ConclaveOnOneCore, case, &meetings).await?;
        let busy =
            probe.usage.as_ref().map_or(0.0, |usage| usage.processor.as_secs_f64() / probe.elapsed.as_secs_f64());
        let most = if self.quick { 10.0 } else { 600.0 / receivers as f64 };
        let rooms = (meetings.rooms as f64 * HALF_A_CORE / busy.max(1e-3)).clamp(2.0, most) as usize;
        let scenario = Scenario { rooms, ..meetings };
        let (mut outcomes, mut inside) = (Vec::new(), Vec::new());
        for _ in 0..self.runs.max(1) {
            let (outcome, found) = self.measure_inside(case, &scenario).await?;
            outcomes.push(outcome);
            inside.extend(found);
        }
        print(&format!(
            "\n{case}: from the publisher's send to the kernel's stamp at the receiver, {rooms} meetings of {}, one of \
             whom sends",
            receivers + 1
        ));
        for metric in ["server cpu", "latency p50", "latency p95", "latency p99", "loss"] {
            let unit = outcomes.iter().flat_map(Outcome::figures).find(|figure| figure.metric == metric);
            let values = outcomes.iter().filter_map(|outcome| find(outcome, metric)).collect();
            if let (Some(value), Some(Figure { unit, .. })) = (median(values), unit) {
                print(&format!("  {metric:<30} {value:>12.2}  {unit}"));
                results.keep("media", case, &Figure::new(format!("conclave: {metric}"), value, unit));
            }
        }
        let own: Vec<_> = inside.iter().map(Inside::figures).collect();
        for first in own.first().into_iter().flatten() {
            let of = |figures: &Vec<Figure>| {
                figures.iter().find(|figure| figure.metric == first.metric).map(|one| one.value)
            };
            let Some(value) = median(own.iter().filter_map(of).collect()) else { continue };
            print(&format!("  {:<30} {value:>12.3}  {}", first.metric, first.unit));
            results.keep("media", case, &Figure::new(format!("conclave: {}", first.metric), value, first.unit));
        }
        Ok(())
    }

    /// A run, and what the server says of its last seconds.
    async fn measure_inside(
        &self,
        case: &'static str,
        scenario: &Scenario,
    ) -> Result<(Outcome, Option<Inside>), CompareError> {
        let kind = ServerKind::ConclaveOnOneCore;
        let server = Running::start(kind, self).await?;
        let target = server.target();
        let run = load::run(&target, scenario, Some(server.pid()));
        tokio::pin!(run);
        // What was said while people still came is forgotten when it is this old.
        let mut said: VecDeque<Inside> = VecDeque::new();
        let seconds = scenario.duration.as_secs().max(1) as usize;
        let mut clock = tokio::time::interval(Duration::from_secs(1));
        let outcome = loop {
            tokio::select! {
                outcome = &mut run => break outcome,
                _ = clock.tick() => {}
            }
            said.extend(server.inside().await);
            if said.len() > seconds {
                said.pop_front();
            }
        };
        let inside = said.back().zip(said.front()).map(|(last, first)| last.since(first));
        Ok((outcome.map_err(|error| CompareError::Load { server: kind.name(), case, error })?, inside))
    }

    /// What a second shard is worth: how much one core would carry by what the busiest shard needs, and what goes
    /// through when there is more than can.
    async fn shards(&self, results: &mut Results, print: &mut impl FnMut(&str)) -> Result<(), CompareError> {
        const CASE: &str = "shards";
        print("\nshards: a server on one core and on two, receivers that drop everything");
        let scenario = cases::saturating(self.quick);
        let mut found = BTreeMap::new();
        for kind in [ServerKind::ConclaveOnOneCore, ServerKind::Conclave] {
            let (mut busy, mut rate) = (Vec::new(), Vec::new());
            for _ in 0..self.runs.max(1) {
                let outcome = self.measure(kind, CASE, &scenario).await?;
                busy.extend(outcome.packets_per_busy_second("media"));
                rate.push(outcome.forwarded() as f64 / outcome.elapsed.as_secs_f64());
            }
            found.insert(kind, [median(busy), median(rate)]);
        }
        for (index, metric) in ["packets per second of the busiest shard", "packets per second"].into_iter().enumerate()
        {
            let of = |kind| found.get(&kind).and_then(|figures: &[Option<f64>; 2]| figures[index]);
            let (one, two) = (of(ServerKind::ConclaveOnOneCore), of(ServerKind::Conclave));
            for (name, value, unit) in [
                ("one core", one, "packets/s"),
                ("two cores", two, "packets/s"),
                ("two by one", one.zip(two).map(|(one, two)| two / one), "ratio"),
            ] {
                let Some(value) = value else { continue };
                print(&format!("  {:<44} {value:>12.2}  {unit}", format!("{metric}, {name}")));
                results.keep("media", CASE, &Figure::new(format!("{metric}: {name}"), value, unit));
            }
        }
        for stretch in cases::stretches(&scenario) {
            let Some(value) = self.floor_of_two_cores(stretch)? else { continue };
            print(&format!("  {:<44} {value:>12.2}  ratio", "the floor alone, two by one"));
            results.keep("media", CASE, &Figure::new("floor: two by one".to_owned(), value, "ratio"));
        }
        Ok(())
    }
}

/// This program, measuring a floor.
fn as_floor(mut command: Command, stretch: Stretch, profile: Profile, frames: Option<u32>, to: &[String]) -> Command {
    let profile = match profile {
        Profile::AeadAes128Gcm => "aes128-gcm",
        Profile::AeadAes256Gcm => "aes256-gcm",
        Profile::Aes128CmHmacSha1_80 => "aes128-sha1",
    };
    command.args(["floor", "--profile", profile, "--bare", "--to", &to.join(",")]);
    command.args(["--payload", &stretch.payload_bytes.to_string(), "--run", &stretch.run.to_string()]);
    let time = if frames.is_some() { PACED_FLOOR_TIME } else { FLOOR_TIME };
    command.args(["--seconds", &time.as_secs_f64().to_string()]);
    if let Some(frames) = frames {
        command.args(["--frames", &frames.to_string()]);
    }
    command.stdin(Stdio::null());
    command
}

/// Microseconds for each packet, as it says.
fn cost_told(output: &Output) -> Result<f64, CompareError> {
    let said = String::from_utf8_lossy(&output.stdout);
    said.trim().parse().map_err(|_| CompareError::Floor(String::from_utf8_lossy(&output.stderr).into_owned()))
}

/// Metrics of the outcomes in their order, those of single threads left out: their names differ.
fn names(outcomes: &[Outcome]) -> Vec<(String, &'static str)> {
    let mut names: Vec<(String, &'static str)> = Vec::new();
    for figure in outcomes.iter().flat_map(Outcome::figures) {
        if !figure.metric.starts_with("thread ") && names.iter().all(|(name, _)| *name != figure.metric) {
            names.push((figure.metric, figure.unit));
        }
    }
    names
}

fn find(outcome: &Outcome, metric: &str) -> Option<f64> {
    outcome.figures().into_iter().find(|figure| figure.metric == metric).map(|figure| figure.value)
}

/// The floor of what has arrived, weighted by how much of it was sound and pictures.
fn mixed_floor(floors: &[StretchFloor], cost: impl Fn(&StretchFloor) -> f64, outcome: &Outcome) -> f64 {
    let of = |is_video| floors.iter().find(|floor| floor.is_video == is_video).map(&cost);
    let traffic = &outcome.traffic;
    let video = traffic.video_packets as f64 / (traffic.packets as f64).max(1.0);
    match (of(true), of(false)) {
        (Some(pictures), Some(sound)) => pictures * video + sound * (1.0 - video),
        (Some(cost), None) | (None, Some(cost)) => cost,
        (None, None) => 0.0,
    }
}
