//! How often one client may be wrong about tokens. Without I/O: the time is an argument.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::Duration;

use crate::net::Source;

/// Wrong tokens that a client may send at once: a page that lost its token asks for several things.
const BURST: u32 = 20;
/// One more after each such time.
const REFILL: Duration = Duration::from_secs(6);
/// Clients that are remembered. More than that at once are an attack, and share what one has.
const CLIENTS: usize = 4_096;

/// Who was wrong lately.
#[derive(Debug, Default)]
pub(super) struct Guesses {
    /// When the last of a client's wrong tokens is forgotten.
    until: HashMap<Source, Duration>,
    /// The same for all who are not remembered.
    others: Duration,
}

impl Guesses {
    /// How long this client has to wait before another token of it is looked at; none: not at all.
    pub(super) fn wait(&self, now: Duration, source: Source) -> Option<Duration> {
        let until = match self.until.get(&source) {
            Some(until) => *until,
            None if self.until.len() >= CLIENTS => self.others,
            None => return None,
        };
        let owed = until.saturating_sub(now);
        // The next one is allowed when one less than the burst is owed.
        owed.checked_sub(REFILL * (BURST - 1)).filter(|wait| !wait.is_zero())
    }

    /// A token of this client was wrong.
    pub(super) fn wrong(&mut self, now: Duration, source: Source) {
        if self.until.len() >= CLIENTS {
            self.until.retain(|_, until| *until > now);
        }
        let is_full = self.until.len() >= CLIENTS;
        let until = match self.until.entry(source) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(_) if is_full => &mut self.others,
            Entry::Vacant(new) => new.insert(Duration::ZERO),
        };
        *until = (*until).max(now) + REFILL;
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    fn source(number: u32) -> Source {
        Source::of(IpAddr::V4(Ipv4Addr::from_bits(number)))
    }

    const NOW: Duration = Duration::from_secs(1_000);

    #[test]
    fn after_a_burst_of_wrong_tokens_a_client_has_to_wait() {
        let mut guesses = Guesses::default();
        for _ in 0..BURST {
            assert_eq!(guesses.wait(NOW, source(1)), None);
            guesses.wrong(NOW, source(1));
        }
        assert_eq!(guesses.wait(NOW, source(1)), Some(REFILL));
        assert_eq!(guesses.wait(NOW, source(2)), None, "others do not");
        assert_eq!(guesses.wait(NOW + REFILL, source(1)), None);
        guesses.wrong(NOW + REFILL, source(1));
        assert_eq!(guesses.wait(NOW + REFILL, source(1)), Some(REFILL));
    }

    #[test]
    fn in_the_long_run_everything_is_forgotten() {
        let mut guesses = Guesses::default();
        for _ in 0..BURST {
            guesses.wrong(NOW, source(1));
        }
        let later = NOW + REFILL * BURST;
        for _ in 0..BURST {
            assert_eq!(guesses.wait(later, source(1)), None);
            guesses.wrong(later, source(1));
        }
        assert!(guesses.wait(later, source(1)).is_some());
    }

    #[test]
    fn a_crowd_of_guessers_shares_one_allowance_and_takes_no_more_memory() {
        let mut guesses = Guesses::default();
        for number in 0..CLIENTS as u32 + BURST {
            guesses.wrong(NOW, source(number));
        }
        assert_eq!(guesses.until.len(), CLIENTS);
        assert!(guesses.wait(NOW, source(1 << 20)).is_some());
        assert_eq!(guesses.wait(NOW, source(5)), None, "who was there before keeps its own");
        guesses.wrong(NOW + REFILL * 2, source(1 << 20));
        assert_eq!(guesses.until.len(), 1, "those whose time is over make room");
    }
}
