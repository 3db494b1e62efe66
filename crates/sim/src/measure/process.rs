//! What the kernel knows of another process: processor time, threads, memory.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::time::{Duration, Instant};

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

/// For how long processes could not do what they had to: looks at their threads now and then.
#[derive(Debug)]
pub struct Starvation {
    processes: Vec<u32>,
    looked: Instant,
    /// Of each thread: how long it has run and waited by then.
    before: HashMap<u32, Schedule>,
}

/// How long a thread has run, and how long it had something to do while no processor was free for it.
#[derive(Clone, Copy, Debug, Default)]
struct Schedule {
    ran: Duration,
    waited: Duration,
}

/// A thread that rests for less of the time than this is behind with its work. One that rests has done all of it, so that
/// nothing was late for longer than between two looks, however often it had to wait.
const REST: f64 = 0.05;

impl Starvation {
    /// Looks at the threads of these processes, whichever they are from time to time.
    pub fn new(processes: Vec<u32>) -> Self {
        let mut starvation = Self { processes, looked: Instant::now(), before: HashMap::new() };
        starvation.since_last_look();
        starvation
    }

    /// For how long, since the last look, threads that were behind with their work waited for a processor, all together:
    /// nothing where the kernel does not tell it. A thread counts from the look on that sees it first.
    pub fn since_last_look(&mut self) -> Duration {
        let now = self.schedules();
        let time = std::mem::replace(&mut self.looked, Instant::now()).elapsed();
        let behind = |(id, now): (&u32, &Schedule)| self.before.get(id).map(|before| now.behind(before, time));
        let behind = now.iter().filter_map(behind).sum();
        self.before = now;
        behind
    }

    fn schedules(&self) -> HashMap<u32, Schedule> {
        let tasks = self.processes.iter().map(|process| fs::read_dir(format!("/proc/{process}/task")));
        let tasks = tasks.flatten().flatten().flatten();
        let schedules = tasks.filter_map(|task| {
            let id = task.file_name().to_string_lossy().parse().ok()?;
            // A thread may end while it is looked at.
            let times = fs::read_to_string(task.path().join("schedstat")).ok()?;
            let mut times = times.split_whitespace().map(|time| time.parse().map(Duration::from_nanos));
            Some((id, Schedule { ran: times.next()?.ok()?, waited: times.next()?.ok()? }))
        });
        schedules.collect()
    }
}

impl Schedule {
    /// How long it has waited since then, if it was behind with its work for all that time.
    fn behind(&self, before: &Self, time: Duration) -> Duration {
        // The kernel counts a wait when it is over: it may have been longer than the time between two looks.
        let (ran, waited) = (self.ran.saturating_sub(before.ran), self.waited.saturating_sub(before.waited));
        if ran + waited >= time.mul_f64(1.0 - REST) { waited } else { Duration::ZERO }
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
    fn only_who_never_rests_is_behind_and_only_for_as_long_as_it_waits() {
        let ms = Duration::from_millis;
        let behind = |ran: u64, waited: u64| {
            let now = Schedule { ran: ms(1_000 + ran), waited: ms(500 + waited) };
            now.behind(&Schedule { ran: ms(1_000), waited: ms(500) }, ms(250))
        };
        assert_eq!(behind(10, 200), ms(0), "it rested for 40 ms");
        assert_eq!(behind(10, 235), ms(235));
        assert_eq!(behind(250, 0), ms(0), "it works all the time, and may");
        assert_eq!(behind(0, 2_000), ms(2_000), "it waited since before the last look");
    }

    #[test]
    fn threads_are_behind_where_there_are_more_than_processors() {
        let processors = std::thread::available_parallelism().expect("known").get();
        let starvation = std::sync::Mutex::new(Starvation::new(vec![std::process::id()]));
        let is_enough = std::sync::atomic::AtomicBool::new(false);
        let order = std::sync::atomic::Ordering::Relaxed;
        std::thread::scope(|scope| {
            for _ in 0..=2 * processors {
                scope.spawn(|| {
                    while !is_enough.load(order) {
                        let Ok(mut starvation) = starvation.try_lock() else { continue };
                        // Long enough that each had its turn.
                        if starvation.looked.elapsed() > Duration::from_millis(50) {
                            is_enough.fetch_or(!starvation.since_last_look().is_zero(), order);
                        }
                    }
                });
            }
        });
        assert_eq!(Starvation::new(vec![u32::MAX]).since_last_look(), Duration::ZERO);
    }

    #[test]
    fn a_process_that_is_not_there_has_used_nothing() {
        assert_eq!(ProcessUse::of(u32::MAX), None);
    }
}
