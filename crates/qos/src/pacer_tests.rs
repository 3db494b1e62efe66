use super::*;

const SIZE: u32 = 1_250;

fn at(micros: u64) -> Time {
    Time::since_start(Duration::from_micros(micros))
}

fn control(pacing: u64, padding: u64) -> Control {
    Control {
        target: Bitrate::kbps(pacing * 2 / 5),
        pacing: Bitrate::kbps(pacing),
        padding: Bitrate::kbps(padding),
        is_ample: false,
    }
}

fn packet(at: Time, size: u32, probe: Option<ProbeId>) -> SentPacket {
    SentPacket { at, size, probe, is_media: true }
}

/// What leaves, with its time in µs: `count` packets of media wait from the beginning.
fn drain(pacer: &mut Pacer, mut count: u32, until: u64) -> Vec<(u64, u32, Option<ProbeId>)> {
    let mut now = at(0);
    let mut sent = Vec::new();
    while now < at(until) {
        let queued = Queued { bytes: u64::from(count * SIZE), packets: count };
        let (size, probe) = match pacer.poll(now, queued) {
            Turn::Media(probe) => {
                count -= 1;
                (SIZE, probe)
            }
            Turn::Padding { bytes, probe } => (bytes, probe),
            Turn::Wait(Some(later)) => {
                assert!(later > now, "waiting moves on: {later:?}");
                now = later;
                continue;
            }
            Turn::Wait(None) => break,
        };
        pacer.handle_sent(&packet(now, size, probe));
        sent.push((now.to_duration().as_micros() as u64, size, probe));
    }
    sent
}

#[test]
fn media_leaves_in_bursts_of_5_ms_at_the_pacing_rate() {
    let mut pacer = Pacer::new(control(10_000, 0));
    // 10 Mbit/s are 1 ms a packet.
    let sent = drain(&mut pacer, 20, 1_000_000);
    let times: Vec<u64> = sent.iter().map(|(at, ..)| *at).collect();
    assert_eq!(times[..5], [0; 5]);
    assert_eq!(times[5..10], [5_000; 5]);
    assert_eq!(*times.last().unwrap(), 15_000);
}

#[test]
fn where_the_path_is_ample_whole_frames_leave_at_once() {
    let mut pacer = Pacer::new(Control { is_ample: true, ..control(10_000, 0) });
    let times: Vec<u64> = drain(&mut pacer, 25, 1_000_000).iter().map(|(at, ..)| *at).collect();
    assert_eq!(times[..20], [0; 20]);
    assert_eq!(times[20..], [20_000; 5]);
    pacer.set_rates(at(1_000_000), control(10_000, 0));
    assert_eq!(drain(&mut pacer, 6, 2_000_000).iter().filter(|(time, ..)| *time <= 1_000_000).count(), 5);
}

#[test]
fn a_slow_leg_sends_one_packet_at_a_time() {
    let mut pacer = Pacer::new(control(1_000, 0));
    let times: Vec<u64> = drain(&mut pacer, 4, 1_000_000).iter().map(|(at, ..)| *at).collect();
    assert_eq!(times, [0, 10_000, 20_000, 30_000]);
}

#[test]
fn nothing_waits_much_longer_than_400_ms() {
    let mut pacer = Pacer::new(control(100, 0));
    // At 100 kbit/s these 40 would take 4 s.
    let sent = drain(&mut pacer, 40, 10_000_000);
    assert_eq!(sent.len(), 40);
    let half = sent[20].0;
    assert!(half < 400_000, "half of it is gone within {half} µs");
}

#[test]
fn audio_does_not_wait_but_is_counted() {
    let mut pacer = Pacer::new(control(1_000, 0));
    pacer.handle_sent(&packet(at(0), SIZE, None));
    let one = Queued { bytes: u64::from(SIZE), packets: 1 };
    assert_eq!(pacer.poll(at(0), one), Turn::Wait(Some(at(10_000))));
    for _ in 0..1_000 {
        pacer.handle_sent(&packet(at(0), SIZE, None));
    }
    assert_eq!(pacer.poll(at(0), one), Turn::Wait(Some(at(500_000))), "debt is bounded");
}

#[test]
fn padding_fills_what_media_leaves_free() {
    let mut pacer = Pacer::new(control(2_500, 1_000));
    let sent = drain(&mut pacer, 10, 1_000_000);
    let bytes: u32 = sent.iter().map(|(_, size, _)| size).sum();
    assert!((118_000..127_000).contains(&bytes), "1 Mbit/s over a second in all: {bytes}");
    assert!(sent[..10].iter().all(|(_, size, _)| *size == SIZE), "media first");
}

#[test]
fn a_probe_leaves_at_its_rate_with_padding_where_media_is_short() {
    let mut pacer = Pacer::new(control(750, 0));
    let probe = Probe { id: ProbeId(3), rate: Bitrate::kbps(10_000), bytes: 18_750, packets: 5 };
    pacer.add_probe(at(0), probe);
    let sent = drain(&mut pacer, 3, 1_000_000);
    let bytes: u32 = sent.iter().map(|(_, size, _)| size).sum();
    assert!((18_750..20_000).contains(&bytes), "{bytes}");
    assert!(sent.iter().all(|(.., probe)| *probe == Some(ProbeId(3))));
    let took = sent.last().unwrap().0;
    assert!((11_000..15_000).contains(&took), "{took} µs for 15 ms of data");
    assert_eq!(pacer.poll(at(2_000_000), Queued::default()), Turn::Wait(None), "over");
}

#[test]
fn a_small_probe_is_cut_into_as_many_packets_as_it_needs() {
    let mut pacer = Pacer::new(control(750, 0));
    pacer.add_probe(at(0), Probe { id: ProbeId(1), rate: Bitrate::kbps(600), bytes: 1_125, packets: 5 });
    let sent = drain(&mut pacer, 0, 1_000_000);
    assert_eq!(sent.iter().map(|(_, size, _)| *size).collect::<Vec<_>>(), [225; 5]);
}

#[test]
fn a_probe_that_was_kept_from_sending_does_not_catch_up() {
    let mut pacer = Pacer::new(control(750, 0));
    pacer.add_probe(at(0), Probe { id: ProbeId(1), rate: Bitrate::kbps(10_000), bytes: 50_000, packets: 5 });
    let Turn::Padding { bytes, probe } = pacer.poll(at(0), Queued::default()) else { panic!("a probe is due") };
    pacer.handle_sent(&packet(at(0), bytes, probe));
    let mut at_once = 0;
    while let Turn::Padding { bytes, probe } = pacer.poll(at(100_000), Queued::default()) {
        pacer.handle_sent(&packet(at(100_000), bytes, probe));
        at_once += bytes;
    }
    assert!(at_once < 5_000, "{at_once}");
}

#[test]
fn a_probe_out_of_date_is_not_sent_and_too_many_make_room() {
    let mut pacer = Pacer::new(control(750, 0));
    for i in 0..6 {
        pacer.add_probe(at(0), Probe { id: ProbeId(i), rate: Bitrate::kbps(900), bytes: 1_000, packets: 5 });
    }
    assert!(matches!(pacer.poll(at(0), Queued::default()), Turn::Padding { probe: Some(ProbeId(2)), .. }));
    assert_eq!(pacer.poll(at(1_000_001), Queued::default()), Turn::Wait(None));
}

#[test]
fn a_probe_that_nothing_can_fill_ends_and_holds_nothing_up() {
    let mut pacer = Pacer::new(control(750, 0));
    pacer.add_probe(at(0), Probe { id: ProbeId(1), rate: Bitrate::kbps(10_000), bytes: 50_000, packets: 5 });
    assert_eq!(pacer.poll(at(0), Queued { bytes: 1_250, packets: 1 }), Turn::Media(Some(ProbeId(1))));
    pacer.handle_sent(&packet(at(0), SIZE, Some(ProbeId(1))));
    assert!(matches!(pacer.poll(at(50_000), Queued::default()), Turn::Padding { .. }));
    let one = Queued { bytes: 1_250, packets: 1 };
    assert_eq!(pacer.poll(at(2_000_000), one), Turn::Media(None));
}

#[test]
fn a_rate_of_nothing_sends_nothing() {
    let mut pacer = Pacer::new(Control::default());
    assert_eq!(pacer.poll(at(5), Queued { bytes: 0, packets: 1 }), Turn::Wait(None));
}

#[test]
fn a_full_window_stops_all_but_one_packet_each_half_second() {
    let mut pacer = Pacer::new(control(10_000, 0));
    pacer.set_window(Some(5_000), 0);
    let times: Vec<_> = drain(&mut pacer, 20, 1_100_000).into_iter().map(|(at, ..)| at / 100_000).collect();
    assert_eq!(times, [0, 0, 0, 0, 5, 10]);
    pacer.set_window(Some(5_000), 2_500);
    let queued = Queued { bytes: 12_500, packets: 10 };
    assert_eq!(pacer.poll(at(1_100_000), queued), Turn::Media(None));
    pacer.set_window(None, 1_000_000);
    assert_eq!(pacer.poll(at(1_100_000), queued), Turn::Media(None));
}
