//! Between microseconds as numbers and as moments.

use std::time::Duration;

use conclave_qos::Time;

/// A second, µs.
pub(crate) const SECOND: u64 = 1_000_000;
/// A millisecond, µs.
pub(crate) const MILLI: u64 = 1_000;
/// Later than any run lasts.
pub(crate) const NEVER: Time = Time::since_start(Duration::from_micros(u64::MAX));

/// This many microseconds after the beginning.
pub(crate) const fn at(micros: u64) -> Time {
    Time::since_start(Duration::from_micros(micros))
}

/// Microseconds since the beginning.
pub(crate) const fn micros(time: Time) -> u64 {
    // Made from 64 bits.
    time.to_duration().as_micros() as u64
}

/// How many microseconds after `earlier`; 0 if it is not.
pub(crate) const fn between(earlier: Time, later: Time) -> u64 {
    micros(later).saturating_sub(micros(earlier))
}

/// This much later.
pub(crate) const fn after(time: Time, more: u64) -> Time {
    at(micros(time).saturating_add(more))
}
