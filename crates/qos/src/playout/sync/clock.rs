//! What time it was at the sender when a timestamp was taken (RFC 3550, 6.4.1).

use std::collections::VecDeque;

use crate::playout::wrapping::Unwrapper;

/// Reports that the line goes through (libwebrtc, `rtp_to_ntp_estimator.cc`, `kNumRtcpReportsToUse`).
const REPORTS: usize = 20;
/// Reports that contradict the others until they are believed (`kMaxInvalidSamples`).
const CONTRADICTIONS: u32 = 3;
/// A report this far beside the line contradicts it, in µs: more than clocks drift between two reports.
const BESIDE: f64 = 100_000.0;
/// Two reports further apart, in µs, say nothing about each other (`kMaxAllowedRtcpNtpInterval`: an hour).
const APART: i64 = 3_600_000_000;
/// The clock runs at the rate that was negotiated, give or take so much: crystals have less than 0.1 %.
const TOLERANCE: f64 = 0.05;

/// A wall clock's time: µs since 1 January 1900, within the NTP era in which the first report was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NtpTime(i64);

impl NtpTime {
    /// From the 64 bits of a sender report: seconds and fractions of 2^-32 s.
    pub const fn from_ntp(ntp: u64) -> Self {
        let (seconds, fraction) = (ntp >> 32, ntp & 0xffff_ffff);
        // At most 2^32 * 10^6 + 10^6.
        Self((seconds * 1_000_000 + ((fraction * 1_000_000) >> 32)) as i64)
    }

    /// In µs since 1900.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// How many µs after `earlier` this is.
    pub const fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Why a sender report was not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportError {
    /// Nobody's fault: the same report again, or an earlier one.
    Old,
    /// The sender's fault: its clocks contradict what it said before. Three such in a row are believed.
    Contradiction,
    /// The sender has no clock: its NTP time is zero (RFC 3550, 6.4.1).
    NoClock,
}

impl std::fmt::Display for ReportError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Old => "the sender report is not newer than the one before",
            Self::Contradiction => "the sender's clocks contradict its earlier reports",
            Self::NoClock => "the sender has no clock",
        })
    }
}

impl std::error::Error for ReportError {}

#[derive(Clone, Copy, Debug)]
struct Report {
    ntp: i64,
    timestamp: i64,
}

/// One stream's timestamps as times of its sender's clock.
///
/// A line through the last 20 sender reports: it averages what single reports are wrong by, and follows the drift of the
/// one clock against the other. One report beside it is ignored; three begin a new line, after which a step of the
/// sender's clock is forgotten.
#[derive(Clone, Debug)]
pub struct SenderClock {
    clock_rate: u32,
    timestamps: Unwrapper<32>,
    reports: VecDeque<Report>,
    contradictions: u32,
    /// Of `time = ntp + µs_per_tick * (timestamp - from)`.
    line: Option<(Report, f64)>,
}

impl SenderClock {
    /// Nothing was reported. `clock_rate` is that of the RTP timestamps, in Hz; at least 1.
    pub fn new(clock_rate: u32) -> Self {
        Self {
            clock_rate: clock_rate.max(1),
            timestamps: Unwrapper::default(),
            reports: VecDeque::with_capacity(REPORTS),
            contradictions: 0,
            line: None,
        }
    }

    /// A sender report arrived: at `ntp` (64 bits as sent) the stream's clock said `timestamp`.
    ///
    /// # Errors
    /// It is not used, for the reason given.
    pub fn handle_report(&mut self, ntp: u64, timestamp: u32) -> Result<(), ReportError> {
        if ntp == 0 {
            return Err(ReportError::NoClock);
        }
        let report = Report { ntp: NtpTime::from_ntp(ntp).as_micros(), timestamp: self.timestamps.peek(timestamp) };
        if let Some(last) = self.reports.back() {
            if (report.ntp, report.timestamp) == (last.ntp, last.timestamp) {
                return Err(ReportError::Old);
            }
            let is_old = report.ntp <= last.ntp && report.timestamp <= last.timestamp;
            if !self.fits(&report) {
                self.contradictions += 1;
                if self.contradictions < CONTRADICTIONS {
                    return Err(if is_old { ReportError::Old } else { ReportError::Contradiction });
                }
                self.reports.clear();
                self.timestamps = Unwrapper::default();
            } else if is_old {
                return Err(ReportError::Old);
            }
        }
        self.contradictions = 0;
        if self.reports.len() == REPORTS {
            self.reports.pop_front();
        }
        self.reports.push_back(Report { ntp: report.ntp, timestamp: self.timestamps.unwrap(timestamp) });
        self.draw();
        Ok(())
    }

    /// What the sender's clock said when this timestamp was taken; `None` before the first report.
    pub fn time(&self, timestamp: u32) -> Option<NtpTime> {
        self.line.map(|_| NtpTime(self.at(self.timestamps.peek(timestamp)).round() as i64))
    }

    fn nominal(&self) -> f64 {
        1e6 / f64::from(self.clock_rate)
    }

    fn at(&self, timestamp: i64) -> f64 {
        let Some((from, slope)) = self.line else { return 0.0 };
        from.ntp as f64 + slope * timestamp.saturating_sub(from.timestamp) as f64
    }

    fn fits(&self, report: &Report) -> bool {
        let Some(last) = self.reports.back() else { return true };
        let passed = report.ntp.saturating_sub(last.ntp);
        let ticks = report.timestamp.saturating_sub(last.timestamp);
        if !(0..=APART).contains(&passed) || ticks < 0 {
            return false;
        }
        // A rate that the line did not know yet may be off by the tolerance for as long as nobody reported.
        (self.at(report.timestamp) - report.ntp as f64).abs() <= BESIDE.max(TOLERANCE * passed as f64)
    }

    /// The line of least squares through all reports, through their middle.
    fn draw(&mut self) {
        let Some(first) = self.reports.front().copied() else { return };
        let count = self.reports.len() as f64;
        let points = self.reports.iter().map(|report| {
            (report.timestamp.saturating_sub(first.timestamp) as f64, report.ntp.saturating_sub(first.ntp) as f64)
        });
        let (sum_x, sum_y) = points.clone().fold((0.0, 0.0), |sum, point| (sum.0 + point.0, sum.1 + point.1));
        let (middle_x, middle_y) = (sum_x / count, sum_y / count);
        let (mut spread, mut both) = (0.0, 0.0);
        for (x, y) in points {
            spread += (x - middle_x) * (x - middle_x);
            both += (x - middle_x) * (y - middle_y);
        }
        let nominal = self.nominal();
        let slope = if spread > 0.0 { both / spread } else { nominal };
        let slope = slope.clamp(nominal * (1.0 - TOLERANCE), nominal * (1.0 + TOLERANCE));
        let ntp = first.ntp as f64 + (middle_y - slope * middle_x);
        self.line = Some((Report { ntp: ntp.round() as i64, timestamp: first.timestamp }, slope));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 64 bits for so many µs after some day.
    fn ntp(micros: u64) -> u64 {
        let micros = 3_900_000_000_000_000 + micros;
        ((micros / 1_000_000) << 32) | (((micros % 1_000_000) << 32) / 1_000_000)
    }

    fn error_at(clock: &SenderClock, timestamp: u32, micros: u64) -> i64 {
        clock.time(timestamp).unwrap().as_micros() - (3_900_000_000_000_000 + micros) as i64
    }

    #[test]
    fn one_report_is_enough_and_its_rate_is_the_negotiated_one() {
        let mut clock = SenderClock::new(48_000);
        assert_eq!(clock.time(0), None);
        clock.handle_report(ntp(0), u32::MAX - 100).unwrap();
        assert!(error_at(&clock, 47_899, 1_000_000).abs() <= 1);
        assert!(error_at(&clock, u32::MAX - 48_100, 0).abs() - 1_000_000 <= 1);
    }

    #[test]
    fn drift_is_followed_and_noise_averaged() {
        let mut clock = SenderClock::new(90_000);
        for i in 0..100_u64 {
            // 300 ppm too fast, and each report wrong by up to 2 ms.
            let noise = i * 2_654_435_761 % 4_001;
            let timestamp = (i * 5 * 90_000) as f64 * 1.0003;
            clock.handle_report(ntp(i * 5_000_000 + noise - noise.min(2_000)), timestamp as u32).unwrap();
        }
        let error = error_at(&clock, (505.0 * 90_000.0 * 1.0003) as u32, 505_000_000);
        assert!(error.abs() < 2_000, "{error} µs");
    }

    #[test]
    fn a_wrong_report_is_ignored_and_a_step_believed_after_three() {
        let mut clock = SenderClock::new(90_000);
        for i in 0..10_u64 {
            clock.handle_report(ntp(i * 1_000_000), (i * 90_000) as u32).unwrap();
        }
        assert_eq!(clock.handle_report(ntp(10_700_000), 900_000), Err(ReportError::Contradiction));
        assert!(error_at(&clock, 990_000, 11_000_000).abs() < 10);
        clock.handle_report(ntp(11_000_000), 990_000).unwrap();
        assert_eq!(clock.handle_report(ntp(11_000_000), 990_000), Err(ReportError::Old));
        for (i, expected) in
            [(12, Err(ReportError::Contradiction)), (13, Err(ReportError::Contradiction)), (14, Ok(()))]
        {
            assert_eq!(clock.handle_report(ntp(i * 1_000_000 + 30_000_000), (i * 90_000) as u32), expected);
        }
        assert!(error_at(&clock, 15 * 90_000, 45_000_000).abs() < 10);
    }

    #[test]
    fn a_sender_without_a_clock_says_nothing() {
        let mut clock = SenderClock::new(90_000);
        assert_eq!(clock.handle_report(0, 90_000), Err(ReportError::NoClock));
        assert_eq!(clock.time(0), None);
    }

    proptest! {
        #[test]
        fn whatever_is_reported_there_is_an_answer_and_a_bound(
            reports in prop::collection::vec((any::<u64>(), any::<u32>()), 0..100),
            clock_rate in any::<u32>(),
        ) {
            let mut clock = SenderClock::new(clock_rate);
            for (ntp, timestamp) in reports {
                let _ = clock.handle_report(ntp, timestamp);
                prop_assert!(clock.reports.len() <= REPORTS);
                let _ = clock.time(timestamp.wrapping_mul(7));
            }
        }
    }
}
