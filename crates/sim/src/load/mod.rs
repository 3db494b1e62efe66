//! One run: bots come in, media flows, and what the server did with it is measured.

mod outcome;
mod scenario;
mod target;

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream;
use thiserror::Error;

use crate::measure::{ProcessUse, socket_drops};
use crate::peer::BotReport;
use crate::signal::{Joined, SignalError};
use crate::swarm::{Swarm, Until};

pub use outcome::{JoinTimes, Outcome};
pub use scenario::{CameraPlan, MOST_BOTS, Scenario};
pub use target::Target;
use target::{Entered, Part};

/// Why a run gives no figures.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The system gives no threads, sockets or ways.
    #[error("the system refuses: {0}")]
    System(#[from] io::Error),
    /// A server does not let a bot in.
    #[error(transparent)]
    Signal(#[from] SignalError),
    /// A bot has been let in, but gets no connection.
    #[error("{failed} of {all} bots did not connect")]
    NotConnected {
        /// How many.
        failed: usize,
        /// Of how many.
        all: usize,
    },
    /// The process to be measured has ended.
    #[error("no process {0}")]
    NoProcess(u32),
}

/// How long a bot may take to connect.
const CONNECTING: Duration = Duration::from_secs(20);
/// Between the moment that sinks begin to drop media and the measurement.
const SETTLING: Duration = Duration::from_millis(500);
/// How long those who watch may wait for the first picture before the measurement begins without it.
const FIRST_PICTURE: Duration = Duration::from_secs(5);

/// Runs a scenario against a server; `pid` is the server's process, if it is on this machine.
///
/// # Errors
/// If there is nothing to measure: no way to the server, or bots that it does not serve.
pub async fn run(target: &Target, scenario: &Scenario, pid: Option<u32>) -> Result<Outcome, LoadError> {
    let swarm = Arc::new(Swarm::start(scenario.threads)?);
    let mut entered = Vec::new();
    for room in 0..scenario.rooms.clamp(1, MOST_BOTS) {
        let mut site = target.open(scenario, room).await?;
        let mut people = Vec::new();
        for part in scenario.parts(room) {
            people.extend(let_in(&swarm, &mut site, scenario, part).await?);
        }
        site.meet(&swarm, scenario, &mut people).await?;
        entered.extend(people);
    }
    let joined: Vec<_> = entered.iter().flat_map(|one| &one.bots).collect();
    first_pictures(&swarm, &entered).await;
    tokio::time::sleep(scenario.warm_up).await;
    if scenario.sink {
        // Until here sinks have received everything, so that the server has learnt what their networks carry.
        swarm.begin_to_drop();
        tokio::time::sleep(SETTLING).await;
    }

    let look = || pid.map(|pid| ProcessUse::of(pid).ok_or(LoadError::NoProcess(pid))).transpose();
    let (used, reports, drops, began) = (look()?, swarm.reports().await, socket_drops(), Instant::now());
    tokio::time::sleep(scenario.duration).await;
    let (elapsed, used_then, reports_then) = (began.elapsed(), look()?, swarm.reports().await);
    let dropped = socket_drops().saturating_sub(drops);

    let mut all = BotReport::default();
    for ((_, before), (_, then)) in reports.iter().zip(&reports_then) {
        all.add(&then.since(before));
    }
    let joins = joined.iter().filter_map(|joined| {
        let (_, report) = reports_then.iter().find(|(id, _)| *id == joined.bot)?;
        Some(JoinTimes::of(joined, report))
    });
    let outcome = Outcome {
        elapsed,
        joins: joins.collect(),
        ended: reports_then.iter().filter(|(_, report)| report.ended).count(),
        traffic: all,
        dropped_by_sinks: if scenario.sink { dropped } else { 0 },
        usage: used.zip(used_then).map(|(before, then)| then.since(&before)),
    };
    for one in entered {
        one.leave().await;
    }
    Ok(outcome)
}

async fn let_in(
    swarm: &Arc<Swarm>,
    site: &mut target::Opened,
    scenario: &Scenario,
    part: Part,
) -> Result<Vec<Entered>, LoadError> {
    let site_now = &*site;
    let entering = (0..part.count).map(|index| {
        let number = part.first + index;
        async move { site_now.enter(swarm, scenario, part, number).await }
    });
    let entered: Vec<_> = stream::iter(entering).buffered(scenario.joins_at_once.max(1)).collect().await;
    let entered = entered.into_iter().collect::<Result<Vec<_>, _>>()?;
    let mut failed = 0;
    for joined in entered.iter().flat_map(|one| &one.bots) {
        let report = swarm.watch(joined.bot, Until::Connected, CONNECTING).await;
        failed += usize::from(report.is_none_or(|report| report.connected.is_none()));
    }
    if failed > 0 {
        return Err(LoadError::NotConnected { failed, all: entered.len() });
    }
    site.note(&entered);
    Ok(entered)
}

/// Waits until media has reached everybody who is to get some, but not for ever.
async fn first_pictures(swarm: &Swarm, entered: &[Entered]) {
    let deadline = Instant::now() + FIRST_PICTURE;
    let receivers = entered.iter().filter(|one| one.watches).flat_map(|one| one.bots.last());
    for Joined { bot, .. } in receivers {
        swarm.watch(*bot, Until::Packets(1), deadline.saturating_duration_since(Instant::now())).await;
    }
}
