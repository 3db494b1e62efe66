//! What the system says of this process.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Of the whole process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Usage {
    /// Memory in use (resident set), in bytes; none where the system does not tell.
    pub(super) memory_bytes: Option<u64>,
    /// CPU time since the start, of all threads.
    pub(super) cpu: Duration,
}

/// Asks the system. Takes some microseconds.
pub(super) fn usage() -> Usage {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    // Below 10^9 by the clock's definition.
    let cpu = Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0));
    Usage { memory_bytes: std::fs::read_to_string("/proc/self/statm").ok().and_then(|text| resident(&text)), cpu }
}

/// The second field of `/proc/self/statm` is in pages (proc(5)).
fn resident(statm: &str) -> Option<u64> {
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_field_counts_pages() {
        let page = rustix::param::page_size() as u64;
        assert_eq!(resident("900 12 3 4 5 6 0\n"), Some(12 * page));
        assert_eq!(resident("900"), None);
        assert_eq!(resident(""), None);
    }

    #[test]
    fn this_process_uses_memory_and_time() {
        let usage = usage();
        assert!(usage.cpu > Duration::ZERO);
        assert!(usage.memory_bytes.is_none_or(|bytes| bytes > 1_000_000));
    }
}
