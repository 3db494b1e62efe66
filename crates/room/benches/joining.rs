//! What a join costs in rooms of several sizes: time, messages and bytes, with everything written as JSON as
//! the server does it. Encryption and sending are not in it. Prints a table and appends to
//! `target/bench/results.jsonl`.
#![allow(clippy::print_stdout, missing_docs)]

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use conclave_proto::{
    DisplayName, Event, EventText, Join, MediaState, PROTOCOL_VERSION, ParticipantKey, RoomName, RoomOptions,
    TopologyChoice, limits,
};
use conclave_room::{Authority, ConnectionId, Departure, Input, Now, Output, Room, RoomConfig, StoredRoom};

/// Joins that a figure is the mean of.
const JOINS: u32 = 20;
/// Between two of them, so that each is told by itself.
const APART: Duration = Duration::from_secs(2);
/// Joins in a row, and the time between two of them.
const ROW: u32 = 1_000;
const ROW_APART: Duration = Duration::from_millis(2);

fn main() {
    println!(
        "{:>8} | {:>9} {:>11} | {:>14} {:>14} {:>10} | {:>16} {:>20}",
        "people",
        "join, us",
        "reply bytes",
        "told messages",
        "bytes to each",
        "us to all",
        "row, us a join",
        "row, bytes to each"
    );
    let results = results_file();
    for people in [10, 100, 1_000, 3_000] {
        let single = singly(people);
        let row = in_a_row(people);
        let micros = |time: Duration, count: u32| time.as_nanos() as f64 / 1_000.0 / f64::from(count);
        let figures = [
            ("join", micros(single.joining, JOINS), "us"),
            ("reply", single.reply_bytes as f64 / f64::from(JOINS), "bytes"),
            ("told", single.told as f64 / f64::from(JOINS), "messages"),
            ("told to each", single.told_bytes as f64 / single.told.max(1) as f64, "bytes"),
            ("telling all", micros(single.telling, JOINS), "us"),
            ("1000 in a row", micros(row.joining + row.telling, ROW), "us/join"),
            ("1000 in a row, told to each", row.told_bytes as f64 / f64::from(people), "bytes"),
        ];
        let [join, reply, told, each, telling, row, row_bytes] = figures.map(|(_, value, _)| value);
        println!(
            "{people:>8} | {join:>9.1} {reply:>11.0} | {told:>14.0} {each:>14.1} {telling:>10.1} | {row:>16.1} {row_bytes:>20.0}"
        );
        for (metric, value, unit) in figures {
            if let Some(mut file) = results.as_ref() {
                let line = format!(
                    r#"{{"bench":"joining","case":"room of {people}","metric":"{metric}","value":{value:.1},"unit":"{unit}"}}"#
                );
                // A figure that cannot be kept has been printed.
                let _ = writeln!(file, "{line}");
            }
        }
    }
}

/// What joins cost.
#[derive(Default)]
struct Cost {
    joining: Duration,
    reply_bytes: usize,
    told: usize,
    told_bytes: usize,
    telling: Duration,
}

struct Meeting {
    room: Room,
    now: Duration,
    next: u64,
    written: Option<(Arc<Event>, EventText)>,
}

impl Meeting {
    fn of(people: u32) -> Self {
        let options =
            RoomOptions { topology: TopologyChoice::Sfu, capacity: limits::CAPACITY, ..RoomOptions::default() };
        let stored = StoredRoom { options: Some(options), ..StoredRoom::default() };
        let name = RoomName::parse("bench").expect("valid");
        let room = Room::new(RoomConfig::default(), name, stored, [7; 32]);
        let mut meeting = Self { room, now: Duration::from_secs(1), next: 0, written: None };
        let mut cost = Cost::default();
        for _ in 0..people {
            meeting.join(&mut cost);
        }
        meeting.wait(&mut cost, Duration::from_secs(30));
        meeting
    }

    fn now(&self) -> Now {
        Now { monotonic: self.now, unix_ms: 1_700_000_000_000 }
    }

    /// Returns the number of the connection.
    fn join(&mut self, cost: &mut Cost) -> u64 {
        self.next += 1;
        let join = Join {
            version: PROTOCOL_VERSION,
            room: RoomName::parse("bench").expect("valid"),
            name: DisplayName::parse(&format!("Participant {}", self.next)).expect("valid"),
            key: ParticipantKey::parse(&format!("key-{}", self.next)).expect("valid"),
            takeover: false,
            host_token: None,
            access_token: None,
            options: None,
            media: MediaState::default(),
            offer: None,
        };
        let connection = ConnectionId(self.next);
        let started = clock();
        let input = Input::Join { connection, join: Box::new(join), authority: Authority::None, request: 1 };
        self.room.handle_input(self.now(), input);
        // The first output is what a join by itself costs; what others are told is counted apart.
        let mut telling = Duration::ZERO;
        while let Some(output) = self.room.poll_output() {
            telling += self.write(output, cost);
        }
        cost.joining += started.elapsed().saturating_sub(telling);
        cost.telling += telling;
        self.next
    }

    fn leave(&mut self, connection: ConnectionId) {
        let departure = Departure::Goodbye;
        self.room.handle_input(self.now(), Input::Disconnected { connection, departure });
        self.wait(&mut Cost::default(), APART);
        while self.room.poll_output().is_some() {}
    }

    fn wait(&mut self, cost: &mut Cost, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.room.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            let started = clock();
            self.room.handle_timeout(self.now());
            while let Some(output) = self.room.poll_output() {
                self.write(output, cost);
            }
            cost.telling += started.elapsed();
        }
        self.now = end;
    }

    /// Writes a message as the server does. Returns how long that took if it is an event for others.
    fn write(&mut self, output: Output, cost: &mut Cost) -> Duration {
        match output {
            Output::Send { message, .. } => {
                cost.reply_bytes += serde_json::to_string(&message).map_or(0, |text| text.len());
                Duration::ZERO
            }
            Output::Tell { seq, event, .. } => {
                let started = clock();
                if !self.written.as_ref().is_some_and(|(written, _)| Arc::ptr_eq(written, &event)) {
                    self.written = EventText::new(&event).ok().map(|text| (event, text));
                }
                cost.told += 1;
                cost.told_bytes += self.written.as_ref().map_or(0, |(_, text)| text.numbered(seq).len());
                started.elapsed()
            }
            _ => Duration::ZERO,
        }
    }
}

/// Joins that are far enough apart to be told one by one.
fn singly(people: u32) -> Cost {
    let mut meeting = Meeting::of(people);
    let mut cost = Cost::default();
    for _ in 0..JOINS {
        // The one before is told at once, in a large room with all that waited; this one a moment later, by itself.
        let joined = meeting.join(&mut Cost::default());
        meeting.join(&mut cost);
        meeting.wait(&mut cost, APART);
        for connection in [joined, joined + 1] {
            meeting.leave(ConnectionId(connection));
        }
    }
    cost
}

fn in_a_row(people: u32) -> Cost {
    let mut meeting = Meeting::of(people);
    let mut cost = Cost::default();
    for _ in 0..ROW {
        meeting.join(&mut cost);
        meeting.wait(&mut cost, ROW_APART);
    }
    meeting.wait(&mut cost, APART);
    cost
}

#[expect(clippy::disallowed_methods, reason = "the clock measures the room from outside")]
fn clock() -> Instant {
    Instant::now()
}

#[allow(clippy::disallowed_types, reason = "the figures are kept outside of the room")]
fn results_file() -> Option<fs::File> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/bench");
    fs::create_dir_all(&folder).ok()?;
    OpenOptions::new().create(true).append(true).open(folder.join("results.jsonl")).ok()
}
