//! Where streams meet the media thread: which have something for it, and how many there are.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Stream;
use crate::shard::Waker;
use conclave_turn::StreamId;

/// Shared by the handle, all streams and the media thread.
#[derive(Debug)]
pub(crate) struct Hub {
    queue: Mutex<Queue>,
    /// Wakes the media thread.
    wake: Waker,
    /// Streams that are not forgotten by both ends.
    open: AtomicUsize,
    most: usize,
    last: AtomicU64,
}

#[derive(Debug, Default)]
struct Queue {
    /// Each stream at most once, so as long as there are streams at most.
    ready: VecDeque<Arc<Stream>>,
    stopped: bool,
}

impl Hub {
    pub(crate) fn new(wake: Waker, most: usize) -> Self {
        Self { queue: Mutex::default(), wake, open: AtomicUsize::new(0), most, last: AtomicU64::new(0) }
    }

    /// A number for one more stream, if there may be one; whoever gets it calls [`Self::forget`].
    pub(super) fn admit(&self) -> Option<StreamId> {
        let one_more = |open| (open < self.most).then_some(open + 1);
        self.open.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok()?;
        Some(StreamId(self.last.fetch_add(1, Ordering::Relaxed) + 1))
    }

    /// A stream is no more.
    pub(super) fn forget(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }

    /// Tells the media thread to look at a stream. False if there is no media thread any more.
    pub(super) fn push(&self, stream: Arc<Stream>) -> bool {
        let mut queue = self.lock();
        if queue.stopped {
            return false;
        }
        queue.ready.push_back(stream);
        let first = queue.ready.len() == 1;
        drop(queue);
        // Whoever finds others in the queue knows that the thread has been woken for them.
        if first {
            self.wake.wake();
        }
        true
    }

    /// The next stream that the media thread shall look at.
    pub(super) fn pop(&self) -> Option<Arc<Stream>> {
        self.lock().ready.pop_front()
    }

    /// Whether some wait to be looked at.
    pub(crate) fn has_ready(&self) -> bool {
        !self.lock().ready.is_empty()
    }

    /// There is no media thread any more: streams close.
    pub(crate) fn stop(&self) {
        let mut queue = self.lock();
        queue.stopped = true;
        let ready = std::mem::take(&mut queue.ready);
        drop(queue);
        ready.iter().for_each(|stream| stream.close());
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // No operation on the queue leaves it half done.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
