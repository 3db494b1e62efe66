//! The controllers that are compared.

use conclave_qos::{Conclave, CongestionController, Ecn, Gcc, Limits, Nada, Scream};

/// Which controller every flow of a run has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Google congestion control.
    Gcc,
    /// RFC 8698.
    Nada,
    /// SCReAM v2, draft-ietf-ccwg-rfc8298bis-screamv2.
    Scream,
    /// Conclave's own.
    Conclave,
}

impl Kind {
    /// All, in the order of the tables.
    pub const ALL: &[Self] = &[Self::Gcc, Self::Nada, Self::Scream, Self::Conclave];

    /// As options and tables call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gcc => "gcc",
            Self::Nada => "nada",
            Self::Scream => "scream",
            Self::Conclave => "conclave",
        }
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }

    /// How its packets say that they take marks, where a scenario lets them: as L4S, or not at all.
    pub const fn ecn(self) -> Ecn {
        match self {
            Self::Gcc | Self::Nada => Ecn::NotEct,
            Self::Scream | Self::Conclave => Ecn::Ect1,
        }
    }

    /// A new one.
    pub(crate) fn controller(self, limits: Limits) -> Box<dyn CongestionController> {
        match self {
            Self::Gcc => Box::new(Gcc::new(limits)),
            Self::Nada => Box::new(Nada::new(limits)),
            Self::Scream => Box::new(Scream::new(limits)),
            Self::Conclave => Box::new(Conclave::new(limits)),
        }
    }
}
