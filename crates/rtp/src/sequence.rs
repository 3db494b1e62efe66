//! Sequence numbers of 16 bits as numbers that never wrap, and which of them have come.

/// How many numbers below the highest are remembered.
pub(crate) const WINDOW: u64 = 1_024;
const WORDS: usize = WINDOW as usize / 64;

/// The number that these 16 bits mean, nearest to the highest one known (RFC 3711 section 3.3.1). What would lie
/// before 0 is taken for what it would be ahead.
pub(crate) const fn extend(highest: u64, short: u16) -> u64 {
    let ahead = short.wrapping_sub(highest as u16) as i16;
    match highest.checked_add_signed(ahead as i64) {
        Some(extended) => extended,
        None => short as u64,
    }
}

/// Which of the latest numbers have come (RFC 3711 section 3.3.2).
#[derive(Clone, Debug, Default)]
pub(crate) struct Window {
    /// Meaningful once `started`.
    highest: u64,
    started: bool,
    /// The bit of a number is at its remainder.
    seen: [u64; WORDS],
}

impl Window {
    /// None has come.
    pub(crate) const fn new() -> Self {
        Self { highest: 0, started: false, seen: [0; WORDS] }
    }

    pub(crate) fn highest(&self) -> Option<u64> {
        self.started.then_some(self.highest)
    }

    /// Whether this number has not come yet, and is not too old to tell.
    pub(crate) fn is_new(&self, number: u64) -> bool {
        if !self.started || number > self.highest {
            return true;
        }
        self.highest - number < WINDOW && self.seen[word(number)] & bit(number) == 0
    }

    /// Whether this number is so old that whether it has come is not known any more.
    pub(crate) fn is_too_old(&self, number: u64) -> bool {
        self.started && self.highest.saturating_sub(number) >= WINDOW
    }

    /// It has come. What is too old stays unknown.
    pub(crate) fn insert(&mut self, number: u64) {
        if !self.started {
            self.started = true;
            self.highest = number;
        } else if number > self.highest {
            self.forget_between(number);
            self.highest = number;
        } else if self.highest - number >= WINDOW {
            return;
        }
        self.seen[word(number)] |= bit(number);
    }

    /// Those that `number` pushes out have the places of those that come in.
    fn forget_between(&mut self, number: u64) {
        if number - self.highest >= WINDOW {
            self.seen = [0; WORDS];
        } else {
            for passed in self.highest + 1..=number {
                self.seen[word(passed)] &= !bit(passed);
            }
        }
    }
}

const fn word(number: u64) -> usize {
    (number % WINDOW / 64) as usize
}

const fn bit(number: u64) -> u64 {
    1 << (number % 64)
}
