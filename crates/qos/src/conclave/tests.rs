use std::collections::VecDeque;

use super::*;

const MS: u64 = 1_000;

fn at(micros: u64) -> Time {
    Time::since_start(Duration::from_micros(micros))
}

/// One sender that sends what it may, packet by packet, over one link; a report each 50 ms.
struct Road {
    conclave: Conclave,
    /// bit/s
    capacity: u64,
    /// One way, µs.
    delay: u64,
    /// Every so many-th packet is lost (0: none).
    lost: u64,
    /// Packets that had to wait longer than this, µs, are marked.
    marks_from: u64,
    /// A token bucket that lets through what it holds and loses the rest: bits, and bits that it gets each ms.
    bucket: Option<(f64, f64)>,
    /// What others keep in the queue, µs; down to three quarters of it, as they lose packets once a second.
    kept: u64,
    /// What the application sends at most, bit/s.
    most: u64,
    /// What the other clock gains in a second, µs.
    drift: u64,
    now: u64,
    /// When the queue will be empty.
    free: u64,
    debt: f64,
    probe: Option<(Probe, u32)>,
    sequence: u64,
    flying: VecDeque<(u64, PacketResult)>,
    reported: u64,
    /// The longest queue lately, µs, and what arrived, bits.
    longest: u64,
    carried: u64,
}

impl Road {
    fn new(capacity: u64) -> Self {
        let mut conclave = Conclave::new(Limits::default());
        conclave.handle_demand(at(0), Demand { sending: Bitrate::kbps(300), wanted: Bitrate::kbps(50_000) });
        Self {
            conclave,
            capacity,
            delay: 25 * MS,
            lost: 0,
            marks_from: u64::MAX,
            bucket: None,
            kept: 0,
            most: u64::MAX,
            drift: 0,
            now: 0,
            free: 0,
            debt: 0.0,
            probe: None,
            sequence: 0,
            flying: VecDeque::new(),
            reported: 0,
            longest: 0,
            carried: 0,
        }
    }

    /// For so many ms. `longest` and `carried` are of these.
    fn drive(&mut self, ms: u64) {
        (self.longest, self.carried) = (0, 0);
        for _ in 0..ms {
            self.now += MS;
            if self.conclave.poll_timeout().is_some_and(|due| due <= at(self.now)) {
                self.conclave.handle_timeout(at(self.now));
            }
            if self.now.is_multiple_of(33 * MS) {
                let sending = self.conclave.control().target.min(Bitrate::bps(self.most));
                self.conclave.handle_demand(at(self.now), Demand { sending, wanted: Bitrate::kbps(50_000) });
            }
            self.send();
            self.report();
        }
    }

    fn send(&mut self) {
        if let Some(probe) = self.conclave.poll_probe() {
            self.probe = Some((probe, 0));
        }
        let media = self.conclave.control().pacing.as_bps().min(self.most);
        let rate = self.probe.map_or(media, |(probe, _)| probe.rate.as_bps());
        self.debt = (self.debt + rate as f64 / 1_000.0).min(200_000.0);
        while self.debt >= 8_000.0 {
            self.debt -= 8_000.0;
            let id = self.probe.map(|(probe, _)| probe.id);
            self.send_packet(id);
            if let Some((probe, packets)) = &mut self.probe {
                *packets += 1;
                if *packets >= probe.packets && *packets * 1_000 >= probe.bytes {
                    self.probe = None;
                }
            }
        }
    }

    fn send_packet(&mut self, probe: Option<crate::ProbeId>) {
        let sent = SentPacket { at: at(self.now), size: 1_000, probe, is_media: true };
        self.conclave.handle_sent(&sent);
        let sequence = self.sequence;
        self.sequence += 1;
        let kept = self.kept - self.kept / 4 * (1_000_000 - self.now % 1_000_000) / 1_000_000;
        let waits = self.free.saturating_sub(self.now) + kept;
        let mut is_lost = (self.lost > 0 && sequence.is_multiple_of(self.lost)) || waits > 500 * MS;
        if let Some((tokens, _)) = &mut self.bucket {
            if *tokens >= 8_000.0 { *tokens -= 8_000.0 } else { is_lost = true }
        }
        let mut received = None;
        if !is_lost {
            self.longest = self.longest.max(waits);
            self.free = self.free.max(self.now) + 8_000 * 1_000_000 / self.capacity;
            let arrives = self.free + kept + self.delay;
            received = Some(Duration::from_micros(arrives + 7_000_000 + self.drift * (arrives / 1_000_000)));
        }
        let ecn = if waits > self.marks_from { Ecn::Ce } else { Ecn::Ect1 };
        let known = self.free.max(self.now) + kept + self.delay;
        self.flying.push_back((known, PacketResult { sent, sequence, received, ecn }));
    }

    fn report(&mut self) {
        if let Some((tokens, rate)) = &mut self.bucket {
            *tokens = (*tokens + *rate).min(128_000.0);
        }
        if self.now < self.reported + 50 * MS {
            return;
        }
        self.reported = self.now;
        let mut results = Vec::new();
        // The report takes as long as packets without a queue.
        while self.flying.front().is_some_and(|(known, _)| known + self.delay <= self.now) {
            let Some((_, result)) = self.flying.pop_front() else { break };
            self.carried += if result.received.is_some() { 8_000 } else { 0 };
            results.push(result);
        }
        if !results.is_empty() {
            self.conclave.handle_feedback(at(self.now), &results);
        }
    }

    fn kbps(&self) -> u64 {
        self.conclave.control().target.as_bps() / 1_000
    }
}

#[test]
fn trains_find_what_there_is_within_two_seconds_whatever_the_rate() {
    for capacity in [1_000_000, 5_000_000, 40_000_000] {
        let mut road = Road::new(capacity);
        road.drive(2_000);
        assert!(road.kbps() * 1_000 > capacity * 85 / 100, "{} of {capacity}", road.kbps());
    }
}

#[test]
fn the_queue_stays_about_where_it_is_aimed_at_and_the_path_is_full() {
    for delay in [5 * MS, 50 * MS, 250 * MS] {
        let mut road = Road::new(2_000_000);
        road.delay = delay;
        road.drive(8_000);
        road.drive(20_000);
        assert!(road.carried > 2_000_000 * 20 * 95 / 100, "{delay}: {}", road.carried / 20);
        assert!(road.longest < 60 * MS, "{delay}: {}", road.longest);
    }
}

#[test]
fn a_queue_that_a_narrower_path_made_is_gone_within_a_second() {
    let mut road = Road::new(3_000_000);
    road.drive(10_000);
    road.capacity = 1_000_000;
    road.drive(1_000);
    road.drive(500);
    assert!(road.longest < 60 * MS, "{}", road.longest);
    assert!((700..1_100).contains(&road.kbps()), "{}", road.kbps());
    road.capacity = 3_000_000;
    road.drive(2_000);
    assert!(road.kbps() > 2_700, "{}", road.kbps());
}

#[test]
fn losses_of_chance_cost_nothing() {
    let mut road = Road::new(3_000_000);
    road.lost = 10;
    road.drive(15_000);
    // What is lost does not take a place on this road: more is sent than it carries.
    road.drive(20_000);
    assert!(road.carried > 3_000_000 * 20 * 95 / 100, "{}", road.carried / 20);
    assert!(road.longest < 60 * MS, "{}", road.longest);
    let inherent = road.conclave.losses.inherent();
    assert!((0.07..0.13).contains(&inherent), "{inherent}");
}

#[test]
fn a_token_bucket_deceives_for_a_moment_and_then_no_more() {
    let mut road = Road::new(50_000_000);
    road.bucket = Some((128_000.0, 400.0));
    road.drive(20_000);
    let mut above = 0;
    for _ in 0..400 {
        road.drive(100);
        above += usize::from(road.kbps() > 520);
    }
    assert!(above < 40, "{above} of 400 tenths of a second");
    assert!(road.kbps() > 250, "{}", road.kbps());
}

#[test]
fn an_application_that_sends_little_neither_raises_nor_lowers_the_rate() {
    let mut road = Road::new(4_000_000);
    road.drive(5_000);
    let before = road.kbps();
    road.most = 300_000;
    road.drive(60_000);
    assert!(road.kbps() > before * 80 / 100 && road.kbps() < 4_600, "{before} to {}", road.kbps());
    assert!(road.longest < 60 * MS, "{}", road.longest);
}

#[test]
fn a_rate_outlasts_a_pause() {
    let mut road = Road::new(2_000_000);
    road.drive(10_000);
    road.most = 0;
    road.drive(20_000);
    road.most = u64::MAX;
    road.drive(800);
    assert!(road.kbps() > 1_700, "{}", road.kbps());
}

#[test]
fn clocks_that_drift_apart_make_no_queue_and_leave_no_room() {
    for drift in [0, 100] {
        let mut road = Road::new(2_000_000);
        road.drift = drift;
        road.drive(60_000);
        road.drive(240_000);
        assert!(road.carried > 2_000_000 * 240 * 92 / 100, "{drift}: {}", road.carried / 240);
        assert!(road.longest < 60 * MS, "{drift}: {}", road.longest);
    }
}

#[test]
fn marks_are_heeded_before_there_is_a_queue() {
    let mut road = Road::new(5_000_000);
    road.marks_from = MS;
    road.drive(10_000);
    road.drive(10_000);
    assert!(road.longest < 25 * MS, "{}", road.longest);
    assert!(road.carried > 5_000_000 * 10 * 75 / 100, "{}", road.carried / 10);
}

#[test]
fn a_queue_that_others_keep_is_not_given_way_to_for_good() {
    let mut road = Road::new(1_000_000);
    road.drive(10_000);
    road.kept = 200 * MS;
    road.drive(15_000);
    assert!(road.conclave.competition.is_on());
    assert!(road.kbps() > 400, "{}", road.kbps());
    road.kept = 0;
    road.drive(20_000);
    assert!(!road.conclave.competition.is_on());
    road.drive(10_000);
    assert!(road.longest < 60 * MS, "{}", road.longest);
}

#[test]
fn a_way_that_becomes_longer_is_no_queue() {
    let mut road = Road::new(2_000_000);
    road.drive(10_000);
    road.delay += 150 * MS;
    road.drive(3_000);
    assert!(road.carried > 3 * 500_000, "{}", road.carried);
    road.drive(3_000);
    assert!(road.carried > 3 * 1_600_000, "{}", road.carried);
    assert!(road.longest < 80 * MS, "{}", road.longest);
    // And back.
    road.delay -= 150 * MS;
    road.drive(2_000);
    road.drive(5_000);
    assert!(road.carried > 5 * 1_800_000, "{}", road.carried);
    assert!(road.longest < 60 * MS, "{}", road.longest);
}

#[test]
fn a_way_that_becomes_longer_is_no_queue_to_who_sends_little_either() {
    for most in [150_000, 600_000] {
        let mut road = Road::new(5_000_000);
        road.most = most;
        road.drive(10_000);
        let before = road.kbps();
        road.delay += 150 * MS;
        for _ in 0..10 {
            road.drive(100);
            assert!(road.kbps() > before / 3, "{} {before}", road.kbps());
        }
        road.drive(2_000);
        assert!(road.kbps() > before * 9 / 10, "{} {before}", road.kbps());
    }
}

#[test]
fn what_is_in_flight_is_bounded_by_what_the_path_carries_until_it_is_reported() {
    let mut road = Road::new(4_000_000);
    road.drive(10_000);
    let window = road.conclave.window().unwrap();
    // 50 ms of round trip, 50 ms until a report, and room for frames: less than 300 ms' worth.
    assert!((4_000_000 / 8 / 10..4_000_000 / 8 * 3 / 10).contains(&window), "{window}");
}

#[test]
fn without_reports_less_and_less_is_sent() {
    let mut road = Road::new(2_000_000);
    road.drive(10_000);
    let before = road.kbps();
    for second in 0..10 {
        let now = road.now + second * 1_000 * MS;
        road.conclave.handle_sent(&SentPacket { at: at(now), size: 1_000, probe: None, is_media: true });
        if road.conclave.poll_timeout().is_some_and(|due| due <= at(now)) {
            road.conclave.handle_timeout(at(now));
        }
    }
    assert!(road.kbps() < before / 2, "{before} to {}", road.kbps());
    assert_eq!(road.conclave.snapshot().state, crate::NetworkState::Silent);
}
