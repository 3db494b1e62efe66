use std::collections::VecDeque;

use super::*;
use crate::Ecn;

fn at(ms: u64) -> Time {
    Time::since_start(Duration::from_millis(ms))
}

/// What a path does with packets.
#[derive(Clone, Copy, Default)]
struct Road {
    /// One way, ms; reports take 20 ms back.
    delay: u64,
    /// Of so many packets one is lost (0: none), and one is marked.
    lost: u64,
    marked: u64,
    ecn: Ecn,
}

/// A sender that fills its window's target; packets leave every 5 ms and are reported every 25 ms, by a clock that is 7 s
/// ahead.
struct Drive {
    scream: Scream,
    now: u64,
    sequence: u64,
    /// Reports on their way: when they arrive, and what they say.
    reports: VecDeque<(u64, Vec<PacketResult>)>,
}

impl Drive {
    fn new() -> Self {
        let mut scream = Scream::new(Limits { start: Bitrate::kbps(2_000), ..Limits::default() });
        scream.handle_demand(at(0), Demand { sending: Bitrate::kbps(2_000), wanted: Bitrate::kbps(50_000) });
        Self { scream, now: 0, sequence: 0, reports: VecDeque::new() }
    }

    /// For so long over this road.
    fn on(&mut self, ms: u64, road: Road) -> &mut Self {
        for _ in 0..ms / 25 {
            let size = (self.scream.control().target.as_bps() / 8 / 200) as u32;
            let sent = (0..5).map(|packet| self.send(at(self.now + 5 * packet), size, road)).collect();
            self.reports.push_back((self.now + 20 + road.delay + 20, sent));
            self.now += 25;
            while let Some((_, results)) = self.reports.pop_front_if(|(due, _)| *due <= self.now) {
                self.scream.handle_feedback(at(self.now), &results);
            }
            if self.scream.poll_timeout().is_some_and(|due| due <= at(self.now)) {
                self.scream.handle_timeout(at(self.now));
            }
        }
        self
    }

    fn send(&mut self, at: Time, size: u32, road: Road) -> PacketResult {
        let sent = SentPacket { at, size, probe: None, is_media: true };
        self.scream.handle_sent(&sent);
        self.sequence += 1;
        let is = |every: u64| every > 0 && self.sequence.is_multiple_of(every);
        let arrives = at.to_duration() + Duration::from_millis(road.delay + 7_000);
        let received = (!is(road.lost)).then_some(arrives);
        let ecn = if is(road.marked) { Ecn::Ce } else { road.ecn };
        PacketResult { sent, sequence: self.sequence, received, ecn: received.map_or(Ecn::NotEct, |_| ecn) }
    }

    fn kbps(&self) -> u64 {
        self.scream.control().target.as_bps() / 1_000
    }
}

const FREE: Road = Road { delay: 20, lost: 0, marked: 0, ecn: Ecn::NotEct };

#[test]
fn without_congestion_the_rate_grows_and_the_longer_the_faster() {
    let mut drive = Drive::new();
    let first = drive.on(2_000, FREE).kbps();
    let second = drive.on(2_000, FREE).kbps();
    let third = drive.on(2_000, FREE).kbps();
    assert!(first > 2_200, "{first}");
    assert!(second - first > first - 2_000 && third - second > second - first, "{first} {second} {third}");
    assert_eq!(drive.scream.snapshot().state, NetworkState::Steady);
}

#[test]
fn a_queue_of_half_the_target_is_let_be_and_a_longer_one_lowers_the_rate() {
    let mut drive = Drive::new();
    drive.on(1_000, FREE).on(1_000, Road { delay: 49, ..FREE });
    assert_eq!(drive.scream.snapshot().state, NetworkState::Steady);
    let before = drive.scream.window.size();
    drive.on(1_000, Road { delay: 80, ..FREE });
    assert_eq!(drive.scream.snapshot().state, NetworkState::Overused);
    let after = drive.scream.window.size();
    assert!(after < before * 0.6, "{before} {after}");
}

#[test]
fn marks_of_l4s_lower_the_window_by_their_share() {
    let window = |marked: u64| {
        let mut drive = Drive::new();
        drive.on(1_000, Road { ecn: Ecn::Ect1, ..FREE });
        let before = drive.scream.window.size();
        drive.on(2_000, Road { ecn: Ecn::Ect1, marked, ..FREE });
        drive.scream.window.size() / before
    };
    let (few, many, all) = (window(100), window(10), window(1));
    assert!(few > many && many > all && all < 0.3, "{few} {many} {all}");
}

#[test]
fn a_mark_of_classic_ecn_takes_a_fifth() {
    let mut drive = Drive::new();
    let mark = |drive: &mut Drive| {
        drive.on(25, Road { ecn: Ecn::Ect0, marked: 1, ..FREE }).on(75, Road { ecn: Ecn::Ect0, ..FREE });
    };
    // The first congestion also corrects the rate at the start.
    mark(drive.on(1_000, Road { ecn: Ecn::Ect0, ..FREE }));
    drive.on(1_000, Road { ecn: Ecn::Ect0, ..FREE });
    let before = drive.scream.window.size();
    mark(&mut drive);
    let after = drive.scream.window.size();
    assert!((before * 0.79..before * 0.84).contains(&after), "{before} {after}");
}

#[test]
fn losses_below_a_hundredth_are_not_congestion_and_more_are() {
    let mut drive = Drive::new();
    drive.on(2_000, Road { lost: 150, ..FREE });
    assert!(drive.kbps() > 2_100, "{}", drive.kbps());
    drive.on(2_000, Road { lost: 5, ..FREE });
    assert!(drive.kbps() < 400, "{}", drive.kbps());
    assert_eq!(drive.scream.snapshot().state, NetworkState::Lossy);
    assert!((0.15..0.25).contains(&drive.scream.snapshot().loss), "{:?}", drive.scream.snapshot());
}

#[test]
fn packets_that_are_late_were_not_lost() {
    let mut drive = Drive::new();
    drive.on(1_000, FREE);
    let mut windows = Vec::new();
    for _ in 0..40 {
        let sent: Vec<PacketResult> =
            (0..5).map(|packet| drive.send(at(drive.now + 5 * packet), 1_000, FREE)).collect();
        let told = |late: bool| {
            let is_late = |packet: &PacketResult| packet.sequence.is_multiple_of(5);
            let of = |packet: &PacketResult| PacketResult {
                received: packet.received.filter(|_| late || !is_late(packet)),
                ..*packet
            };
            sent.iter().filter(|packet| !late || is_late(packet)).map(of).collect::<Vec<_>>()
        };
        drive.scream.handle_feedback(at(drive.now + 60), &told(false));
        drive.scream.handle_feedback(at(drive.now + 65), &told(true));
        drive.now += 25;
        windows.push(drive.scream.window.size());
    }
    // The first one costs, since nobody knew how late packets come here.
    assert!(windows[39] > windows[1] && windows[1..].is_sorted(), "{windows:?}");
    assert_eq!(drive.scream.snapshot().state, NetworkState::Steady);
}

#[test]
fn what_may_be_on_its_way_is_three_windows_or_where_delays_grow_one_and_a_half() {
    let mut drive = Drive::new();
    assert_eq!(drive.scream.window(), None, "nothing is known");
    drive.on(2_000, FREE);
    let windows = |drive: &Drive| drive.scream.window().unwrap_or_default() as f64 / drive.scream.window.size();
    assert!((2.99..=3.0).contains(&windows(&drive)), "{}", windows(&drive));
    drive.on(5_000, Road { delay: 60, ..FREE });
    assert!((1.49..=1.51).contains(&windows(&drive)), "{}", windows(&drive));
    drive.on(12_000, Road { delay: 45, lost: 2, ..FREE });
    let least = drive.scream.window().unwrap_or_default();
    assert!((4_500..6_000).contains(&least), "about the least window: {least}");
}

#[test]
fn a_queue_that_never_ends_is_made_to_drain_and_is_then_taken_for_the_path() {
    let mut drive = Drive::new();
    let longer = Road { delay: 30, ..FREE };
    let share = |drive: &Drive| {
        let filled = drive.scream.window.size() / drive.scream.path.delay.round_trip() / ROOM_FOR_FRAMES;
        bytes(drive.scream.target) / filled
    };
    drive.on(2_000, FREE).on(19_900, longer);
    assert!((0.99..1.01).contains(&share(&drive)), "{}", share(&drive));
    drive.on(250, longer);
    assert_eq!(drive.scream.snapshot().state, NetworkState::Draining);
    assert!((0.49..0.51).contains(&share(&drive)), "{}", share(&drive));
    drive.on(1_000, longer);
    assert_eq!(drive.scream.snapshot().state, NetworkState::Steady);
    assert!((0.99..1.01).contains(&share(&drive)), "{}", share(&drive));
}

#[test]
fn an_application_that_sends_little_is_given_padding_and_no_more_than_it_fills() {
    let mut drive = Drive::new();
    drive.on(1_000, FREE);
    let control = drive.scream.control();
    assert_eq!(control.padding, control.target);
    drive.on(2_500, FREE);
    assert_eq!(drive.scream.control().padding, Bitrate::ZERO, "for three seconds");
    let mut windows = Vec::new();
    for _ in 0..100 {
        let result = drive.send(at(drive.now), 100, FREE);
        drive.scream.handle_feedback(at(drive.now + 40), &[result]);
        drive.now += 25;
        windows.push(drive.scream.window.size());
    }
    assert!(drive.scream.snapshot().application_limited);
    assert!(windows[20..].iter().all(|window| *window <= windows[20]), "{windows:?}");
}

#[test]
fn who_hears_nothing_sends_less() {
    let mut drive = Drive::new();
    drive.on(2_000, FREE);
    let before = drive.kbps();
    for second in 1..10 {
        let now = at(drive.now + second * 1_000);
        drive.scream.handle_sent(&SentPacket { at: now, size: 1_000, probe: None, is_media: true });
        if drive.scream.poll_timeout().is_some_and(|due| due <= now) {
            drive.scream.handle_timeout(now);
        }
    }
    assert!(drive.kbps() < before / 2, "{before} to {}", drive.kbps());
    assert_eq!(drive.scream.snapshot().state, NetworkState::Silent);
}

#[test]
fn a_limit_of_the_other_end_holds_while_it_is_there() {
    let mut drive = Drive::new();
    drive.on(2_000, FREE);
    drive.scream.handle_remote_limit(at(drive.now), Some(Bitrate::kbps(300)));
    assert_eq!(drive.kbps(), 300);
    drive.scream.handle_remote_limit(at(drive.now), None);
    assert!(drive.kbps() > 2_000);
}
