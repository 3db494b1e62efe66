use super::*;
use crate::Ecn;

fn at(ms: u64) -> Time {
    Time::since_start(Duration::from_millis(ms))
}

/// A path that delays every packet, and loses those that are asked for; packets of 1,000 bytes every 10 ms, reported each
/// 100 ms, by a clock that is 7 s ahead.
struct Road {
    nada: Nada,
    now: u64,
    sequence: u64,
    /// Of so many packets one is marked (0: none).
    marked: u64,
}

impl Road {
    fn new() -> Self {
        let mut nada = Nada::new(Limits { start: Bitrate::kbps(800), ..Limits::default() });
        nada.handle_demand(at(0), Demand { sending: Bitrate::kbps(800), wanted: Bitrate::kbps(1_500) });
        Self { nada, now: 0, sequence: 0, marked: 0 }
    }

    /// For so long, packets take so many ms, and every so many-th is lost (0: none).
    fn drive(&mut self, ms: u64, delay: u64, lost: u64) {
        for _ in 0..ms / 100 {
            let results: Vec<PacketResult> = (0..10)
                .map(|packet| {
                    let sent = SentPacket { at: at(self.now + packet * 10), size: 1_000, probe: None, is_media: true };
                    self.nada.handle_sent(&sent);
                    self.sequence += 1;
                    let arrives = Duration::from_millis(self.now + packet * 10 + delay + 7_000);
                    let is_lost = lost > 0 && self.sequence.is_multiple_of(lost);
                    PacketResult {
                        sent,
                        sequence: self.sequence,
                        received: (!is_lost).then_some(arrives),
                        ecn: if self.marked > 0 && self.sequence.is_multiple_of(self.marked) {
                            Ecn::Ce
                        } else {
                            Ecn::NotEct
                        },
                    }
                })
                .collect();
            self.now += 100;
            self.nada.handle_feedback(at(self.now + 2 * delay), &results);
        }
    }

    fn kbps(&self) -> u64 {
        self.nada.control().target.as_bps() / 1_000
    }
}

#[test]
fn without_queues_and_losses_the_rate_goes_up_by_what_arrives() {
    let mut road = Road::new();
    road.drive(3_000, 20, 0);
    // 800 kbit/s arrive: with a round trip of some 50 ms, gamma is 50 / (50 + 100 + 120).
    assert!((900..1_000).contains(&road.kbps()), "{}", road.kbps());
    assert_eq!(road.nada.snapshot().state, NetworkState::Steady);
}

#[test]
fn a_queue_brings_the_rate_to_where_its_level_is_the_one_that_is_aimed_at() {
    let mut road = Road::new();
    road.drive(1_000, 20, 0);
    road.drive(60_000, 40, 0);
    // 20 ms of queue are PRIO * XREF * RMAX / r at half of RMAX.
    assert!((745..775).contains(&road.kbps()), "{}", road.kbps());
}

#[test]
fn a_queue_that_grows_lowers_the_rate_at_once() {
    let mut road = Road::new();
    road.drive(2_000, 20, 0);
    let before = road.kbps();
    road.drive(300, 100, 0);
    assert!(road.kbps() < before * 95 / 100, "{before} to {}", road.kbps());
}

#[test]
fn losses_and_marks_count_as_delay_by_the_squares_of_their_shares() {
    let signal = |loss: f64, mark: f64| {
        let mut signal = Signal::default();
        for _ in 0..200 {
            signal.update(0.0, loss, mark, &Losses::default());
        }
        signal.now
    };
    assert!((signal(0.01, 0.0) - 10.0).abs() < 0.01, "{}", signal(0.01, 0.0));
    assert!((signal(0.02, 0.0) - 40.0).abs() < 0.01, "{}", signal(0.02, 0.0));
    assert!((signal(0.0, 0.01) - 2.0).abs() < 0.01, "a mark is a fifth of a loss: {}", signal(0.0, 0.01));
    assert!((signal(0.01, 0.02) - 18.0).abs() < 0.01, "{}", signal(0.01, 0.02));
    assert!(signal(0.5, 0.5) <= XMAX);
}

#[test]
fn marks_lower_the_rate_and_end_the_fast_rise() {
    let mut road = Road::new();
    road.drive(2_000, 20, 0);
    let before = road.kbps();
    road.marked = 10;
    road.drive(3_000, 20, 0);
    assert!(road.kbps() < before * 9 / 10, "{before} to {}", road.kbps());
    assert_eq!(road.nada.snapshot().loss, 0.0, "nothing was lost");
}

#[test]
fn long_queues_count_for_less_only_where_packets_are_lost() {
    let mut plain = Signal::default();
    plain.update(150.0, 0.0, 0.0, &Losses::default());
    assert!((plain.now - 150.0).abs() < 1e-9);

    let mut road = Road::new();
    road.drive(5_000, 20, 25);
    let mut warped = Signal::default();
    warped.update(150.0, 0.0, 0.0, road.nada.observation.losses());
    // 50 * exp(-0.5 * 100 / 50).
    assert!((warped.now - 50.0 * libm::exp(-1.0)).abs() < 1e-9, "{}", warped.now);

    // Far more packets without a loss than lay between losses.
    road.drive(60_000, 20, 0);
    let mut again = Signal::default();
    again.update(150.0, 0.0, 0.0, road.nada.observation.losses());
    assert!((again.now - 150.0).abs() < 1e-9, "{}", again.now);
}

#[test]
fn who_hears_nothing_sends_less() {
    let mut road = Road::new();
    road.drive(2_000, 20, 0);
    let before = road.kbps();
    for second in 1..10 {
        let now = at(road.now + second * 1_000);
        road.nada.handle_sent(&SentPacket { at: now, size: 1_000, probe: None, is_media: true });
        if road.nada.poll_timeout().is_some_and(|due| due <= now) {
            road.nada.handle_timeout(now);
        }
    }
    assert!(road.kbps() < before / 2, "{before} to {}", road.kbps());
    assert_eq!(road.nada.snapshot().state, NetworkState::Silent);
}

#[test]
fn a_limit_of_the_other_end_holds_while_it_is_there() {
    let mut road = Road::new();
    road.drive(3_000, 20, 0);
    road.nada.handle_remote_limit(at(road.now), Some(Bitrate::kbps(300)));
    assert_eq!(road.kbps(), 300);
    road.nada.handle_remote_limit(at(road.now), None);
    assert!(road.kbps() > 800);
}
