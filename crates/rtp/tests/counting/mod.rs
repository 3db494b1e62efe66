//! An allocator that counts, for each thread, what it has in use and how often it asked.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

thread_local! {
    static IN_USE: Cell<isize> = const { Cell::new(0) };
    static ASKED: Cell<usize> = const { Cell::new(0) };
}

fn count(bytes: isize, asked: usize) {
    // A thread that ends has no counter any more; nothing of it is measured then.
    let _ = IN_USE.try_with(|in_use| in_use.set(in_use.get() + bytes));
    let _ = ASKED.try_with(|times| times.set(times.get() + asked));
}

#[expect(unsafe_code, reason = "an allocator cannot be written without")]
// SAFETY: everything is the system allocator's, only counted.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize, 1);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize), 0);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What this thread has in use, in bytes; less than nothing if it freed what others had taken.
pub fn in_use() -> isize {
    IN_USE.get()
}

/// How often this thread has asked for memory.
pub fn asked() -> usize {
    ASKED.get()
}
