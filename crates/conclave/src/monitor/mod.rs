//! A look at everything once a second: the history of the last hour for the administrator's page, and
//! distributions for `/metrics`.
//!
//! `watch` decides what is known and remembered, without a clock; this file asks the media plane, the
//! meetings and the system, and lets others read.

mod bounds;
mod export;
mod history;
mod meter;
mod person;
mod process;
#[cfg(test)]
mod tests;
mod watch;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use conclave_media::{MediaHandle, RoomKey};
use conclave_proto::{
    AdminOverview, AdminOverviewNow, AdminParticipantDetail, AdminParticipantNow, AdminRoom, AdminRoomNow,
    ParticipantId, RoomName,
};
use futures_util::future::join_all;
use tokio::sync::watch as channel;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::rooms::{Rooms, Snapshot, unix_ms};
use bounds::Bounds;
use watch::{Observation, Watch};

/// Between two looks.
const PERIOD: Duration = Duration::from_secs(1);
/// Meetings that are asked at once; where there are more, each is asked less often.
const LOOKS: usize = 64;
/// For an answer. Whoever does not answer is looked at the next time.
const ANSWER: Duration = Duration::from_millis(500);

/// What the administrator can look at. Cheap to clone.
#[derive(Clone)]
pub struct Monitor(Arc<Shared>);

struct Shared {
    watch: Mutex<Watch>,
    /// Counts the looks.
    looks: channel::Sender<u64>,
}

impl Monitor {
    /// Nothing has been seen yet. `remembered`: so many participants who have left are shown at most.
    pub(crate) fn new(remembered: u32) -> Self {
        let watch = Watch::new(unix_ms(), Bounds { gone: remembered as usize, ..Bounds::default() });
        Self(Arc::new(Shared { watch: Mutex::new(watch), looks: channel::Sender::new(0) }))
    }

    /// Looks once a second, for ever.
    pub(crate) async fn run(self, media: MediaHandle, rooms: Rooms) {
        let start = Instant::now();
        let mut ticks = interval(PERIOD);
        // After a pause of the machine, looks in quick succession would tell nothing.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut turn = 0;
        loop {
            ticks.tick().await;
            let live = rooms.live();
            let (media, looks) = tokio::join!(timeout(ANSWER, media.snapshot()), look(&rooms, &live, turn));
            turn += LOOKS;
            let (media, usage) = (media.ok().flatten(), process::usage());
            let mut watch = self.watch();
            watch.handle(Observation {
                at: start.elapsed(),
                unix_ms: unix_ms(),
                usage,
                media: media.clone(),
                live,
                looks,
            });
            export::export(&watch, media.as_ref(), usage);
            drop(watch);
            self.0.looks.send_modify(|looks| *looks += 1);
        }
    }

    /// Changes after each look.
    pub(crate) fn looks(&self) -> channel::Receiver<u64> {
        self.0.looks.subscribe()
    }

    /// All rooms, with their history.
    pub(crate) fn overview(&self) -> AdminOverview {
        self.watch().overview()
    }

    /// All rooms.
    pub(crate) fn overview_now(&self) -> AdminOverviewNow {
        self.watch().overview_now()
    }

    /// A room, with the last two minutes; none when nobody was there within the last hour.
    pub(crate) fn room(&self, name: &RoomName) -> Option<AdminRoom> {
        self.watch().room(name)
    }

    /// A room.
    pub(crate) fn room_now(&self, name: &RoomName) -> Option<AdminRoomNow> {
        self.watch().room_now(name)
    }

    /// A participant of the last hour, with the history.
    pub(crate) fn participant(&self, room: &RoomName, id: &ParticipantId) -> Option<AdminParticipantDetail> {
        self.watch().participant(room, id)
    }

    /// A participant's streams.
    pub(crate) fn participant_now(&self, room: &RoomName, id: &ParticipantId) -> Option<AdminParticipantNow> {
        self.watch().participant_now(room, id)
    }

    fn watch(&self) -> MutexGuard<'_, Watch> {
        // A panic in the middle of a look leaves figures that the next look replaces.
        self.0.watch.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks at some of the meetings, others each turn when there are many.
async fn look(rooms: &Rooms, live: &[(RoomKey, RoomName)], turn: usize) -> Vec<(RoomKey, Snapshot)> {
    let chosen = live.iter().cycle().skip(turn % live.len().max(1)).take(LOOKS.min(live.len()));
    let looks = chosen.map(async |(key, name)| {
        let snapshot = timeout(ANSWER, rooms.look(name)).await.ok().flatten()?;
        Some((*key, snapshot))
    });
    join_all(looks).await.into_iter().flatten().collect()
}
