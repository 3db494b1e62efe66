//! Faults of the server, made by tests: a panic where one is least welcome.

use std::cell::Cell;

use crate::event::RoomKey;

/// Where the server can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Point {
    /// A leg takes a packet of its client.
    Receives(u64),
    /// A leg is given a packet of its room.
    IsGiven(u64),
    /// A leg sends what waits.
    Sends(u64),
    /// A room forwards a packet.
    Forwards(RoomKey),
    /// A room's time has come.
    Ticks(RoomKey),
}

thread_local! {
    static ARMED: Cell<Option<Point>> = const { Cell::new(None) };
}

/// The next time that this happens on this thread, it fails.
pub(crate) fn arm(point: Point) {
    ARMED.set(Some(point));
}

/// Whether the fault still waits to be met.
pub(crate) fn is_armed() -> bool {
    ARMED.get().is_some()
}

/// Fails if it is to.
pub(crate) fn here(point: Point) {
    if ARMED.get() == Some(point) {
        ARMED.set(None);
        panic!("made by the test");
    }
}
