//! What is sent over TCP, and when.

use conclave_qos::Time;

use super::DATA;
use crate::random::Random;
use crate::units::{SECOND, after, at};

/// What a sender of TCP has to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workload {
    /// One file without an end.
    Long {
        /// From this second...
        from: u64,
        /// ...until this one.
        until: u64,
    },
    /// Files of 30 to 50 kB, after each a pause of 10 s on average, exponentially distributed (RFC 8868, section 6.1).
    Short {
        /// From this second on; the first file at once, or after a pause...
        from: u64,
        /// ...until this one.
        until: u64,
        /// Whether the first file comes at once.
        is_on: bool,
    },
}

/// Bytes of a short file: at least, at most.
const FILE: (u64, u64) = (30_000, 50_000);
/// The mean pause, µs.
const PAUSE: f64 = 10.0 * SECOND as f64;

/// When there is something to send again.
pub(super) enum Next {
    At(Time),
    Never,
}

#[derive(Debug)]
pub(super) struct Files {
    workload: Workload,
    random: Random,
}

impl Files {
    pub(super) fn new(workload: Workload, random: Random) -> Self {
        Self { workload, random }
    }

    pub(super) fn first(&mut self) -> Option<Time> {
        match self.workload {
            Workload::Long { from, .. } | Workload::Short { from, is_on: true, .. } => Some(at(from * SECOND)),
            Workload::Short { from, is_on: false, .. } => Some(after(at(from * SECOND), self.pause())),
        }
    }

    /// When the next file is sent, if one has just been.
    pub(super) fn after(&mut self, now: Time) -> Next {
        match self.workload {
            Workload::Long { .. } => Next::Never,
            Workload::Short { .. } => Next::At(after(now, self.pause())),
        }
    }

    /// How many segments the next file has.
    pub(super) fn segments(&mut self) -> u32 {
        match self.workload {
            Workload::Long { .. } => u32::MAX,
            Workload::Short { .. } => (FILE.0 + self.random.below(FILE.1 - FILE.0 + 1)).div_ceil(DATA) as u32,
        }
    }

    pub(super) fn is_over(&self, now: Time) -> bool {
        let (Workload::Long { until, .. } | Workload::Short { until, .. }) = self.workload;
        now >= at(until * SECOND)
    }

    fn pause(&mut self) -> u64 {
        self.random.exponential(PAUSE) as u64
    }
}
