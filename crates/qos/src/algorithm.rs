//! The controllers there are, for who lets somebody choose.

use std::fmt;
use std::str::FromStr;

use crate::{Conclave, CongestionController, Gcc, Limits, Nada, Scream};

/// Which controller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// [`Conclave`], the one of our own.
    #[default]
    Conclave,
    /// [`Gcc`], as libwebrtc has it.
    Gcc,
    /// [`Nada`], RFC 8698.
    Nada,
    /// [`Scream`], SCReAM v2.
    Scream,
}

/// No controller has this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownAlgorithm;

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Conclave, Self::Gcc, Self::Nada, Self::Scream];

    /// As options and tables call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Conclave => "conclave",
            Self::Gcc => "gcc",
            Self::Nada => "nada",
            Self::Scream => "scream",
        }
    }

    /// A controller for one path.
    pub fn controller(self, limits: Limits) -> Box<dyn CongestionController> {
        match self {
            Self::Conclave => Box::new(Conclave::new(limits)),
            Self::Gcc => Box::new(Gcc::new(limits)),
            Self::Nada => Box::new(Nada::new(limits)),
            Self::Scream => Box::new(Scream::new(limits)),
        }
    }
}

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;
    fn from_str(name: &str) -> Result<Self, UnknownAlgorithm> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name).ok_or(UnknownAlgorithm)
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl fmt::Display for UnknownAlgorithm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("expected ")?;
        for (place, algorithm) in Algorithm::ALL.into_iter().enumerate() {
            let before = if place == 0 { "" } else { ", " };
            write!(formatter, "{before}{algorithm}")?;
        }
        Ok(())
    }
}

impl std::error::Error for UnknownAlgorithm {}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{Demand, SendHistory, SentPacket, Time};

    #[test]
    fn each_is_found_by_its_name_and_nothing_else_is() {
        for algorithm in Algorithm::ALL {
            assert_eq!(algorithm.to_string().parse(), Ok(algorithm));
        }
        for name in ["", "Gcc", "bbr"] {
            assert_eq!(name.parse::<Algorithm>(), Err(UnknownAlgorithm));
        }
        assert_eq!(UnknownAlgorithm.to_string(), "expected conclave, gcc, nada, scream");
    }

    #[test]
    fn each_begins_where_it_is_told_to() {
        let limits = Limits { start: crate::Bitrate::kbps(700), ..Limits::default() };
        for algorithm in Algorithm::ALL {
            assert_eq!(algorithm.controller(limits).control().target, limits.start, "{algorithm}");
        }
    }

    #[test]
    fn each_begins_anew_by_another_route_but_for_what_it_was_told() {
        let kbps = crate::Bitrate::kbps;
        let limits = Limits { start: kbps(700), ..Limits::default() };
        for algorithm in Algorithm::ALL {
            let mut controller = algorithm.controller(limits);
            let mut history = SendHistory::new();
            controller.handle_demand(Time::default(), Demand { sending: kbps(600), wanted: kbps(2_000) });
            for round in 0..100 {
                let now = Time::since_start(Duration::from_millis(round * 50));
                let sequence = history.next_sequence();
                for _ in 0..5 {
                    let sent = SentPacket { at: now, size: 1_200, probe: None, is_media: true };
                    history.record(sent);
                    controller.handle_sent(&sent);
                }
                // A queue that grows, and half of the packets lost.
                let arrived = |number: u16| Some(Duration::from_millis(round * 80 + u64::from(number)));
                let reports = (0..5).map(|number| (sequence + number, arrived(number).filter(|_| number % 2 == 0)));
                let mut results = Vec::new();
                history.acknowledge(reports, &mut results);
                controller.handle_feedback(now + Duration::from_millis(40), &results);
            }
            let now = Time::since_start(Duration::from_secs(6));
            assert!(controller.control().target < kbps(500), "{algorithm}: {:?}", controller.control());
            controller.handle_route_change(now);
            assert_eq!(controller.control().target, limits.start, "{algorithm}");
        }
    }
}
