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
    use super::*;

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
}
