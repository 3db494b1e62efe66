//! What implementations of the authors of GCC, NADA and SCReAM gave in another simulator: whoever is far from that is not
//! faithful, or differs on purpose.

use conclave_network::{Controller, Figure};

/// A figure of a scenario: of GCC, NADA and SCReAM v2, in the units of the tables.
pub struct Elsewhere {
    pub scenario: &'static str,
    pub figure: Figure,
    gcc: &'static str,
    nada: &'static str,
    scream: &'static str,
}

impl Elsewhere {
    /// That of one controller; nothing of our own.
    pub fn of(&self, kind: Controller) -> Option<&'static str> {
        match kind {
            Controller::Gcc => Some(self.gcc),
            Controller::Nada => Some(self.nada),
            Controller::Scream => Some(self.scream),
            Controller::Conclave => None,
        }
    }
}

const fn known(
    scenario: &'static str,
    figure: Figure,
    gcc: &'static str,
    nada: &'static str,
    scream: &'static str,
) -> Elsewhere {
    Elsewhere { scenario, figure, gcc, nada, scream }
}

/// All that is known.
pub const ELSEWHERE: &[Elsewhere] = &[
    known("5.1", Figure::Utilisation, "93.0", "93.4", "93.5"),
    known("5.1", Figure::Delay95, "59", "37", "49"),
    known("5.2", Figure::Delay95, "248", "49", "45"),
    known("5.4", Figure::Newcomer, "never", "35", "28"),
    known("5.6", Figure::MediaShare, "44", "29", "15"),
    known("drop-camera", Figure::StepUp, "18.7", "7.9", "3.6"),
    known("loss-10-camera", Figure::Utilisation, "98", "8", "17"),
];
