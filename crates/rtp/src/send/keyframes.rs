//! Requests for key frames: many become one.

use std::time::Duration;

use conclave_qos::Time;

/// A key frame takes about this long to be made and to arrive; a request that comes meanwhile waits.
const INTERVAL: Duration = Duration::from_millis(250);

/// What one slot's receiver wants.
#[derive(Debug, Default)]
pub(super) struct KeyframeRequests {
    /// When the last request was passed on.
    passed_on: Option<Time>,
    waiting: bool,
    /// The last FIR's number (RFC 5104, 4.3.1): its repetitions are the same request.
    fir: Option<u8>,
    /// For statistics.
    pub count: u32,
}

impl KeyframeRequests {
    /// A picture was lost (PLI), or packets of ours were dropped.
    pub fn request(&mut self) {
        self.waiting = true;
    }

    /// A FIR with this number; only a new number is a new request.
    pub fn request_numbered(&mut self, number: u8) {
        if self.fir != Some(number) {
            self.fir = Some(number);
            self.waiting = true;
        }
    }

    /// When a request is to be passed on; `None` if there is none.
    pub fn due(&self) -> Option<Time> {
        self.waiting.then(|| self.passed_on.map_or(Time::default(), |at| at + INTERVAL))
    }

    /// Whether a request is to be passed on now; it then counts as passed on.
    pub fn take(&mut self, now: Time) -> bool {
        let is_due = self.due().is_some_and(|due| due <= now);
        if is_due {
            self.waiting = false;
            self.passed_on = Some(now);
            self.count = self.count.saturating_add(1);
        }
        is_due
    }
}
