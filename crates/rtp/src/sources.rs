//! What is known of each source of a leg.

use crate::Ssrc;

/// A bounded map from sources to what is known of them. A leg has few and asks often: sorted, so that a look-up is a
/// handful of comparisons within one or two cache lines, without hashing.
#[derive(Debug)]
pub(crate) struct Sources<T> {
    keys: Vec<Ssrc>,
    values: Vec<T>,
    /// Packets come in runs of one source.
    last: usize,
    limit: usize,
}

impl<T> Sources<T> {
    pub(crate) const fn with_limit(limit: usize) -> Self {
        Self { keys: Vec::new(), values: Vec::new(), last: 0, limit }
    }

    pub(crate) fn get_mut(&mut self, ssrc: Ssrc) -> Option<&mut T> {
        if self.keys.get(self.last) != Some(&ssrc) {
            self.last = self.keys.binary_search(&ssrc).ok()?;
        }
        self.values.get_mut(self.last)
    }

    pub(crate) fn get(&self, ssrc: Ssrc) -> Option<&T> {
        self.keys.binary_search(&ssrc).ok().map(|index| &self.values[index])
    }

    pub(crate) fn is_full(&self) -> bool {
        self.keys.len() >= self.limit
    }

    /// In place of what was known. `false`, and nothing is kept, where there is no room for another source.
    #[must_use]
    pub(crate) fn insert(&mut self, ssrc: Ssrc, value: T) -> bool {
        match self.keys.binary_search(&ssrc) {
            Ok(index) => self.values[index] = value,
            Err(_) if self.is_full() => return false,
            Err(index) => {
                self.keys.insert(index, ssrc);
                self.values.insert(index, value);
            }
        }
        true
    }

    pub(crate) fn remove(&mut self, ssrc: Ssrc) {
        if let Ok(index) = self.keys.binary_search(&ssrc) {
            self.keys.remove(index);
            self.values.remove(index);
        }
    }

    pub(crate) fn clear(&mut self) {
        self.keys.clear();
        self.values.clear();
    }
}
