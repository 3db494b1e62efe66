//! When to pad: who sends little cannot find out how much he could (libwebrtc's
//! `scream_network_controller.cc`, `MaybeCreatePacerConfig`; the draft says nothing of it).

use std::time::Duration;

use crate::Time;

/// Padding goes on for so long (`periodic_padding_duration`)...
const LENGTH: Duration = Duration::from_secs(3);
/// ...and pauses for so long (`time_between_periodic_padding`).
const PAUSE: Duration = Duration::from_secs(3);
/// And for so long after the window became smaller (`allow_padding_after_last_congestion_time`).
const AFTER_FALL: Duration = Duration::from_secs(1);

/// Turns padding on and off.
#[derive(Debug, Default)]
pub(super) struct Padding {
    /// When the present or the latest stretch ends.
    until: Option<Time>,
    is_on: bool,
}

impl Padding {
    /// `fell`: when the window became smaller.
    pub(super) fn update(&mut self, now: Time, fell: Option<Time>) {
        let may = fell.is_none_or(|fell| now.since(fell) > AFTER_FALL);
        if !may {
            self.until = self.until.map(|until| until.min(now));
        } else if self.until.is_none_or(|until| until <= now && now.since(until) >= PAUSE) {
            self.until = Some(now + LENGTH);
        }
        self.is_on = may && self.until.is_some_and(|until| now < until);
    }

    pub(super) fn is_on(&self) -> bool {
        self.is_on
    }

    /// When it ends by itself.
    pub(super) fn end(&self) -> Option<Time> {
        self.until.filter(|_| self.is_on)
    }
}
