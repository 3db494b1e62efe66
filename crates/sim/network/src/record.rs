//! What is written down of a run: a line each 100 ms for each agent, and how long media waited.

use conclave_qos::Time;

use crate::event::AgentId;
use crate::units::{MILLI, micros};

/// The length of a line, µs.
pub const LINE: u64 = 100 * MILLI;
/// What delays are told apart by, µs...
const GRAIN: u64 = 100;
/// ...up to four seconds; longer ones count as that.
const GRAINS: usize = 40_000;

/// What happened to one agent in 100 ms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// Bits of media or TCP segments, all headers counted, that left the last link towards the receiver.
    pub delivered: u64,
    /// The same for padding.
    pub padding: u64,
    /// Packets of media that left the last link.
    pub packets: u32,
    /// What they waited in queues together, µs.
    pub waited: u64,
    /// Packets of media that came to the first link.
    pub sent: u32,
    /// Packets of media that were lost.
    pub lost: u32,
}

/// How often which delay was seen. Bounded, exact to 0.1 ms.
#[derive(Clone, Debug)]
pub struct Delays {
    counts: Vec<u32>,
    total: u64,
}

impl Default for Delays {
    fn default() -> Self {
        Self { counts: vec![0; GRAINS], total: 0 }
    }
}

impl Delays {
    /// Takes one, µs.
    pub fn add(&mut self, micros: u64) {
        let index = (micros / GRAIN).min(GRAINS as u64 - 1) as usize;
        self.counts[index] += 1;
        self.total += 1;
    }

    /// The delay that this share of all stays at or below, ms; `None` if there was none.
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let rank = ((share * self.total as f64).ceil() as u64).max(1);
        let mut seen = 0;
        let index = self.counts.iter().position(|count| {
            seen += u64::from(*count);
            seen >= rank
        })?;
        Some(index as f64 * GRAIN as f64 / 1_000.0)
    }
}

/// Everything that is written down.
#[derive(Clone, Debug)]
pub struct Record {
    /// For each agent (flows first, then TCP) a line each [`LINE`].
    pub lines: Vec<Vec<Line>>,
    /// Bits that the first link could carry in each [`LINE`].
    pub carried: Vec<u64>,
    /// How long packets of media waited in queues.
    pub delays: Delays,
    /// The same within the scenario's focus.
    pub focused: Delays,
    focus: (Time, Time),
}

impl Record {
    pub(crate) fn new(agents: usize, length: Time, focus: (Time, Time)) -> Self {
        let lines = (micros(length) / LINE) as usize + 1;
        Self {
            lines: vec![vec![Line::default(); lines]; agents],
            carried: Vec::new(),
            delays: Delays::default(),
            focused: Delays::default(),
            focus,
        }
    }

    /// The line of this moment; the last one for what comes after the end.
    pub(crate) fn line(&mut self, now: Time, agent: AgentId) -> &mut Line {
        let lines = &mut self.lines[usize::from(agent.0)];
        let last = lines.len() - 1;
        &mut lines[((micros(now) / LINE) as usize).min(last)]
    }

    /// A packet of media left the last link, having waited so long, µs.
    pub(crate) fn deliver(&mut self, now: Time, agent: AgentId, bits: u64, waited: u64) {
        let line = self.line(now, agent);
        line.delivered += bits;
        line.packets += 1;
        line.waited += waited;
        self.delays.add(waited);
        if (self.focus.0..self.focus.1).contains(&now) {
            self.focused.add(waited);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_sorted_delays() {
        let mut delays = Delays::default();
        assert_eq!(delays.quantile(0.5), None);
        for delay in 1..=100 {
            delays.add(delay * 1_000);
        }
        delays.add(u64::MAX);
        let quantile = |share| delays.quantile(share).expect("some");
        assert_eq!((quantile(0.0), quantile(0.5), quantile(0.95)), (1.0, 51.0, 96.0));
        assert_eq!(quantile(1.0), 3_999.9);
    }
}
