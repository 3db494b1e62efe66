//! Waking a shard's thread, which sleeps in `poll`.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{EventfdFlags, eventfd};

/// Wakes one thread. Cheap to clone, and to call while the thread is awake.
#[derive(Clone, Debug)]
pub(crate) struct Waker(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    event: OwnedFd,
    /// Whether the thread sleeps, or is about to: only then does waking cost a system call.
    sleeps: AtomicBool,
}

impl Waker {
    /// # Errors
    /// The system's: no more file descriptors.
    pub(crate) fn new() -> io::Result<Self> {
        let event = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?;
        Ok(Self(Arc::new(Inner { event, sleeps: AtomicBool::new(true) })))
    }

    /// Wakes the thread, or keeps it from falling asleep.
    pub(crate) fn wake(&self) {
        // What was put into a queue before must be seen by whoever finds that nobody sleeps.
        std::sync::atomic::fence(Ordering::SeqCst);
        if self.0.sleeps.swap(false, Ordering::SeqCst) {
            // A full counter is not zero either, and that is all that counts.
            let _ = rustix::io::write(&self.0.event, &1u64.to_ne_bytes());
        }
    }

    /// The thread goes to sleep, unless what it does next finds work: call this before the last look
    /// into its queues.
    pub(crate) fn falls_asleep(&self) {
        self.0.sleeps.store(true, Ordering::SeqCst);
        std::sync::atomic::fence(Ordering::SeqCst);
    }

    /// The thread is awake. `woken`: its event was readable.
    pub(crate) fn awakes(&self, woken: bool) {
        self.0.sleeps.store(false, Ordering::SeqCst);
        if woken {
            // One read takes back all that was written.
            let _ = rustix::io::read(&self.0.event, &mut [0; 8]);
        }
    }

    /// Becomes readable when the thread is woken.
    pub(crate) fn event(&self) -> BorrowedFd<'_> {
        self.0.event.as_fd()
    }
}

#[cfg(test)]
impl Waker {
    /// Whether it was woken since the last time; it then sleeps again.
    pub(crate) fn was_woken(&self) -> bool {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let mut fds = [PollFd::from_borrowed_fd(self.event(), PollFlags::IN)];
        let woken = poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).expect("polls") == 1;
        self.awakes(woken);
        self.falls_asleep();
        woken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_sleeper_is_woken_and_only_once() {
        let waker = Waker::new().expect("an eventfd");
        waker.awakes(false);
        waker.wake();
        assert!(!waker.was_woken(), "it is awake");
        waker.wake();
        waker.wake();
        assert!(waker.was_woken());
        assert!(!waker.was_woken());
    }
}
