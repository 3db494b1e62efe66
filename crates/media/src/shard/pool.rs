//! Batches that were used up, kept to be filled again: so that packets on their way between shards need no memory.

use super::batch::{ForwardBatch, MediaBatch};

/// What a pool keeps.
pub(crate) trait Held {
    /// Bytes that it takes, used or not.
    fn held(&self) -> usize;
}

/// Batches of one kind. Each has grown to the largest turn that it ever carried: besides their number, their bytes are
/// bounded.
#[derive(Debug)]
pub(crate) struct Pool<T> {
    /// A box comes from a message of another shard, and goes into the next one.
    batches: Vec<Box<T>>,
    bytes: usize,
}

/// Batches in a pool.
const MOST: usize = 64;
/// Bytes of all of them: what a shard receives in some turns of a busy second.
const MOST_BYTES: usize = 8 << 20;

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Self { batches: Vec::new(), bytes: 0 }
    }
}

impl<T: Held> Pool<T> {
    /// One that was used up, as it was left.
    pub(crate) fn take(&mut self) -> Option<Box<T>> {
        let batch = self.batches.pop()?;
        self.bytes -= batch.held();
        Some(batch)
    }

    /// Keeps one, if there is room for it.
    pub(crate) fn keep(&mut self, batch: Box<T>) {
        let bytes = self.bytes + batch.held();
        if self.batches.len() < MOST && bytes <= MOST_BYTES {
            self.bytes = bytes;
            self.batches.push(batch);
        }
    }

    /// Gives back what nobody needs.
    pub(crate) fn clear(&mut self) {
        if !self.batches.is_empty() {
            *self = Self::default();
        }
    }

    /// Bytes of all that are kept.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Held for MediaBatch {
    fn held(&self) -> usize {
        self.capacity()
    }
}

impl Held for ForwardBatch {
    fn held(&self) -> usize {
        self.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Bytes(usize);

    impl Held for Bytes {
        fn held(&self) -> usize {
            self.0
        }
    }

    #[test]
    fn a_pool_keeps_neither_too_many_nor_too_large_ones() {
        let mut pool = Pool::default();
        (0..2 * MOST).for_each(|_| pool.keep(Box::new(Bytes(1_000))));
        assert_eq!((pool.batches.len(), pool.bytes), (MOST, MOST * 1_000));
        pool.clear();
        (0..MOST).for_each(|_| pool.keep(Box::new(Bytes(MOST_BYTES / 3))));
        assert_eq!(pool.batches.len(), 3);
        while pool.take().is_some() {}
        assert_eq!(pool.bytes, 0);
    }
}
