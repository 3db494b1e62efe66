//! Which cores this process may use.

use std::io;

use rustix::thread::{CpuSet, Pid, sched_getaffinity, sched_setaffinity};

/// All threads keep off core 0, which a server has to itself, until this is dropped.
///
/// Threads that begin meanwhile inherit it.
#[derive(Debug)]
pub struct OffTheFirstCore {
    before: CpuSet,
}

impl OffTheFirstCore {
    /// `None`: there is no other core, or the system does not let anybody choose.
    pub fn keep() -> Option<Self> {
        let before = sched_getaffinity(None).ok()?;
        let mut others = before;
        others.unset(0);
        if others.count() == 0 {
            return None;
        }
        // Dropped, and thereby undone, if some threads do not follow.
        let kept = Self { before };
        set_all(&others).ok()?;
        Some(kept)
    }
}

impl Drop for OffTheFirstCore {
    fn drop(&mut self) {
        // Whoever measures next has fewer cores then, which the figures tell.
        let _ = set_all(&self.before);
    }
}

fn set_all(cores: &CpuSet) -> io::Result<()> {
    for thread in std::fs::read_dir("/proc/self/task")? {
        let id = thread?.file_name().to_string_lossy().parse().ok().and_then(Pid::from_raw);
        sched_setaffinity(Some(id.ok_or(io::ErrorKind::InvalidData)?), cores)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_keep_off_the_first_core_while_a_server_has_it() {
        let all = sched_getaffinity(None).expect("known");
        let Some(kept) = OffTheFirstCore::keep() else {
            assert_eq!(all.count(), 1, "there were others");
            return;
        };
        let uses_first = || sched_getaffinity(None).expect("known").is_set(0);
        assert!(!uses_first());
        assert!(!std::thread::spawn(uses_first).join().expect("no fault"), "inherited");
        drop(kept);
        assert_eq!(sched_getaffinity(None).expect("known"), all);
    }
}
