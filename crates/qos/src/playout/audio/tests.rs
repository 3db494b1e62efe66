use proptest::prelude::*;

use super::*;

const RATE: u32 = 48_000;
const PACKET: u32 = RATE / 50;

/// Plays a tone: its payload is the time that it stands for, so a copy sounds like the packet itself.
struct Tone {
    second: Vec<f32>,
    /// Each so many samples of them one is given.
    step: u32,
    resets: usize,
    decoded: Vec<(u32, Origin)>,
}

impl Tone {
    fn new(hz: f64) -> Self {
        let sample = |i: u32| libm::sin(std::f64::consts::TAU * hz * f64::from(i) / f64::from(RATE)) as f32 * 0.5;
        Self { second: (0..RATE).map(sample).collect(), step: 1, resets: 0, decoded: Vec::new() }
    }
}

impl AudioDecoder for Tone {
    fn decode(&mut self, payload: &[u8], origin: Origin, samples: &mut Vec<f32>) -> bool {
        let Ok(bytes) = payload.try_into() else { return false };
        let start = u32::from_be_bytes(bytes);
        self.decoded.push((start, origin));
        let times = (0..PACKET).step_by(self.step as usize).map(|i| start.wrapping_add(i));
        samples.extend(times.map(|time| self.second[(time % RATE) as usize]));
        true
    }

    fn reset(&mut self) {
        self.resets += 1;
    }
}

fn packet(number: u32) -> AudioPacket<Vec<u8>> {
    let timestamp = number.wrapping_mul(PACKET);
    AudioPacket {
        sequence: number as u16,
        timestamp,
        ticks: PACKET,
        is_silence: false,
        origin: Origin::Primary,
        payload: timestamp.to_be_bytes().to_vec(),
    }
}

fn at(micros: u64) -> Time {
    Time::since_start(Duration::from_micros(micros))
}

/// A receiver in virtual time.
struct Listener {
    playout: AudioPlayout<Vec<u8>>,
    decoder: Tone,
    now: u64,
    /// Packets on their way: when each arrives.
    coming: Vec<(u64, AudioPacket<Vec<u8>>)>,
    heard: Vec<f32>,
    blocks: Vec<Block>,
    out: Vec<f32>,
}

impl Listener {
    fn new() -> Self {
        Self::with_rate(RATE)
    }

    /// Samples at this rate; the clock has 48 kHz all the same.
    fn with_rate(sample_rate: u32) -> Self {
        let config = AudioConfig { channels: 1, sample_rate, ..AudioConfig::default() };
        Self {
            playout: AudioPlayout::new(config).unwrap(),
            decoder: Tone { step: RATE / sample_rate, ..Tone::new(200.0) },
            now: 0,
            coming: Vec::new(),
            heard: Vec::new(),
            blocks: Vec::new(),
            out: Vec::new(),
        }
    }

    /// Packets `numbers`, one each 20 ms from the first's time on, each late by what `delay` says in ms; `None`: lost.
    fn send(&mut self, numbers: std::ops::Range<u32>, delay: impl Fn(u32) -> Option<u64>) {
        for number in numbers {
            if let Some(delay) = delay(number) {
                self.coming.push((u64::from(number) * 20_000 + delay * 1_000, packet(number)));
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
            self.now += 10_000;
        }
        self.coming = coming.collect();
    }

    fn poll(&mut self) {
        let block = self.playout.poll_block(at(self.now), &mut self.decoder, &mut self.out);
        self.blocks.push(block);
        self.heard.extend_from_slice(&self.out);
    }

    fn target_ms(&self) -> u128 {
        self.playout.target_delay().as_millis()
    }

    fn largest_step(&self) -> f32 {
        self.heard.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max)
    }
}

#[test]
fn on_a_steady_network_a_packet_and_a_bit_is_enough() {
    let mut listener = Listener::new();
    listener.send(0..1_000, |_| Some(30));
    listener.run_until(20_000);
    let stats = *listener.playout.stats();
    assert_eq!(listener.target_ms(), 20);
    assert!(stats.mean_delay() < Duration::from_millis(60), "{:?}", stats.mean_delay());
    assert_eq!((stats.concealed_samples, stats.packets_discarded), (0, 0), "{stats:?}");
    let delay = listener.playout.delay(at(listener.now)).unwrap();
    assert!(delay <= Duration::from_millis(60), "{delay:?}");
}

#[test]
fn spikes_of_100_ms_raise_the_delay_within_a_second_and_it_falls_when_they_end() {
    let mut listener = Listener::new();
    listener.send(0..5_000, |number| {
        // What follows a packet that was held up comes together with it.
        let held_up = (500..1_000).contains(&number) && number % 20 < 5;
        Some(if held_up { 130 - u64::from(number % 20) * 20 } else { 30 })
    });
    listener.run_until(10_000);
    assert_eq!(listener.target_ms(), 20);
    let mut raised = 0;
    while listener.target_ms() < 100 {
        listener.run_until(listener.now / 1_000 + 20);
        raised += 1;
        assert!(raised < 150, "spikes do not matter");
    }
    // A spike each 400 ms, and 5 % of half seconds with one are too many after one or two intervals.
    assert!(raised <= 100, "{raised} packets");
    listener.run_until(20_000);
    let before = listener.playout.stats().concealed_samples;
    listener.run_until(20_030);
    assert!(listener.target_ms() >= 100, "{}", listener.target_ms());
    assert_eq!(listener.playout.stats().concealed_samples, before);
    // 0.983^n < 5 %: 175 half seconds; sooner while there are few values.
    listener.run_until(100_000);
    assert!(listener.target_ms() <= 40, "{}", listener.target_ms());
    let delay = listener.playout.delay(at(listener.now)).unwrap();
    assert!(delay <= Duration::from_millis(80), "{delay:?}");
}

#[test]
fn after_it_has_grown_the_delay_prevents_gaps() {
    let mut listener = Listener::new();
    let jitter = |number: u32| Some(20 + u64::from(number.wrapping_mul(2_654_435_761) >> 24) * 80 / 256);
    listener.send(0..3_000, jitter);
    listener.run_until(20_000);
    let before = *listener.playout.stats();
    listener.run_until(58_000);
    let after = *listener.playout.stats();
    let concealed = after.concealed_samples - before.concealed_samples;
    let total = after.total_samples_received - before.total_samples_received;
    assert!(concealed * 200 < total, "{concealed} of {total}");
}

#[test]
fn losses_are_concealed_without_clicks_and_as_loud_as_the_sound_around() {
    let mut listener = Listener::new();
    listener.send(0..500, |number| (number < 100 || number % 10 != 0).then_some(30));
    listener.run_until(9_900);
    let stats = *listener.playout.stats();
    assert!((38..=40).contains(&stats.concealment_events), "{stats:?}");
    let each = stats.concealed_samples / stats.concealment_events;
    assert!((960..=1_200).contains(&each), "{stats:?}");
    // The steepest part of the tone has 0.0131 a sample.
    assert!(listener.largest_step() < 0.026, "{}", listener.largest_step());
    let powers: Vec<f32> = listener.heard[RATE as usize..].chunks_exact(480).map(pitch::power).collect();
    let weakest = powers.iter().copied().fold(1.0, f32::min);
    assert!(weakest > 0.125 / 3.0, "{weakest}");
}

#[test]
fn a_long_gap_fades_to_nearly_nothing_and_comes_back_without_a_click() {
    let mut listener = Listener::new();
    listener.send(0..500, |number| (!(200..260).contains(&number)).then_some(30));
    listener.run_until(9_900);
    let stats = *listener.playout.stats();
    assert_eq!(stats.concealment_events, 1);
    assert!(stats.silent_concealed_samples > stats.concealed_samples * 3 / 4, "{stats:?}");
    let gap = &listener.heard[RATE as usize * 45 / 10..RATE as usize * 5];
    assert!(pitch::power(gap) < 1e-4, "{}", pitch::power(gap));
    assert!(listener.largest_step() < 0.026, "{}", listener.largest_step());
    assert!(pitch::power(&listener.heard[RATE as usize * 6..]) > 0.1);
}

#[test]
fn clocks_that_drift_by_200_ppm_neither_starve_nor_flood_in_ten_minutes() {
    for drift in [-200_i64, 200] {
        let mut listener = Listener::with_rate(8_000);
        for number in 0..30_000_u32 {
            let sent = i64::from(number) * 20_000;
            let jitter = i64::from(number.wrapping_mul(2_654_435_761) >> 28) * 500;
            listener.coming.push(((sent + sent * drift / 1_000_000 + 30_000 + jitter) as u64, packet(number)));
        }
        listener.run_until(10_000);
        let before = *listener.playout.stats();
        for second in 11..598 {
            listener.run_until(second * 1_000);
            let delay = listener.playout.delay(at(listener.now)).unwrap_or_default();
            assert!(delay < Duration::from_millis(100), "{drift} ppm, {second} s: {delay:?}");
            listener.heard.clear();
        }
        let after = *listener.playout.stats();
        assert!(after.concealed_samples - before.concealed_samples < 800, "{drift}: {after:?}");
        assert_eq!(after.packets_discarded, 0);
        let (removed, inserted) = (after.removed_samples_for_acceleration, after.inserted_samples_for_deceleration);
        let drifted = 600 * 8_000 * 200 / 1_000_000;
        if drift < 0 {
            assert!(removed > inserted && removed - inserted > drifted / 2, "{after:?}");
        } else {
            assert!(inserted > removed && inserted - removed > drifted / 2, "{after:?}");
        }
    }
}

#[test]
fn silence_that_the_sender_describes_is_not_concealment() {
    let mut listener = Listener::new();
    listener.send(0..100, |_| Some(30));
    listener.send(200..300, |_| Some(30));
    for number in (100..200).step_by(20) {
        let silence = AudioPacket { is_silence: true, ..packet(number) };
        listener.coming.push((u64::from(number) * 20_000 + 30_000, silence));
    }
    listener.run_until(5_900);
    let stats = *listener.playout.stats();
    assert!(stats.comfort_noise_samples > u64::from(RATE) * 3 / 2, "{stats:?}");
    assert!(stats.concealed_samples < u64::from(RATE) / 50, "{stats:?}");
    assert!(listener.blocks.contains(&Block::Silence));
    assert!(listener.playout.delay(at(listener.now)).unwrap() < Duration::from_millis(80));
    assert_eq!(listener.decoder.resets, 0);
}

#[test]
fn silence_that_comes_without_a_gap_is_played_as_it_is() {
    let mut listener = Listener::new();
    for number in 0..200 {
        let silence = AudioPacket { is_silence: number >= 100, ..packet(number) };
        listener.coming.push((u64::from(number) * 20_000 + 30_000, silence));
    }
    listener.run_until(3_900);
    assert_eq!(listener.playout.stats().comfort_noise_samples, 0);
    let heard = &listener.heard[RATE as usize * 5 / 2..];
    assert!(heard.iter().zip(&heard[240..]).all(|(one, next)| (one - next).abs() < 1e-6), "a period like another");
    assert!(listener.largest_step() < 0.02, "{}", listener.largest_step());
}

#[test]
fn silence_whose_description_is_not_repeated_ends_as_a_loss() {
    let mut listener = Listener::new();
    listener.send(0..100, |_| Some(30));
    listener.coming.push((2_030_000, AudioPacket { is_silence: true, ..packet(100) }));
    listener.run_until(2_900);
    assert_eq!(listener.playout.stats().concealed_samples, 0);
    listener.run_until(4_000);
    assert!(listener.playout.stats().concealed_samples > 0);
}

#[test]
fn numbers_and_timestamps_wrap_without_a_trace() {
    let mut listener = Listener::new();
    // 960 * 4,473,924 wraps 2^32 after some 40 ms more; the sequence number wraps earlier.
    let first = u32::MAX / PACKET - 50;
    for i in 0..200_u32 {
        let sent = u64::from(i) * 20_000;
        let mut packet = packet(0);
        packet.timestamp = (first * PACKET).wrapping_add(i * PACKET);
        packet.sequence = 65_500_u16.wrapping_add(i as u16);
        packet.payload = (i * PACKET).to_be_bytes().to_vec();
        listener.coming.push((sent + 30_000, packet));
    }
    listener.run_until(3_900);
    let stats = *listener.playout.stats();
    assert_eq!((stats.concealed_samples, stats.packets_discarded, listener.decoder.resets), (0, 0, 0), "{stats:?}");
}

#[test]
fn a_stream_that_begins_anew_goes_on_after_two_packets_and_a_single_impossible_one_is_ignored() {
    let mut listener = Listener::new();
    listener.send(0..100, |_| Some(30));
    listener.run_until(1_000);
    let stray = AudioPacket { timestamp: 2_000_000_000, sequence: 40_000, ..packet(0) };
    assert_eq!(listener.playout.handle_packet(at(listener.now), stray), Err(AudioPacketError::Jump));
    listener.run_until(2_000);
    assert_eq!(listener.playout.stats().concealed_samples, 0);
    for i in 0..100_u32 {
        let mut packet = packet(1_000_000 + i);
        packet.sequence = 500 + i as u16;
        listener.coming.push((2_030_000 + u64::from(i) * 20_000, packet));
    }
    listener.run_until(3_900);
    let stats = *listener.playout.stats();
    assert_eq!(listener.decoder.resets, 1);
    assert!(stats.concealed_samples < u64::from(RATE) / 8, "{stats:?}");
    assert_eq!(listener.blocks.last(), Some(&Block::Sound));
}

#[test]
fn a_sender_that_was_silent_for_a_minute_goes_on_where_time_has_gone() {
    let mut listener = Listener::new();
    listener.send(0..100, |_| Some(30));
    listener.send(3_100..3_200, |_| Some(30));
    listener.run_until(63_900);
    assert_eq!(listener.decoder.resets, 0);
    assert_eq!(listener.blocks.last(), Some(&Block::Sound));
    assert!(listener.playout.delay(at(listener.now)).unwrap() < Duration::from_millis(150));
}

#[test]
fn duplicates_change_nothing_and_packets_that_were_overtaken_are_put_in_order() {
    let mut once = Listener::new();
    once.send(0..500, |_| Some(30));
    once.run_until(9_000);
    let mut twice = Listener::new();
    twice.send(0..500, |_| Some(30));
    twice.send(0..500, |_| Some(31));
    twice.run_until(9_000);
    assert_eq!(once.heard, twice.heard);
    assert_eq!(once.target_ms(), twice.target_ms());

    let mut listener = Listener::new();
    listener.send(0..2_000, |number| Some(if number % 5 == 0 { 75 } else { 30 }));
    listener.run_until(10_000);
    let before = *listener.playout.stats();
    listener.run_until(39_000);
    let after = *listener.playout.stats();
    assert!(listener.target_ms() >= 60, "{}", listener.target_ms());
    assert!(after.concealed_samples - before.concealed_samples < u64::from(RATE) / 20, "{after:?}");
    let order: Vec<u32> = listener.decoder.decoded.iter().map(|(start, _)| *start).collect();
    assert!(order.is_sorted());
}

#[test]
fn a_copy_stands_in_for_what_is_lost_and_only_for_that() {
    let mut listener = Listener::new();
    for number in 0..500_u32 {
        let arrival = u64::from(number) * 20_000 + 30_000;
        if number % 7 != 3 {
            listener.coming.push((arrival, packet(number)));
        }
        if number > 0 {
            let before = AudioPacket { origin: Origin::Copy, sequence: number as u16, ..packet(number - 1) };
            listener.coming.push((arrival, before));
        }
    }
    listener.playout.set_limits(DelayLimits { least: Duration::from_millis(40), most: None });
    listener.run_until(9_000);
    let stats = *listener.playout.stats();
    assert_eq!(stats.concealed_samples, 0, "{stats:?}");
    assert!(
        listener
            .decoder
            .decoded
            .iter()
            .all(|(start, origin)| { (*origin == Origin::Copy) == (start / PACKET % 7 == 3) })
    );
    assert!(stats.fec_packets_received > stats.fec_packets_discarded && stats.fec_packets_discarded > 0);
}

#[test]
fn the_limits_of_the_delay_are_kept() {
    let mut listener = Listener::new();
    listener.playout.set_limits(DelayLimits { least: Duration::from_millis(200), most: None });
    listener.send(0..1_000, |_| Some(30));
    listener.run_until(10_000);
    let delay = listener.playout.delay(at(listener.now)).unwrap();
    assert!((190..=260).contains(&delay.as_millis()), "{delay:?}");
    let most = Some(Duration::from_millis(60));
    listener.playout.set_limits(DelayLimits { least: Duration::from_millis(200), most });
    listener.run_until(19_000);
    assert_eq!(listener.target_ms(), 60);
    let delay = listener.playout.delay(at(listener.now)).unwrap();
    assert!(delay.as_millis() <= 100, "{delay:?}");
    // More than there is room for is not aimed at: 200 packets of 20 ms, of which 75 %.
    listener.playout.set_limits(DelayLimits { least: Duration::MAX, most: None });
    assert_eq!(listener.target_ms(), 3_000);
}

#[test]
fn what_the_decoder_refuses_is_concealed() {
    let mut listener = Listener::new();
    for number in 0..200_u32 {
        let mut packet = packet(number);
        if number == 100 {
            packet.payload = vec![1, 2, 3];
        }
        listener.coming.push((u64::from(number) * 20_000 + 30_000, packet));
    }
    listener.run_until(3_900);
    let stats = *listener.playout.stats();
    assert_eq!((stats.packets_undecodable, stats.concealment_events), (1, 1), "{stats:?}");
    assert!((960..=1_200).contains(&stats.concealed_samples), "{stats:?}");
}

#[test]
fn when_nobody_plays_no_more_is_kept_than_there_is_room_for() {
    let mut listener = Listener::new();
    for number in 0..10_000 {
        let _ = listener.playout.handle_packet(at(u64::from(number) * 20_000), packet(number));
    }
    assert!(listener.playout.stats().packets_discarded > 9_700);
    listener.now = 200_000_000;
    listener.send(10_000..10_200, |_| Some(0));
    listener.run_until(203_000);
    assert_eq!(listener.blocks.last(), Some(&Block::Sound));
}

#[test]
fn packets_that_no_sound_can_come_from_are_refused_and_the_error_says_why() {
    let mut playout = AudioPlayout::new(AudioConfig::default()).unwrap();
    let bad = |ticks, length| AudioPacket { ticks, payload: vec![0; length], ..packet(0) };
    assert_eq!(playout.handle_packet(at(0), bad(0, 4)), Err(AudioPacketError::BadDuration));
    assert_eq!(playout.handle_packet(at(0), bad(5_761, 4)), Err(AudioPacketError::BadDuration));
    assert_eq!(playout.handle_packet(at(0), bad(5_760, 9_001)), Err(AudioPacketError::TooLarge));
    let copy = AudioPacket { origin: Origin::Copy, ..packet(0) };
    assert_eq!(playout.handle_packet(at(0), copy), Err(AudioPacketError::TooLate));
    assert_eq!(playout.handle_packet(at(0), packet(5)), Ok(()));
    assert_eq!(playout.handle_packet(at(0), packet(5)), Err(AudioPacketError::Duplicate));
    for config in [
        (AudioConfig { clock_rate: 0, ..AudioConfig::default() }, AudioConfigError::ClockRate),
        (AudioConfig { sample_rate: 44_100, ..AudioConfig::default() }, AudioConfigError::SampleRate),
        (AudioConfig { channels: 0, ..AudioConfig::default() }, AudioConfigError::Channels),
    ] {
        assert_eq!(AudioPlayout::<Vec<u8>>::new(config.0).unwrap_err(), config.1);
    }
}

/// Gives whatever the payload says: too little, too much, no numbers.
struct Wild;

impl AudioDecoder for Wild {
    fn decode(&mut self, payload: &[u8], _: Origin, samples: &mut Vec<f32>) -> bool {
        let Some((first, rest)) = payload.split_first() else { return false };
        let value = f32::from_bits(u32::from_be_bytes([*first, 0xff, *first, 1]));
        let count = rest.first().map_or(0, |count| usize::from(*count) * 97);
        samples.extend((0..count).map(|i| if i % 3 == 0 { value } else { i as f32 / 1_000.0 }));
        *first % 5 != 0
    }

    fn comfort_noise(&mut self, frames: usize, samples: &mut Vec<f32>) -> bool {
        samples.resize(frames / 2 * 3, f32::NAN);
        frames.is_multiple_of(2)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, rng_seed: prop::test_runner::RngSeed::Fixed(5), ..ProptestConfig::default() })]

    #[test]
    fn no_packet_however_made_up_breaks_it_or_makes_it_grow(
        events in prop::collection::vec(
            (any::<u16>(), any::<u32>(), 0_u32..8_000, any::<u8>(), prop::collection::vec(any::<u8>(), 0..4), any::<u64>()),
            0..300,
        ),
        channels in 1_u8..=8,
        rate in prop::sample::select(vec![8_000_u32, 12_000, 16_000, 24_000, 32_000, 48_000]),
        clock_rate in 1_000_u32..=192_000,
    ) {
        let mut playout = AudioPlayout::new(AudioConfig { clock_rate, sample_rate: rate, channels, seed: 3 }).unwrap();
        let (mut now, mut timestamp, mut out) = (0_u64, 0_u32, Vec::new());
        for (sequence, jump, ticks, kind, payload, wait) in events {
            // Mostly a stream as others, so that more than the refusal is tested.
            timestamp = if kind % 16 == 0 { jump } else { timestamp.wrapping_add(ticks % 2_000) };
            now = now.saturating_add(if kind % 64 == 1 { wait } else { wait % 40_000 });
            let origin = [Origin::Primary, Origin::Primary, Origin::Copy, Origin::InBand][usize::from(kind >> 6)];
            let packet = AudioPacket { sequence, timestamp, ticks, is_silence: kind % 9 == 0, origin, payload };
            let _ = playout.handle_packet(at(now), packet);
            playout.set_limits(DelayLimits {
                least: Duration::from_micros(wait >> (kind % 64)),
                most: (kind % 3 == 0).then_some(Duration::from_millis(u64::from(kind))),
            });
            for _ in 0..kind % 4 {
                playout.poll_block(at(now), &mut Wild, &mut out);
                prop_assert_eq!(out.len(), rate as usize / 100 * usize::from(channels));
                prop_assert!(out.iter().all(|sample| (-1.0..=1.0).contains(sample)));
            }
            // At most 30 ms and a packet wait decoded, and 240 ms are remembered.
            prop_assert!(playout.pcm.len() <= 45 * playout.pcm.block(), "{}", playout.pcm.len());
            let stats = playout.stats();
            prop_assert!(stats.silent_concealed_samples <= stats.concealed_samples);
        }
    }
}
