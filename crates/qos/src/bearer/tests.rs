use super::model::*;
use super::*;
use crate::playout::{FrameId, References};
use crate::{Bitrate, Probe, ProbeId};

/// A stall of 2 s.
fn stalling(now: u64) -> u64 {
    if (10_000..12_000).contains(&now) { 0 } else { 2_000_000 }
}

fn falling(now: u64) -> u64 {
    if (10_000..20_000).contains(&now) { 500_000 } else { 3_000_000 }
}

fn call(bearer: Bearer, carries: Schedule, seconds: u64) -> Call {
    let mut call = Call::new(bearer, carries);
    call.run(seconds * 1_000);
    assert!(bearer != Bearer::Datagrams || call.below.dropped == 0, "the transport dropped {}", call.below.dropped);
    call
}

fn picture(frame: i64, needs: &[i64], layer: u8) -> Picture {
    let needs: Vec<FrameId> = needs.iter().map(|id| FrameId(*id)).collect();
    let references = References::new(&needs).unwrap();
    Picture { stream: StreamId(3), frame: FrameId(frame), references, layer }
}

fn packet(picture: Picture, size: u32) -> Packet<()> {
    Packet { content: Content::Picture(picture), size, payload: () }
}

/// The frames that are handed over now; `None` for sound and padding.
fn frames(sender: &mut BearerSender<()>, now: u64) -> Vec<Option<i64>> {
    std::iter::from_fn(|| sender.poll(ms(now)))
        .map(|handover| match handover {
            Handover::Packet(Packet { content: Content::Picture(picture), .. }, _) => Some(picture.frame.0),
            _ => None,
        })
        .collect()
}

#[test]
fn encoders_make_what_the_bearer_carries() {
    let cases: [(Schedule, u64); 3] = [(|_| 300_000, 300_000), (|_| 1_000_000, 1_000_000), (|_| 3_000_000, 3_000_000)];
    for bearer in Bearer::ALL {
        // SCTP's least window is more than what 300 kbit/s have in flight: there losses limit, which a controller sees.
        for (carries, rate) in cases.into_iter().skip(usize::from(bearer == Bearer::Messages)) {
            let call = call(bearer, carries, 20);
            let (least, mean, most) = call.shares(3_000, 20_000, rate);
            // SCTP's own window swings between full and half.
            let highest = if bearer == Bearer::Messages { 170 } else { 110 };
            assert!(
                mean.abs_diff(98) <= 5 && least >= 65 && most <= highest,
                "{bearer}, {rate}: {least} {mean} {most} %"
            );
            // The model's path has 20 ms and, below SCTP's window, up to 60 ms of queue.
            let path = if bearer == Bearer::Messages { 80 } else { 0 };
            let (pictures, sounds) = (call.delays(3_000, 20_000, false), call.delays(3_000, 20_000, true));
            assert!(pictures.0 <= path + 120 && pictures.1 <= path + 40, "{bearer}, {rate}: pictures {pictures:?} ms");
            assert!(sounds.0 <= path + 60 && sounds.1 <= path + 30, "{bearer}, {rate}: sounds {sounds:?} ms");
            assert!(call.key_frames_asked.iter().all(|at| *at < 1_000), "{bearer}: {:?}", call.key_frames_asked);
        }
    }
}

#[test]
fn what_carries_all_limits_nothing() {
    for bearer in Bearer::ALL {
        let call = call(bearer, |_| 40_000_000, 5);
        // SCTP's window begins small.
        let from = if bearer == Bearer::Messages { 1_500 } else { 0 };
        assert_eq!(call.shares(from, 5_000, MOST), (100, 100, 100), "{bearer}");
        assert_eq!(call.sender.stats().packets_dropped + call.sender.stats().sounds_dropped, 0, "{bearer}");
        let path = if bearer == Bearer::Messages { 25 } else { 0 };
        assert!(call.delays(from, 5_000, false).0 <= path + 45, "{bearer}: {:?}", call.delays(from, 5_000, false));
    }
}

#[test]
fn a_rate_that_falls_is_followed_within_two_seconds_and_back() {
    for bearer in Bearer::ALL {
        let call = call(bearer, falling, 30);
        let fallen = call.shares(12_000, 20_000, 500_000);
        assert!(fallen.1.abs_diff(98) <= 6, "{bearer}: {fallen:?} %");
        let recovered = call.shares(23_000, 30_000, 3_000_000);
        assert!((80..=105).contains(&recovered.1), "{bearer}: {recovered:?} %");
        // What was encoded for six times the rate is dropped, once.
        assert!(call.delays(12_000, 30_000, false).0 <= 200, "{bearer}: {:?}", call.delays(12_000, 30_000, false));
        assert!(call.delays(10_000, 30_000, true).0 <= 180, "{bearer}: {:?}", call.delays(10_000, 30_000, true));
        let keys: Vec<_> = call.key_frames_asked.iter().filter(|at| **at > 1_000).collect();
        assert!(keys.len() <= 1, "{bearer}: {keys:?}");
    }
}

#[test]
fn after_a_stall_nothing_old_is_sent_and_the_first_picture_is_a_key_frame() {
    for bearer in Bearer::ALL {
        let call = call(bearer, stalling, 20);
        let late: Vec<&(u64, Item)> = call.arrived.iter().filter(|(at, _)| *at >= 12_000).collect();
        // What the bearer had been given when it stopped can no longer be dropped.
        let stuck = late.iter().filter(|(_, item)| item.queued < 10_200).count();
        assert!(stuck <= 40, "{bearer}: {stuck} packets");
        let fresh: Vec<_> = late.into_iter().filter(|(_, item)| item.queued >= 10_200).collect();
        let oldest = fresh.iter().map(|(at, item)| at - item.queued).max().unwrap();
        assert!(oldest <= 460, "{bearer}: {oldest} ms");
        let first = fresh.iter().find_map(|(at, item)| match item.content {
            Content::Picture(picture) => Some((*at, picture)),
            Content::Sound => None,
        });
        let (at, picture) = first.unwrap();
        assert!(picture.references.is_empty() && at < 12_300, "{bearer}: {picture:?} after {} ms", at - 12_000);
        // Nor is one asked for that would become old.
        let asked: Vec<_> = call.key_frames_asked.iter().filter(|at| **at > 10_200).collect();
        assert!(asked.len() <= 2 && *asked[0] >= 12_000, "{bearer}: {asked:?}");
        let shares = call.shares(15_000, 20_000, 2_000_000);
        assert!(shares.0 >= 50 && shares.1.abs_diff(93) <= 12, "{bearer}: {shares:?} %");
    }
}

#[test]
fn what_the_bearer_holds_is_bounded_in_time() {
    for (bearer, most) in [(Bearer::Datagrams, 60), (Bearer::Messages, 80), (Bearer::Stream, 60)] {
        let mut call = Call::new(bearer, |_| 2_000_000);
        call.run(3_000);
        call.most_held = 0;
        call.run(20_000);
        let held = call.most_held * 8 / 2_000;
        assert!(held <= most, "{bearer}: {held} ms");
    }
}

#[test]
fn frames_that_need_a_dropped_one_are_dropped_with_it() {
    let mut sender = BearerSender::new(Bearer::Stream, control(100_000));
    for (frame, needs) in [(0, vec![]), (1, vec![0]), (2, vec![1]), (3, vec![0])] {
        sender.queue(ms(200 * frame as u64), packet(picture(frame, &needs, 0), 1_000)).unwrap();
    }
    // The first is 601 ms old, the second 401 ms.
    assert_eq!(sender.queue(ms(601), packet(picture(4, &[3], 0), 1_000)), Ok(()));
    assert_eq!(frames(&mut sender, 601), [], "all of them need the first");
    assert_eq!(sender.queue(ms(601), packet(picture(5, &[4], 0), 1_000)), Err(QueueError::Undecodable));
    assert_eq!((sender.poll_key_frame(ms(601)), sender.poll_key_frame(ms(601))), (Some(StreamId(3)), None));
    sender.queue(ms(602), packet(picture(6, &[], 0), 1_000)).unwrap();
    assert_eq!(frames(&mut sender, 602), [Some(6)]);
    let stats = sender.stats();
    assert_eq!((stats.frames_dropped, stats.frames_undecodable, stats.packets_sent), (6, 5, 1));
}

#[test]
fn higher_layers_are_left_out_first_and_the_base_goes_on() {
    let mut sender = BearerSender::new(Bearer::Stream, control(400_000));
    sender.queue(ms(0), packet(picture(0, &[], 0), 20_000)).unwrap();
    // At 1 Mbit/s these wait for 160 ms: too long for the second layer above the base, not for the first.
    assert_eq!(sender.queue(ms(1), packet(picture(1, &[0], 2), 500)), Err(QueueError::Thinned));
    assert_eq!(sender.queue(ms(1), packet(picture(2, &[0], 1), 10_000)), Ok(()));
    assert_eq!(sender.queue(ms(1), packet(picture(3, &[2], 2), 500)), Err(QueueError::Thinned));
    assert_eq!(sender.queue(ms(1), packet(picture(4, &[0], 1), 500)), Err(QueueError::Thinned));
    assert_eq!(sender.queue(ms(1), packet(picture(5, &[4], 2), 500)), Err(QueueError::Undecodable));
    assert_eq!(sender.queue(ms(1), packet(picture(6, &[0], 0), 500)), Ok(()));
    assert_eq!(sender.poll_key_frame(ms(1)), None);
    assert_eq!(sender.stats().frames_thinned, 3);
}

#[test]
fn sound_goes_ahead_of_pictures_and_finds_room_where_they_do_not() {
    let mut sender = BearerSender::new(Bearer::Messages, control(1_000_000));
    for _ in 0..50 {
        sender.queue(ms(0), packet(picture(0, &[], 0), 1_100)).unwrap();
    }
    let mut sent = 0;
    for now in 0..20 {
        sent += frames(&mut sender, now).len();
    }
    assert_eq!(sent, 5, "20 ms of 2.5 Mbit/s");
    sender.queue(ms(20), Packet { content: Content::Sound, size: 160, payload: () }).unwrap();
    assert_eq!(frames(&mut sender, 20), [None]);
    sender.handle_buffered(ms(30), Buffered::Bytes(1_260));
    sender.queue(ms(30), Packet { content: Content::Sound, size: 160, payload: () }).unwrap();
    assert_eq!(frames(&mut sender, 30).first(), Some(&None));
    assert!(sender.poll_timeout().is_some_and(|due| due > ms(30) && due <= ms(40)), "the bearer is to be asked again");
}

#[test]
fn nothing_waits_without_bound() {
    let mut sender = BearerSender::new(Bearer::Stream, control(1_000_000));
    for _ in 0..300 {
        sender.queue(ms(0), Packet { content: Content::Sound, size: 100, payload: () }).unwrap();
    }
    assert_eq!(sender.stats().sounds_dropped, 44);
    for _ in 0..2_048 {
        sender.queue(ms(0), packet(picture(0, &[], 0), 2_000)).unwrap();
    }
    assert_eq!(sender.queue(ms(0), packet(picture(0, &[], 0), 2_000)), Err(QueueError::Full));
    assert_eq!(sender.stats().waiting, 25_600 + 4_096_000);
    assert_eq!(frames(&mut sender, 0).into_iter().flatten().count(), 0, "of a frame that is not whole nothing is sent");
    let mut sender = BearerSender::new(Bearer::Messages, control(1_000_000));
    assert_eq!(sender.queue(ms(0), packet(picture(0, &[], 0), 1_157)), Err(QueueError::TooLarge));
    sender.set_largest(1_157);
    assert_eq!(sender.queue(ms(0), packet(picture(0, &[], 0), 1_157)), Ok(()));
}

#[test]
fn a_probe_is_made_of_pictures_and_padding() {
    let mut sender = BearerSender::new(Bearer::Datagrams, control(1_000_000));
    sender.queue(ms(0), packet(picture(0, &[], 0), 1_000)).unwrap();
    sender.add_probe(ms(0), Probe { id: ProbeId(7), rate: Bitrate::kbps(2_000), bytes: 4_000, packets: 4 });
    let mut bytes = 0;
    for now in 0..30 {
        sender.handle_buffered(ms(now), Buffered::Packets(0));
        while let Some(handover) = sender.poll(ms(now)) {
            bytes += match handover {
                Handover::Packet(packet, Some(ProbeId(7))) => packet.size,
                Handover::Padding { bytes, probe: Some(ProbeId(7)) } => bytes,
                other => panic!("{other:?}"),
            };
        }
    }
    assert_eq!(bytes, 4_000);
    assert_eq!(sender.poll_timeout(), None);
}
