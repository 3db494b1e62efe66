//! What the kernel knows of another process: processor time, threads, memory.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::time::Duration;

/// What a process has used so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessUse {
    /// Time on a processor by thread, to the nanosecond (`schedstat`; the ticks of `stat` are too coarse for seconds):
    /// id and name.
    pub threads: BTreeMap<(u32, String), Duration>,
    /// Bytes in memory (`VmRSS`).
    pub resident: u64,
    /// Those of them that are the process's own (`RssAnon`): code read from disk does not count.
    pub anonymous: u64,
}

/// What a process has used between two looks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Of all threads together.
    pub processor: Duration,
    /// Of each thread that ran, by name; threads of one name apart, busiest first.
    pub threads: Vec<(String, Duration)>,
    /// Bytes in memory at the end.
    pub resident: u64,
    /// Those that are its own.
    pub anonymous: u64,
}

impl ProcessUse {
    /// Looks at a process; `None` if it does not run.
    pub fn of(pid: u32) -> Option<Self> {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let bytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            Some(line.trim_matches([':', ' ', '\t']).trim_end_matches(" kB").parse::<u64>().ok()? * 1_024)
        };
        let mut threads = BTreeMap::new();
        for task in fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten() {
            let read = |file| fs::read_to_string(task.path().join(file)).ok();
            // A thread may end while it is looked at.
            let (Some(name), Some(times)) = (read("comm"), read("schedstat")) else { continue };
            let id = task.file_name().to_string_lossy().parse().ok();
            let ran = times.split_whitespace().next().and_then(|time| time.parse().ok());
            if let (Some(id), Some(ran)) = (id, ran) {
                threads.insert((id, name.trim().to_owned()), Duration::from_nanos(ran));
            }
        }
        Some(Self { threads, resident: bytes("VmRSS")?, anonymous: bytes("RssAnon")? })
    }

    /// What was used since an earlier look. What threads used that have ended meanwhile is not known.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Usage {
        let used = self.threads.iter().map(|(thread, ran)| {
            let before = earlier.threads.get(thread).copied().unwrap_or_default();
            (thread.1.clone(), ran.saturating_sub(before))
        });
        let mut threads: Vec<_> = used.filter(|(_, ran)| !ran.is_zero()).collect();
        threads.sort_by_key(|(_, ran)| std::cmp::Reverse(*ran));
        let processor = threads.iter().map(|(_, ran)| *ran).sum();
        Usage { processor, threads, resident: self.resident, anonymous: self.anonymous }
    }
}

impl Usage {
    /// Time of the threads whose name begins so.
    pub fn of_threads(&self, prefix: &str) -> Vec<Duration> {
        self.threads.iter().filter(|(name, _)| name.starts_with(prefix)).map(|(_, ran)| *ran).collect()
    }
}

/// How long threads have been kept waiting: they had something to do, and no processor was free for them.
#[derive(Debug)]
pub struct Waiting {
    processes: Vec<u32>,
    /// Of each thread, up to the last look.
    before: HashMap<u32, Duration>,
}

impl Waiting {
    /// Looks at the threads of these processes, whichever they are from time to time.
    pub fn new(processes: Vec<u32>) -> Self {
        let mut waiting = Self { processes, before: HashMap::new() };
        waiting.since_last_look();
        waiting
    }

    /// Time that all threads together have waited since the last look (the second figure of `schedstat`), nothing where
    /// the kernel does not tell it. A thread counts from the look on that sees it first.
    pub fn since_last_look(&mut self) -> Duration {
        let mut now = HashMap::with_capacity(self.before.len());
        for process in &self.processes {
            for task in fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten() {
                let id = task.file_name().to_string_lossy().parse().ok();
                // A thread may end while it is looked at.
                let times = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
                let waited = times.split_whitespace().nth(1).and_then(|time| time.parse().ok());
                if let (Some(id), Some(waited)) = (id, waited) {
                    now.insert(id, Duration::from_nanos(waited));
                }
            }
        }
        let waited = |(id, now): (&u32, &Duration)| self.before.get(id).map(|before| now.saturating_sub(*before));
        let waited = now.iter().filter_map(waited).sum();
        self.before = now;
        waited
    }
}

/// Packets that the kernel has dropped at the UDP sockets of this network namespace: what sinks do not want, for one.
pub fn socket_drops() -> u64 {
    let count = |file| {
        let text = fs::read_to_string(file).unwrap_or_default();
        let drops = |line: &str| line.split_whitespace().last()?.parse::<u64>().ok();
        text.lines().skip(1).filter_map(drops).sum::<u64>()
    };
    count("/proc/net/udp") + count("/proc/net/udp6")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_works_is_seen_by_its_name() {
        let before = ProcessUse::of(std::process::id()).expect("this process runs");
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let worker = std::thread::Builder::new().name("at-work".to_owned()).spawn(move || {
            let mut sum = 0_u64;
            while matches!(stopped.try_recv(), Err(std::sync::mpsc::TryRecvError::Empty)) {
                sum = (0..10_000_u64).fold(sum, |sum, n| std::hint::black_box(sum ^ n));
            }
        });
        let usage = loop {
            let now = ProcessUse::of(std::process::id()).expect("this process runs").since(&before);
            if now.of_threads("at-work").first().is_some_and(|ran| *ran > Duration::from_millis(5)) {
                break now;
            }
        };
        drop(stop);
        worker.expect("started").join().expect("ended well");
        assert!(usage.processor >= Duration::from_millis(5));
        assert!(usage.resident > 1 << 20 && usage.anonymous <= usage.resident);
    }

    #[test]
    fn threads_wait_for_each_other_where_there_are_more_than_processors() {
        let processors = std::thread::available_parallelism().expect("known").get();
        let waiting = std::sync::Mutex::new(Waiting::new(vec![std::process::id()]));
        let is_enough = std::sync::atomic::AtomicBool::new(false);
        let order = std::sync::atomic::Ordering::Relaxed;
        std::thread::scope(|scope| {
            for _ in 0..=2 * processors {
                scope.spawn(|| {
                    let mut waited = Duration::ZERO;
                    while !is_enough.load(order) {
                        let Ok(mut waiting) = waiting.try_lock() else { continue };
                        waited += waiting.since_last_look();
                        if waited > Duration::from_millis(2) {
                            is_enough.store(true, order);
                        }
                    }
                });
            }
        });
        assert_eq!(Waiting::new(vec![u32::MAX]).since_last_look(), Duration::ZERO);
    }

    #[test]
    fn a_process_that_is_not_there_has_used_nothing() {
        assert_eq!(ProcessUse::of(u32::MAX), None);
    }
}
