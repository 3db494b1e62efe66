//! Buffers that are held only while there is something in them, so that an idle connection holds
//! none.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};

/// Enough for two of the largest TLS records (RFC 8446, section 5.1), or some 25 full packets.
const BUFFER_BYTES: usize = 32 * 1024;
/// Kept by each thread for the next one who needs one. More are in use only while the media plane or
/// the network stands still.
const KEPT: usize = 4;

thread_local! {
    static FREE: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
}

/// [`BUFFER_BYTES`] bytes to read into, with anything in them; given back when dropped.
pub(super) struct Buffer(Option<Box<[u8]>>);

impl Buffer {
    pub(super) fn take() -> Self {
        let free = FREE.with_borrow_mut(Vec::pop);
        Self(Some(free.unwrap_or_else(|| vec![0; BUFFER_BYTES].into_boxed_slice())))
    }
}

impl Deref for Buffer {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        self.0.as_deref().unwrap_or_default()
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        self.0.as_deref_mut().unwrap_or_default()
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // A thread that is ending has no pool any more.
        let _ = FREE.try_with(|free| {
            let mut free = free.borrow_mut();
            if let Some(buffer) = self.0.take().filter(|_| free.len() < KEPT) {
                free.push(buffer);
            }
        });
    }
}
