use proptest::prelude::*;

use super::*;

/// Packets of a frame, frames a second, and ticks of a frame.
const PACKETS: u32 = 4;
const TICKS: u32 = 3_000;

fn at(micros: u64) -> Time {
    Time::since_start(Duration::from_micros(micros))
}

fn sent_at(frame: u32) -> u64 {
    u64::from(frame) * 100_000 / 3
}

fn frames_of(id: i64, references: &[i64]) -> Dependence {
    let references: Vec<FrameId> = references.iter().map(|reference| FrameId(*reference)).collect();
    Dependence::Frames(FrameId(id), References::new(&references).unwrap())
}

/// The packets of frame number `frame`.
fn packets_of(frame: u32, dependence: Dependence) -> impl Iterator<Item = VideoPacket<Vec<u8>>> {
    (0..PACKETS).map(move |i| VideoPacket {
        sequence: (frame * PACKETS + i) as u16,
        timestamp: frame.wrapping_mul(TICKS),
        is_first: i == 0,
        is_last: i == PACKETS - 1,
        is_repaired: false,
        dependence,
        payload: vec![0; 1_000],
    })
}

#[derive(Debug)]
struct Shown {
    id: i64,
    released: u64,
    render: u64,
}

struct Viewer {
    playout: VideoPlayout<Vec<u8>>,
    now: u64,
    coming: Vec<(u64, VideoPacket<Vec<u8>>)>,
    shown: Vec<Shown>,
    asked: Vec<u64>,
}

impl Viewer {
    fn new() -> Self {
        let playout = VideoPlayout::new(90_000);
        Self { playout, now: 0, coming: Vec::new(), shown: Vec::new(), asked: Vec::new() }
    }

    /// Each frame needs the one before; the first and `keys` need none. `delay` of a frame's packet, in ms; `None`: lost.
    fn send(&mut self, frames: std::ops::Range<u32>, keys: &[u32], delay: impl Fn(u32, u32) -> Option<u64>) {
        for frame in frames {
            let is_key = frame == 0 || keys.contains(&frame);
            let before = [i64::from(frame) - 1];
            let dependence = frames_of(i64::from(frame), if is_key { &[] } else { &before });
            for (i, packet) in packets_of(frame, dependence).enumerate() {
                if let Some(delay) = delay(frame, i as u32) {
                    self.coming.push((sent_at(frame) + delay * 1_000, packet));
                }
            }
        }
    }

    fn run_until(&mut self, ms: u64) {
        self.coming.sort_by_key(|(at, _)| *at);
        let mut coming = std::mem::take(&mut self.coming).into_iter().peekable();
        while self.now < ms * 1_000 {
            while let Some((arrival, packet)) = coming.next_if(|(arrival, _)| *arrival <= self.now) {
                let _ = self.playout.handle_packet(at(arrival), packet);
            }
            self.poll();
            self.now += 1_000;
        }
        self.coming = coming.collect();
    }

    fn poll(&mut self) {
        while let Some(ready) = self.playout.poll_frame(at(self.now)) {
            let render = ready.render_time.to_duration().as_micros() as u64;
            assert!(self.shown.last().is_none_or(|last| last.render <= render), "shown before the one before");
            self.shown.push(Shown { id: ready.frame.id.0, released: self.now, render });
            self.playout.handle_decoded(at(self.now), Duration::from_millis(4));
        }
        if self.playout.poll_key_frame(at(self.now)) {
            self.asked.push(self.now / 1_000);
        }
    }

    fn ids(&self) -> Vec<i64> {
        self.shown.iter().map(|shown| shown.id).collect()
    }
}

#[test]
fn on_a_steady_network_every_frame_is_shown_at_even_distances_and_soon() {
    let mut viewer = Viewer::new();
    viewer.send(0..300, &[], |_, _| Some(30));
    viewer.run_until(10_500);
    assert_eq!(viewer.ids(), (0..300).collect::<Vec<_>>());
    for pair in viewer.shown.windows(2).skip(60) {
        let apart = pair[1].render - pair[0].render;
        assert!((31_000..=36_000).contains(&apart), "{pair:?}");
    }
    assert!(viewer.playout.delay() < Duration::from_millis(60), "{:?}", viewer.playout.delay());
    assert_eq!(viewer.asked, []);
    assert_eq!((viewer.playout.stats().freeze_count, viewer.playout.stats().frames_dropped), (0, 0));
}

#[test]
fn jitter_raises_the_delay_until_frames_come_in_time_again() {
    let mut viewer = Viewer::new();
    let jitter = |frame: u32| u64::from(frame.wrapping_mul(2_654_435_761).rotate_left(13) % 100);
    viewer.send(0..1_500, &[], |frame, _| Some(30 + if frame < 300 { 0 } else { jitter(frame) }));
    viewer.run_until(10_000);
    let before = viewer.playout.delay();
    viewer.run_until(30_000);
    let freezes = viewer.playout.stats().freeze_count;
    viewer.run_until(50_000);
    assert!(viewer.playout.delay() > before + Duration::from_millis(25), "{:?}", viewer.playout.delay());
    assert!(viewer.playout.stats().freeze_count <= freezes + 1, "{:?}", viewer.playout.stats());
    let late = viewer.shown.iter().rev().take(500).filter(|shown| shown.released > shown.render).count();
    assert!(late < 25, "{late} of 500 too late");
}

#[test]
fn packets_that_were_overtaken_or_doubled_change_nothing() {
    let mut viewer = Viewer::new();
    viewer.send(0..300, &[], |frame, i| Some(30 + u64::from((frame + i * 7) % 3)));
    viewer.send(0..300, &[], |_, _| Some(35));
    viewer.run_until(10_500);
    assert_eq!(viewer.ids(), (0..300).collect::<Vec<_>>());
}

#[test]
fn a_lost_packet_that_is_sent_again_in_time_is_not_seen() {
    let mut viewer = Viewer::new();
    viewer.playout.handle_round_trip(Duration::from_millis(40));
    viewer.send(0..600, &[], |frame, i| (frame % 20 != 10 || i != 1).then_some(30));
    for frame in (10..600).step_by(20) {
        let dependence = frames_of(i64::from(frame), &[i64::from(frame) - 1]);
        let packet = packets_of(frame, dependence).nth(1).unwrap();
        viewer.coming.push((sent_at(frame) + 80_000, VideoPacket { is_repaired: true, ..packet }));
    }
    viewer.run_until(20_300);
    assert_eq!(viewer.ids(), (0..600).collect::<Vec<_>>());
    assert_eq!(viewer.asked, []);
    assert_eq!(viewer.playout.stats().freeze_count, 0);
    // A round trip was added after three repairs.
    assert!(viewer.playout.target_delay() >= Duration::from_millis(50), "{:?}", viewer.playout.target_delay());
}

#[test]
fn a_missing_reference_is_waited_for_then_a_key_frame_is_asked_for_once_in_an_interval() {
    let mut viewer = Viewer::new();
    viewer.playout.handle_round_trip(Duration::from_millis(60));
    viewer.send(0..200, &[150], |frame, i| (frame != 90 || i != 2).then_some(30));
    viewer.run_until(8_000);
    // Frame 91 comes at 3,063 ms; three round trips and 20 ms are waited.
    let first = viewer.asked[0];
    assert!((3_240..3_300).contains(&first), "{first}");
    assert!(viewer.asked.windows(2).all(|pair| pair[1] - pair[0] >= 300), "{:?}", viewer.asked);
    assert_eq!(viewer.asked.len(), 6, "from 3.26 to 5.03 s: {:?}", viewer.asked);
    let expected: Vec<i64> = (0..90).chain(150..200).collect();
    assert_eq!(viewer.ids(), expected);
    let stats = viewer.playout.stats();
    assert_eq!((stats.freeze_count, stats.pli_count), (1, 6));
    assert!(stats.total_freezes_duration > 1_900_000, "{stats:?}");
}

#[test]
fn what_is_missing_before_a_key_frame_need_not_be_asked_for() {
    let mut viewer = Viewer::new();
    viewer.send(0..40, &[30], |frame, i| (frame != 10 || i != 2).then_some(30));
    viewer.run_until(sent_at(29) / 1_000 + 32);
    assert_eq!(viewer.playout.useful_from(), (10 * PACKETS) as u16);
    viewer.run_until(sent_at(30) / 1_000 + 32);
    assert_eq!(viewer.playout.useful_from(), (30 * PACKETS) as u16);
}

#[test]
fn a_repair_that_comes_before_the_key_frame_is_used() {
    let mut viewer = Viewer::new();
    viewer.send(0..200, &[], |frame, i| (frame != 90 || i != 2).then_some(30));
    let packet = packets_of(90, frames_of(90, &[89])).nth(2).unwrap();
    viewer.coming.push((sent_at(90) + 400_000, VideoPacket { is_repaired: true, ..packet }));
    viewer.run_until(8_000);
    assert_eq!(viewer.ids(), (0..200).collect::<Vec<_>>());
    assert!(viewer.asked.len() <= 1, "{:?}", viewer.asked);
}

#[test]
fn a_lost_frame_that_nothing_needs_is_passed_over_in_its_time() {
    let mut viewer = Viewer::new();
    for frame in 0..300_u32 {
        // Every other frame is needed by none (two temporal layers).
        let id = i64::from(frame);
        let references: &[i64] = if frame == 0 {
            &[]
        } else if frame % 2 == 0 {
            &[id - 2]
        } else {
            &[id - 1]
        };
        for packet in packets_of(frame, frames_of(id, references)) {
            if frame % 30 != 15 {
                viewer.coming.push((sent_at(frame) + 30_000, packet));
            }
        }
    }
    viewer.run_until(10_500);
    assert_eq!(viewer.ids(), (0..300).filter(|id| id % 30 != 15).collect::<Vec<_>>());
    assert_eq!((viewer.asked.len(), viewer.playout.stats().freeze_count), (0, 0));
}

#[test]
fn after_an_outage_pictures_go_on_without_running_backwards_and_the_delay_returns() {
    let mut viewer = Viewer::new();
    // For two seconds nothing comes; then all of it at once.
    viewer.send(0..900, &[], |frame, _| {
        let sent = sent_at(frame) / 1_000;
        Some(30 + if (5_000..7_000).contains(&sent) { 7_000 - sent } else { 0 })
    });
    viewer.run_until(30_500);
    assert_eq!(viewer.ids(), (0..900).collect::<Vec<_>>());
    let last = viewer.shown.last().unwrap();
    let delay = last.render - sent_at(899);
    assert!(delay < 250_000, "{delay} µs");
    assert_eq!(viewer.asked, []);
}

#[test]
fn what_is_late_and_needed_by_none_is_left_out_to_catch_up() {
    let mut viewer = Viewer::new();
    for frame in 0..300_u32 {
        let id = i64::from(frame);
        let references: &[i64] = if frame == 0 {
            &[]
        } else if frame.is_multiple_of(2) {
            &[id - 2]
        } else {
            &[id - 1]
        };
        // For a second nothing comes; then all of it at once.
        let held_up = (5_000_000..6_000_000).contains(&sent_at(frame));
        let arrival = if held_up { 6_000_000 } else { sent_at(frame) };
        for packet in packets_of(frame, frames_of(id, references)) {
            viewer.coming.push((arrival + 30_000, packet));
        }
    }
    viewer.run_until(10_500);
    let dropped = viewer.playout.stats().frames_dropped;
    assert!((10..=15).contains(&dropped), "{dropped}");
    assert!((0..300).step_by(2).all(|id| viewer.ids().contains(&id)), "frames that others need are shown");
}

#[test]
fn layers_of_one_picture_come_in_order_and_are_shown_together() {
    let mut viewer = Viewer::new();
    for picture in 0..100_u32 {
        for layer in 0..2_u32 {
            let id = i64::from(picture * 8 + layer);
            let references: Vec<i64> = match (picture, layer) {
                (0, 0) => vec![],
                (_, 0) => vec![id - 8],
                (0, _) => vec![id - 1],
                _ => vec![id - 8, id - 1],
            };
            for packet in packets_of(picture * 2 + layer, frames_of(id, &references)) {
                let packet = VideoPacket { timestamp: picture * TICKS, ..packet };
                viewer.coming.push((sent_at(picture) + 30_000 + u64::from(layer) * 3_000, packet));
            }
        }
    }
    viewer.run_until(4_000);
    assert_eq!(viewer.shown.len(), 200);
    for pair in viewer.shown.chunks_exact(2) {
        assert_eq!((pair[1].id - pair[0].id, pair[1].render - pair[0].render), (1, 0), "{pair:?}");
    }
}

#[test]
fn frames_without_numbers_follow_the_packets_before_them_and_padding_is_no_gap() {
    let mut viewer = Viewer::new();
    let mut sequence = 65_000_u32;
    for frame in 0..300_u32 {
        let dependence = if frame == 0 { Dependence::Key } else { Dependence::Previous };
        for packet in packets_of(frame, dependence) {
            let packet = VideoPacket { sequence: sequence as u16, ..packet };
            viewer.coming.push((sent_at(frame) + 30_000, packet));
            sequence += 1;
        }
        if frame % 50 == 20 {
            sequence += 3;
        }
    }
    // One padding comes after the frame that follows it.
    for (frame, late) in [(20, 20_000), (70, 20_000), (120, 50_000), (170, 20_000), (220, 50_000), (270, 20_000)] {
        let first = 65_000 + (frame + 1) * PACKETS + frame / 50 * 3;
        viewer.run_until((sent_at(frame) + 30_000 + late) / 1_000);
        for padding in first..first + 3 {
            assert_eq!(viewer.playout.handle_padding(at(viewer.now), padding as u16), Ok(()));
        }
    }
    viewer.run_until(10_500);
    assert_eq!(viewer.shown.len(), 300);
    assert_eq!(viewer.asked, []);
}

#[test]
fn numbers_and_timestamps_wrap_without_a_trace() {
    let mut viewer = Viewer::new();
    for frame in 0..300_u32 {
        let before = [i64::from(frame) - 1];
        for packet in packets_of(frame, frames_of(i64::from(frame), if frame == 0 { &[] } else { &before })) {
            let timestamp = packet.timestamp.wrapping_sub(100 * TICKS);
            let sequence = packet.sequence.wrapping_sub(500);
            viewer.coming.push((sent_at(frame) + 30_000, VideoPacket { timestamp, sequence, ..packet }));
        }
    }
    viewer.run_until(10_500);
    assert_eq!(viewer.ids(), (0..300).collect::<Vec<_>>());
    assert_eq!(viewer.playout.stats().freeze_count, 0);
}

#[test]
fn a_stream_that_begins_anew_goes_on_with_its_key_frame() {
    let mut viewer = Viewer::new();
    viewer.send(0..100, &[], |_, _| Some(30));
    viewer.run_until(3_400);
    let stray = VideoPacket { sequence: 40_000, ..packets_of(0, Dependence::Key).next().unwrap() };
    assert_eq!(viewer.playout.handle_packet(at(viewer.now), stray), Err(VideoPacketError::Jump));
    for frame in 0..100_u32 {
        let before = [i64::from(frame) + 6];
        for packet in packets_of(frame, frames_of(i64::from(frame) + 7, if frame < 2 { &[] } else { &before })) {
            let (timestamp, sequence) = (packet.timestamp.wrapping_add(3_000_000_000), packet.sequence + 30_000);
            let packet = VideoPacket { timestamp, sequence, ..packet };
            viewer.coming.push((sent_at(frame) + 3_430_000, packet));
        }
    }
    viewer.run_until(8_000);
    // Its first packet is what made it known.
    assert_eq!(viewer.shown.len(), 100 + 99);
}

#[test]
fn a_decoder_that_fails_gets_a_key_frame_and_nothing_before_it() {
    let mut viewer = Viewer::new();
    viewer.send(0..100, &[60], |_, _| Some(30));
    viewer.run_until(1_500);
    viewer.playout.handle_decoder_failure(at(viewer.now));
    viewer.poll();
    assert_eq!(viewer.asked, [1_500]);
    let before = viewer.shown.len();
    viewer.run_until(4_000);
    assert_eq!(viewer.shown[before].id, 60);
    assert_eq!(viewer.shown.len(), before + 40);
}

#[test]
fn before_the_first_key_frame_it_is_asked_for_and_no_more_is_kept_than_there_is_room_for() {
    let mut viewer = Viewer::new();
    for frame in 1..2_000_u32 {
        for packet in packets_of(frame, frames_of(i64::from(frame), &[i64::from(frame) - 1])) {
            viewer.coming.push((sent_at(frame) + 30_000, packet));
        }
    }
    viewer.run_until(60_000);
    assert_eq!(viewer.shown.len(), 0);
    assert!(viewer.playout.frames.len() <= order::MOST_FRAMES);
    assert!(viewer.asked[0] <= 300 && viewer.asked.len() <= 200, "{:?}", viewer.asked.len());
}

#[test]
fn the_least_delay_is_reached_in_small_steps() {
    let mut viewer = Viewer::new();
    viewer.send(0..600, &[], |_, _| Some(30));
    viewer.run_until(5_000);
    viewer.playout.set_least_delay(Duration::from_millis(250));
    viewer.run_until(10_000);
    let delay = viewer.playout.delay();
    assert_eq!(delay, Duration::from_millis(250));
    for pair in viewer.shown.windows(2).skip(60) {
        assert!(pair[1].render - pair[0].render <= 40_000, "{pair:?}");
    }
}

#[test]
fn frames_that_cannot_be_are_refused() {
    let mut playout = VideoPlayout::new(90_000);
    let packet = |dependence, length| VideoPacket {
        sequence: 5,
        timestamp: 0,
        is_first: true,
        is_last: true,
        is_repaired: false,
        dependence,
        payload: vec![0; length],
    };
    assert_eq!(playout.handle_packet(at(0), packet(Dependence::Key, 9_001)), Err(VideoPacketError::TooLarge));
    assert_eq!(playout.handle_packet(at(0), packet(frames_of(3, &[3]), 9)), Err(VideoPacketError::BadReference));
    assert_eq!(References::new(&[FrameId(0); 9]), None);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, rng_seed: prop::test_runner::RngSeed::Fixed(6), ..ProptestConfig::default() })]

    #[test]
    fn no_packet_however_made_up_breaks_it_or_makes_it_grow(
        events in prop::collection::vec((any::<u8>(), any::<u16>(), any::<u32>(), any::<i64>(), any::<u64>()), 0..600),
        clock_rate in any::<u32>(),
    ) {
        let mut playout = VideoPlayout::new(clock_rate);
        let (mut now, mut sequence, mut timestamp, mut id) = (0_u64, 0_u16, 0_u32, 0_i64);
        let mut last_render = Time::default();
        for (kind, number, ticks, wild, wait) in events {
            // Mostly a stream as others, so that more than the refusal is tested.
            sequence = if kind % 32 == 0 { number } else { sequence.wrapping_add(1 + u16::from(kind % 7 == 0)) };
            timestamp = if kind % 32 == 1 { ticks } else { timestamp.wrapping_add(if kind % 2 == 0 { 3_000 } else { 0 }) };
            id = if kind % 32 == 2 { wild } else { id.saturating_add(1) };
            now = now.saturating_add(if kind % 64 == 3 { wait } else { wait % 20_000 });
            let dependence = match kind % 5 {
                0 => Dependence::Key,
                1 => Dependence::Previous,
                2 => frames_of(id, &[wild]),
                _ => frames_of(id, &[id.saturating_sub(i64::from(number % 3))]),
            };
            let packet = VideoPacket {
                sequence,
                timestamp,
                is_first: kind % 3 != 0,
                is_last: kind % 4 != 0,
                is_repaired: kind % 11 == 0,
                dependence,
                payload: vec![0_u8; usize::from(number) % 9_100],
            };
            let _ = playout.handle_packet(at(now), packet);
            match kind {
                200..=205 => playout.handle_round_trip(Duration::from_micros(wait)),
                206..=210 => playout.handle_decoded(at(now), Duration::from_micros(wait)),
                211..=215 => playout.set_least_delay(Duration::from_micros(wait)),
                216..=230 => {
                    let _ = playout.handle_padding(at(now), number);
                }
                231 => playout.handle_decoder_failure(at(now)),
                _ => {}
            }
            let _ = (playout.poll_timeout(at(now)), playout.useful_from());
            while let Some(ready) = playout.poll_frame(at(now)) {
                prop_assert!(ready.render_time >= last_render);
                last_render = ready.render_time;
                prop_assert!(ready.frame.size == ready.frame.payloads.iter().map(Vec::len).sum::<usize>());
            }
            playout.poll_key_frame(at(now));
            prop_assert!(playout.frames.len() <= order::MOST_FRAMES);
        }
    }
}
