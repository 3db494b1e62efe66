//! What the kernel knows of another process.

use std::fs;
use std::time::Duration;

/// Time that the threads of a process have run (`/proc/PID/task/*/schedstat`), to the nanosecond:
/// the clock ticks of `/proc/PID/stat` would be too coarse for a run of seconds.
pub fn processor_time(pid: u32) -> Duration {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("the process runs");
    let nanoseconds = tasks.flatten().filter_map(|task| {
        let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanoseconds.sum())
}

/// Bytes of memory that are the process's own: anonymous pages (`RssAnon` of `/proc/PID/status`), so
/// that code read from disk does not count.
pub fn memory(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("every process has it");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1_024
}

/// Ends this process, whatever it does, so that a hanging server holds up nothing else.
pub fn end_after(time: Duration) {
    std::thread::spawn(move || {
        std::thread::sleep(time);
        eprintln!("the benchmark took longer than {} s", time.as_secs());
        std::process::exit(1);
    });
}
