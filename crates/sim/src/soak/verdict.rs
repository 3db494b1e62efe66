//! What is wrong with a server that should be as it was.

use std::collections::BTreeMap;
use std::time::Duration;

use super::server::Metrics;
use super::wave::Tally;

/// Gauges that are zero when nobody is there.
pub(super) const LEFT_BEHIND: &[&str] = &[
    "conclave_media_legs",
    "conclave_media_rooms",
    "conclave_media_streams",
    "conclave_media_leg_paths",
    "conclave_media_shard_legs",
    "conclave_turn_allocations",
    "conclave_turn_users",
    "conclave_turn_streams",
    "conclave_rooms",
    "conclave_participants",
    "conclave_viewers",
    "conclave_websockets",
];

/// Memory of what the server remembers for its administrator of those who have left lately, which are as many after each
/// wave.
pub(super) const HISTORIES: &str = "conclave_history_bytes";

/// Counters that no client, and no network, can make rise: only a fault of the server.
const FAULTS: &[&str] = &[
    "conclave_media_faults_total",
    "conclave_media_room_faults_total",
    "conclave_turn_faults_total",
    "conclave_room_panics_total",
    "conclave_panics_total",
    "conclave_media_events_lost_total",
    "conclave_storage_failures_total",
    "conclave_media_socket_errors_total",
    "conclave_media_ended_total{reason=\"panic\"",
    "conclave_media_ended_total{reason=\"engine\"",
    "conclave_media_ended_total{reason=\"flood\"",
    "conclave_media_ended_total{reason=\"handshake\"",
    "conclave_media_ended_total{reason=\"consent\"",
    "conclave_media_dropped_total{reason=\"unsendable\"",
    "conclave_media_dropped_total{reason=\"shard\"",
    "conclave_media_dropped_total{reason=\"backlog\"",
    "conclave_media_dropped_total{reason=\"malformed\"",
    "conclave_media_dropped_total{reason=\"forged-srtp\"",
];

/// Share of a core that a thread may use when nobody is there: looking at the clock a few times a second is all.
const IDLE_THREAD: f64 = 0.03;
/// And all threads together, once a second at most.
const IDLE_PROCESS: f64 = 0.06;
/// Lines of its log that are told; one fault mostly brings many.
const MOST_WRITTEN: usize = 10;
/// Memory that may come and go between two empty servers: 5 %, and what an allocator keeps for the next wave.
const MARGIN_SHARE: f64 = 0.05;
const MARGIN_BYTES: f64 = 4.0 * 1024.0 * 1024.0;
/// Waves are compared that carried at least this share of the packets of the largest: a wave for which the machine had no
/// time leaves less behind than any other.
const LARGE: f64 = 0.5;

/// What a server holds, and does, when nobody is there.
#[derive(Clone, Debug, Default)]
pub(super) struct Rest {
    /// Since the run began.
    pub(super) at: Duration,
    /// Packets that the wave before carried.
    pub(super) packets: u64,
    /// Bytes of its own.
    pub(super) memory: u64,
    /// Of them, what it remembers for its administrator.
    pub(super) histories: u64,
    pub(super) descriptors: usize,
    /// By name.
    pub(super) threads: Vec<String>,
    /// Share of a core that each thread uses.
    pub(super) idle: Vec<(String, f64)>,
}

/// Above [`Rest::row`].
pub(super) const HEADING: &str = " wave  steps  joins  vanish  players  moves  losses   packets    looks   longest  held  \
       lost |  memory  history   files  threads   idle";

impl Rest {
    /// One line of the table.
    pub(super) fn row(&self, number: usize, steps: usize, tally: &Tally) -> String {
        let Tally { joins, vanished, players, moves, losses, packets, expected, longest, held_back, lost, .. } = tally;
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        format!(
            "{number:>5} {steps:>6} {joins:>6} {vanished:>7} {players:>8} {moves:>6} {losses:>7} {packets:>9} {expected:>8} \
             {:>6.1} s {held_back:>5} {:>6.1} s | {:>5.1} M {:>6.2} M {:>7} {:>8} {:>5.1}%",
            longest.as_secs_f64(),
            lost.as_secs_f64(),
            mib(self.memory),
            mib(self.histories),
            self.descriptors,
            self.threads.len(),
            self.idle.iter().fold(0.0, |all, (_, share)| all + share) * 100.0,
        )
    }
}

/// Counters of faults that have risen.
pub(super) fn faults_of(before: &Metrics, after: &Metrics) -> impl Iterator<Item = String> {
    let risen = |name: &&&str| after.sum(name) > before.sum(name);
    let told: Vec<_> = FAULTS.iter().filter(risen).collect();
    told.into_iter().map(|name| format!("{name} rose from {} to {}", before.sum(name), after.sum(name)))
}

/// What was dropped and why, in one line.
pub(super) fn dropped(metrics: &Metrics) -> String {
    let reasons = ["conclave_media_dropped_total", "conclave_media_ended_total"].map(|name| {
        let counted = metrics.of(name).filter(|(_, count)| *count > 0.0);
        let each = counted.map(|(series, count)| {
            let label = series.split('"').nth(1).unwrap_or(series);
            format!("{label} {count}")
        });
        each.collect::<Vec<_>>().join(", ")
    });
    format!("packets dropped: {}; legs ended: {}", reasons[0], reasons[1])
}

/// Whether there is nothing left that may still come to an end.
pub(super) fn is_at_rest(rest: &Rest, before: Option<&Rest>) -> bool {
    let is_as_before =
        |before: &Rest| rest.descriptors <= before.descriptors && rest.threads.len() <= before.threads.len();
    busy(rest).is_none() && before.is_none_or(is_as_before)
}

/// What a server that nobody uses has to do, if that is too much.
pub(super) fn busy(rest: &Rest) -> Option<String> {
    let all: f64 = rest.idle.iter().map(|(_, share)| share).sum();
    let busy = rest.idle.iter().find(|(_, share)| *share > IDLE_THREAD);
    match busy {
        Some((name, share)) => Some(format!("thread {name} uses {:.1} % of a core for nobody", share * 100.0)),
        None if all > IDLE_PROCESS => Some(format!("the server uses {:.1} % of a core for nobody", all * 100.0)),
        None => None,
    }
}

/// Faults that the server has written of itself: each line that tells of one, with the next, which is a panic's message.
pub(super) fn written(log: &str) -> Vec<String> {
    let lines: Vec<_> = log.lines().collect();
    let tells = |line: &&str| line.contains("ERROR") || line.contains("panicked");
    let found = lines.iter().enumerate().filter(|(_, line)| tells(line));
    let told = found.map(|(at, line)| format!("the server wrote: {line} {}", lines.get(at + 1).unwrap_or(&"")));
    told.take(MOST_WRITTEN).collect()
}

/// Compares memory after the first large wave and after the last one.
fn grown(rests: &[Rest], say: &mut impl FnMut(&str)) -> Option<String> {
    let most = rests.iter().map(|rest| rest.packets).max()?;
    let is_large = |rest: &&Rest| rest.packets as f64 >= most as f64 * LARGE;
    let (first, last) = (rests.iter().find(is_large)?, rests.iter().rfind(is_large)?);
    let mib = |bytes: f64| bytes / f64::from(1 << 20);
    let (before, after) = (first.memory as f64, last.memory as f64);
    let margin = before * MARGIN_SHARE + MARGIN_BYTES;
    say(&format!(
        "memory: {:.1} MiB after {:.0} s, {:.1} MiB after {:.0} s; {:.1} MiB more are allowed",
        mib(before),
        first.at.as_secs_f64(),
        mib(after),
        last.at.as_secs_f64(),
        mib(margin),
    ));
    (after > before + margin)
        .then(|| format!("the server's memory grew from {:.1} to {:.1} MiB", mib(before), mib(after)))
}

/// Compares the empty servers: that after the first tenth of the run with all later ones.
pub(super) fn judge(rests: &[Rest], time: Duration, say: &mut impl FnMut(&str)) -> Vec<String> {
    let mut faults = Vec::new();
    let tenth = rests.iter().rposition(|rest| rest.at <= time / 10).unwrap_or(0);
    let [Some(first), Some(last)] = [rests.get(tenth), rests.last()] else { return faults };
    faults.extend(grown(rests.get(tenth..).unwrap_or_default(), say));
    if last.descriptors > first.descriptors {
        faults.push(format!("open files grew from {} to {}", first.descriptors, last.descriptors));
    }
    for (name, count) in more(&count(&first.threads), &count(&last.threads)) {
        faults.push(format!("{count} more threads {name} run at the end"));
    }
    for (number, rest) in rests.iter().enumerate() {
        faults.extend(busy(rest).map(|fault| format!("wave {number}: {fault}")));
    }
    faults
}

fn count(names: &[String]) -> BTreeMap<&str, usize> {
    names.iter().fold(BTreeMap::new(), |mut counts, name| {
        *counts.entry(name.as_str()).or_default() += 1;
        counts
    })
}

fn more<'a>(before: &BTreeMap<&'a str, usize>, after: &BTreeMap<&'a str, usize>) -> Vec<(&'a str, usize)> {
    let grown = after.iter().map(|(name, count)| (*name, count.saturating_sub(before.get(name).copied().unwrap_or(0))));
    grown.filter(|(_, count)| *count > 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rest(at: u64, mib: u64) -> Rest {
        Rest {
            at: Duration::from_secs(at),
            memory: mib << 20,
            descriptors: 20,
            threads: vec!["media-0".to_owned(), "tokio".to_owned(), "tokio".to_owned()],
            idle: vec![("media-0".to_owned(), 0.001)],
            ..Rest::default()
        }
    }

    fn faults(rests: &[Rest]) -> Vec<String> {
        judge(rests, Duration::from_secs(100), &mut |_| {})
    }

    #[test]
    fn a_server_that_is_as_it_was_has_no_fault() {
        assert_eq!(faults(&[rest(5, 30), rest(10, 40), rest(20, 43), rest(100, 42)]), [""; 0]);
    }

    #[test]
    fn memory_counts_from_the_first_tenth_on() {
        let told = ["the server's memory grew from 40.0 to 60.0 MiB"];
        assert_eq!(faults(&[rest(5, 30), rest(10, 40), rest(100, 60)]), told);
        assert_eq!(faults(&[rest(5, 30), rest(10, 40), rest(100, 45)]), [""; 0]);
    }

    #[test]
    fn a_wave_for_which_the_machine_had_no_time_is_no_measure_of_memory() {
        let wave = |at, mib, packets| Rest { packets, ..rest(at, mib) };
        assert_eq!(faults(&[wave(10, 30, 100), wave(50, 40, 9_000), wave(100, 41, 10_000)]), [""; 0]);
        let told = ["the server's memory grew from 40.0 to 60.0 MiB"];
        assert_eq!(faults(&[wave(10, 40, 9_000), wave(90, 60, 10_000), wave(100, 30, 100)]), told);
    }

    #[test]
    fn what_the_server_writes_of_its_own_faults_is_told_in_lines() {
        let log = "WARN slow\nthread 'media-0' panicked at a.rs:1:2:\nno such leg\nnote: x\nERROR a leg failed\n";
        let told = [
            "the server wrote: thread 'media-0' panicked at a.rs:1:2: no such leg",
            "the server wrote: ERROR a leg failed ",
        ];
        assert_eq!(written(log), told);
        assert_eq!(written("WARN slow\n"), [""; 0]);
    }

    #[test]
    fn files_and_threads_that_stay_and_threads_that_spin_are_faults() {
        let mut last = rest(100, 40);
        last.descriptors = 21;
        last.threads.push("media-0".to_owned());
        last.idle = vec![("media-0".to_owned(), 0.98)];
        let told = faults(&[rest(10, 40), last]);
        assert_eq!(told.len(), 3);
        assert!(told[2].contains("thread media-0 uses 98.0 % of a core"), "{told:?}");
    }
}
