use std::time::Duration;

use conclave_rtp::Ssrc;
use conclave_rtp::rtcp::{ReportBlock, SenderInfo, Writer};

use crate::world::{AUDIO, AUDIO_SSRC, NTP_AT_START, SECOND_SSRC, SECOND_VIDEO, VIDEO, VIDEO_SSRC, World};

const SECOND: u64 = 1 << 32;

fn send_audio(world: &mut World, sequence: u64, timestamp: u32) {
    let packet = world.packet(AUDIO, sequence, timestamp, b"sound");
    world.sender.enqueue(world.now, &packet).expect("there is room");
    world.drain();
}

fn report_of(reports: &[SenderInfo], ssrc: Ssrc) -> SenderInfo {
    *reports.iter().find(|info| info.ssrc == ssrc).expect("reported")
}

#[test]
fn sound_and_picture_of_one_person_stay_together() {
    let mut world = World::new();
    send_audio(&mut world, 1, 10_000);
    world.frame(VIDEO, 1, 900_000, 1);
    world.drain();
    // The publisher's clock said 50 s at this sound, and 49.5 s at this picture.
    world.sender.set_report(world.now, AUDIO, 50 * SECOND, 48_000);
    world.pass(700);
    world.sender.set_report(world.now, VIDEO, 49 * SECOND + SECOND / 2, 90_000);
    world.pass(1_500);
    let reports = world.reports();
    let (audio, video) = (report_of(&reports, AUDIO_SSRC), report_of(&reports, VIDEO_SSRC));
    // Carried back to the moment 50 s, both say what the publisher said.
    let back = |info: SenderInfo, rate: u64| {
        let passed = info.ntp.wrapping_sub(50 * SECOND) as i64;
        i64::from(info.timestamp) - passed * rate as i64 / SECOND as i64
    };
    assert!((back(audio, 48_000) - 48_000).abs() <= 1);
    assert!((back(video, 90_000) - (90_000 + 45_000)).abs() <= 1);
}

#[test]
fn a_slot_without_a_publishers_report_goes_by_our_clock() {
    let mut world = World::new();
    send_audio(&mut world, 1, u32::MAX - 100);
    world.pass(1_000);
    let info = report_of(&world.reports(), AUDIO_SSRC);
    assert_eq!(info.ntp, NTP_AT_START + 1_001 * SECOND);
    assert_eq!(info.timestamp, (u32::MAX - 100).wrapping_add(48_000), "timestamps wrap");
    assert_eq!((info.packets, info.octets), (1, 5));
    world.sender.set_report(world.now, AUDIO, 5 * SECOND, 0);
    world.sender.clear_report(AUDIO);
    world.pass(2_000);
    assert_eq!(report_of(&world.reports(), AUDIO_SSRC).ntp, NTP_AT_START + 1_003 * SECOND);
}

#[test]
fn reports_come_with_the_first_packet_then_about_every_second_and_end() {
    let mut world = World::new();
    assert_eq!(world.sender.poll_timeout(), None, "nothing is due before the first packet");
    let mut times = Vec::new();
    let start = world.now;
    send_audio(&mut world, 1, 0);
    while let Some(due) = world.sender.poll_timeout() {
        world.now = world.now.max(due);
        world.drain();
        times.extend(world.reports().iter().map(|_| world.now.since(start).as_millis()));
    }
    assert_eq!(times[0], 0);
    assert!(times.windows(2).all(|pair| (800..=1_200).contains(&(pair[1] - pair[0]))), "{times:?}");
    assert!(*times.last().expect("some") < 6_500, "{times:?}");
    send_audio(&mut world, 2, 0);
    assert_eq!(world.reports().len(), 1, "it begins again with the next packet");
}

#[test]
fn what_does_not_fit_stays_due() {
    let mut world = World::new();
    send_audio(&mut world, 1, 0);
    world.frame(VIDEO, 1, 0, 1);
    world.drain();
    let mut buffer = [0; 70];
    let mut writer = Writer::new(&mut buffer);
    world.sender.write_rtcp(world.now, &mut writer);
    assert!(!writer.is_empty());
    assert_eq!(world.sender.poll_timeout(), Some(world.now));
    assert_eq!(world.reports().len(), 1);
}

#[test]
fn the_round_trip_is_measured_by_our_reports() {
    let mut world = World::new();
    send_audio(&mut world, 1, 0);
    world.sender.set_report(world.now, AUDIO, 50 * SECOND, 48_000);
    let info = report_of(&world.reports(), AUDIO_SSRC);
    world.pass(80);
    let block = ReportBlock {
        ssrc: AUDIO_SSRC,
        last_sender_report: (info.ntp >> 16) as u32,
        delay: 65_536 * 30 / 1_000,
        ..ReportBlock::default()
    };
    world.rtcp(|writer| writer.receiver_report(Ssrc(1), &[block]).expect("fits"));
    let measured = world.controller.script().round_trips.clone();
    assert_eq!(measured.len(), 1);
    assert!(measured[0].abs_diff(Duration::from_millis(50)) < Duration::from_millis(1), "{measured:?}");
    assert_eq!(world.sender.sender_stats().round_trip, Some(measured[0]));
    // One that answers to nothing that we sent says nothing.
    let made_up = ReportBlock { last_sender_report: 12_345, ..block };
    world.rtcp(|writer| writer.receiver_report(Ssrc(1), &[made_up]).expect("fits"));
    assert_eq!(world.controller.script().round_trips.len(), 1);
}

#[test]
fn the_section_is_named_until_the_receiver_reports() {
    let mut world = World::new();
    world.frame(VIDEO, 1, 0, 1);
    assert!(world.drain()[0].mid.is_some());
    world.acknowledge(SECOND_SSRC);
    world.acknowledge(Ssrc(0xdead));
    world.frame(VIDEO, 2, 3_000, 1);
    assert!(world.run(Duration::from_millis(50))[0].mid.is_some());
    world.acknowledge(VIDEO_SSRC);
    world.frame(VIDEO, 3, 6_000, 1);
    assert!(world.run(Duration::from_millis(50))[0].mid.is_none());
}

#[test]
fn what_the_receiver_reports_is_in_the_statistics() {
    let mut world = World::new();
    world.frame(SECOND_VIDEO, 1, 0, 3);
    world.run(Duration::from_millis(50));
    let block = ReportBlock {
        ssrc: SECOND_SSRC,
        fraction_lost: 64,
        lost: -2,
        jitter: 900,
        highest_sequence: 3,
        ..ReportBlock::default()
    };
    world.rtcp(|writer| writer.receiver_report(Ssrc(1), &[block]).expect("fits"));
    let stats = world.sender.stats(SECOND_VIDEO).expect("exists");
    assert_eq!((stats.loss, stats.lost, stats.jitter), (0.25, -2, Duration::from_millis(10)));
    assert_eq!((stats.packets, stats.waiting), (3, 0));
    assert_eq!(world.sender.stats(99), None);
}
