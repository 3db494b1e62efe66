use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use conclave_qos::fec::{ParityDecoder, flexfec, ulpfec};
use conclave_qos::{Bitrate, Demand};
use conclave_rtp::rtcp::{ReportBlock, SenderInfo};
use conclave_rtp::{Parity, SlotConfig, Ssrc};

use crate::world::{
    Arrived, RTX_SSRC, SECOND_RTX_SSRC, SECOND_SSRC, SECOND_VIDEO, VIDEO, VIDEO_SSRC, VP8, World, audio_slot,
    payload_type, video_slot,
};

const FLEX_SSRC: Ssrc = Ssrc(900);
const FLEX: u8 = 49;
const RED: u8 = 118;
const ULPFEC: u8 = 120;
const LONG: Duration = Duration::from_millis(150);
const SHORT: Duration = Duration::from_millis(20);
/// In the milliseconds of a frame, the world looks so often.
const STEP_MS: u64 = 3;

fn by_flexfec() -> Parity {
    Parity::Flexfec { ssrc: FLEX_SSRC, payload_type: payload_type(FLEX) }
}

fn by_ulpfec() -> Parity {
    Parity::Ulpfec {
        red: payload_type(RED),
        payload_type: payload_type(ULPFEC),
        vp8: Some(payload_type(VP8)),
        vp9: None,
    }
}

/// A call, and what its receiver makes of it.
struct Call {
    world: World,
    decoder: ParityDecoder,
    /// The round trip that the receiver's reports tell.
    round_trip: Duration,
    answers: Vec<(conclave_qos::Time, SenderInfo)>,
    /// One of so many packets is lost; 0: none.
    lost: u64,
    sent: u64,
    next: u64,
    frame: u32,
    /// What begins every payload: a VP8 descriptor with a picture id.
    head: &'static [u8],
    /// Packets of the picture as parity covers them, by number, and whether they came.
    media: BTreeMap<u64, (Vec<u8>, bool)>,
    recovered: BTreeMap<u64, Vec<u8>>,
    arrived: Vec<Arrived>,
}

impl Call {
    fn new(parity: Option<Parity>) -> Self {
        let mut world = World::new();
        let slot = SlotConfig { parity, ..video_slot(VIDEO_SSRC, RTX_SSRC) };
        world
            .sender
            .set_slots(vec![audio_slot(), slot, video_slot(SECOND_SSRC, SECOND_RTX_SSRC)])
            .expect("three slots");
        Self {
            world,
            decoder: ParityDecoder::new(VIDEO_SSRC.0),
            round_trip: LONG,
            answers: Vec::new(),
            lost: 0,
            sent: 0,
            next: 1,
            frame: 0,
            head: &[0x90, 0x80, 0x11],
            media: BTreeMap::new(),
            recovered: BTreeMap::new(),
            arrived: Vec::new(),
        }
    }

    /// A frame of so many packets, and what comes of it.
    fn frame(&mut self, packets: u64) {
        self.frame += 3_000;
        for index in 0..packets {
            let mut payload = self.head.to_vec();
            payload.resize(700 + (self.next * 37 % 400) as usize, self.next as u8);
            let mut packet = self.world.packet(VIDEO, self.next, self.frame, &payload);
            packet.marker = index + 1 == packets;
            self.world.sender.enqueue(self.world.now, &packet).expect("there is room");
            self.next += 1;
        }
        let mut came = Vec::new();
        for _ in 0..33 / STEP_MS {
            for packet in self.world.drain() {
                self.sent += 1;
                let is_lost = self.lost > 0 && self.sent.is_multiple_of(self.lost);
                came.extend(packet.transport_sequence.filter(|_| !is_lost));
                self.receive(&packet, is_lost);
                self.arrived.push(packet);
            }
            let now = self.world.now;
            self.answers.extend(self.world.reports().into_iter().map(|info| (now, info)));
            self.world.pass(STEP_MS);
            self.answer();
        }
        self.world.transport_feedback(&came);
    }

    /// The receiver's reports, which tell the round trip.
    fn answer(&mut self) {
        let (now, round_trip) = (self.world.now, self.round_trip);
        while let Some(index) = self.answers.iter().position(|(sent, _)| now.since(*sent) >= round_trip) {
            let (sent, info) = self.answers.remove(index);
            let over = now.since(sent) - round_trip;
            let block = ReportBlock {
                ssrc: info.ssrc,
                last_sender_report: (info.ntp >> 16) as u32,
                delay: (over.as_micros() * 65_536 / 1_000_000) as u32,
                ..ReportBlock::default()
            };
            self.world.rtcp(|writer| writer.receiver_report(Ssrc(1), &[block]).expect("fits"));
        }
    }

    fn receive(&mut self, packet: &Arrived, is_lost: bool) {
        let is_red = packet.payload_type == RED;
        let repair = match packet.ssrc {
            FLEX_SSRC => Some(flexfec::parse(flexfec::Format::Draft03, &packet.payload).expect("sound")),
            VIDEO_SSRC if is_red && packet.payload[0] == ULPFEC => {
                Some(ulpfec::parse(&packet.payload[1..]).expect("sound"))
            }
            VIDEO_SSRC => {
                let covered = packet.as_covered(RED);
                if !is_lost {
                    self.decoder.handle_source(&covered).expect("of the stream");
                }
                assert!(self.media.insert(packet.index, (covered, !is_lost)).is_none());
                None
            }
            _ => None,
        };
        if let Some(repair) = repair.filter(|_| !is_lost) {
            self.decoder.handle_repair(&repair).expect("of the stream");
        }
        while let Some(recovered) = self.decoder.poll_recovered() {
            let short = u16::from_be_bytes([recovered[2], recovered[3]]);
            let last = self.media.keys().next_back().expect("some came");
            let index = last - u64::from((*last as u16).wrapping_sub(short));
            self.recovered.insert(index, recovered);
        }
    }

    fn frames(&mut self, count: u64, packets: u64) {
        (0..count).for_each(|_| self.frame(packets));
    }

    /// Losses and a long way, until parity is sent.
    fn unsettled(mut self) -> Self {
        self.lost = 23;
        self.frames(90, 8);
        assert!(self.parity() > 0, "parity is sent");
        self
    }

    fn parity(&self) -> u64 {
        self.world.sender.stats(VIDEO).expect("exists").parity_packets
    }

    /// Every number of the stream's source so far, without a gap.
    fn assert_continuous(&self) {
        let numbers: HashSet<u64> =
            self.arrived.iter().filter(|packet| packet.ssrc == VIDEO_SSRC).map(|packet| packet.index).collect();
        let (first, last) = (numbers.iter().min().expect("some"), numbers.iter().max().expect("some"));
        assert_eq!(last - first + 1, numbers.len() as u64);
    }
}

#[test]
fn without_losses_and_where_repeating_is_fast_enough_there_is_no_parity() {
    for (lost, round_trip) in [(0, LONG), (23, SHORT)] {
        for parity in [by_flexfec(), by_ulpfec()] {
            let mut call = Call::new(Some(parity));
            (call.lost, call.round_trip) = (lost, round_trip);
            call.frames(120, 8);
            assert_eq!(call.parity(), 0);
            let of_picture = call.arrived.iter().filter(|packet| packet.ssrc == VIDEO_SSRC);
            assert!(of_picture.clone().all(|packet| packet.payload_type == VP8));
            assert_eq!(call.world.sender.media_target(), call.world.sender.control().target);
            call.assert_continuous();
        }
    }
}

#[test]
fn who_does_not_take_parity_gets_none() {
    let mut call = Call::new(None);
    call.lost = 10;
    call.frames(120, 8);
    assert_eq!(call.parity(), 0);
    assert!(call.arrived.iter().all(|packet| packet.payload_type != RED && packet.payload_type != FLEX));
}

#[test]
fn what_is_lost_alone_in_its_frame_is_made_again_as_it_was() {
    for parity in [by_flexfec(), by_ulpfec()] {
        let mut call = Call::new(Some(parity)).unsettled();
        let before = (call.media.len(), call.recovered.len());
        call.frames(90, 8);
        let recent = || call.media.iter().skip(before.0);
        let lost = recent().filter(|(_, (_, came))| !came).count();
        for (index, recovered) in &call.recovered {
            assert_eq!(recovered, &call.media[index].0, "{index}");
        }
        let again = call.recovered.len() - before.1;
        assert!(lost >= 20 && again * 10 >= lost * 8, "{again} of {lost} with {parity:?}");
        call.assert_continuous();
    }
}

#[test]
fn small_frames_share_parity() {
    let mut call = Call::new(Some(by_flexfec())).unsettled();
    call.frames(60, 1);
    let before = (call.parity(), call.recovered.len());
    call.frames(200, 1);
    let parity = call.parity() - before.0;
    assert!((10..=36 + 3).contains(&parity), "{parity} for 200 packets");
    assert!(call.recovered.len() > before.1);
}

#[test]
fn parity_takes_its_share_of_the_rate() {
    let mut call = Call::new(Some(by_flexfec())).unsettled();
    let (sender, target) = (&call.world.sender, Bitrate::kbps(2_000));
    assert_eq!(sender.control().target, target);
    let media = sender.media_target();
    assert!(media < target && media >= target.percent(84), "{media:?}");
    let stats = sender.stats(VIDEO).expect("exists");
    assert!(stats.parity_packets * 100 <= stats.packets * 19, "{stats:?}");
    // Every packet is paced and counts as sent.
    let script = call.world.controller.script();
    assert_eq!(script.sent.len(), call.arrived.len());
    drop(script);
    let demand = Demand { sending: target, wanted: target };
    call.world.sender.set_demand(call.world.now, demand);
}

#[test]
fn what_is_asked_for_after_parity_was_put_in_is_the_packet_of_that_number() {
    let mut call = Call::new(Some(by_ulpfec())).unsettled();
    call.lost = 0;
    call.arrived.clear();
    call.frames(20, 8);
    let is_parity = |packet: &Arrived| packet.payload_type == RED && packet.payload[0] == ULPFEC;
    let of_picture: Vec<_> = call.arrived.iter().filter(|packet| packet.ssrc == VIDEO_SSRC).cloned().collect();
    let parity = of_picture.iter().find(|packet| is_parity(packet)).expect("some").clone();
    let media = of_picture.iter().find(|packet| packet.index > parity.index).expect("some").clone();
    assert!(!is_parity(&media) || media.index == parity.index + 1);
    let media = of_picture.iter().find(|packet| packet.index > parity.index && !is_parity(packet)).expect("some");
    call.world.nack(VIDEO_SSRC, &[parity.index as u16, media.index as u16]);
    let again: Vec<_> =
        call.world.run(Duration::from_millis(30)).into_iter().filter(|packet| packet.ssrc == RTX_SSRC).collect();
    assert_eq!(again.len(), 1, "parity is not repeated");
    assert_eq!(again[0].original(), media.index as u16);
    // RED's header is not part of it.
    assert_eq!((media.payload_type, media.payload[0]), (RED, VP8));
    assert_eq!(again[0].payload[2..], media.payload[1..]);
}

#[test]
fn when_the_way_becomes_short_parity_ends_and_numbers_go_on() {
    for parity in [by_flexfec(), by_ulpfec()] {
        let mut call = Call::new(Some(parity)).unsettled();
        call.round_trip = SHORT;
        call.frames(900, 2);
        let before = call.parity();
        call.arrived.clear();
        call.frames(60, 4);
        assert_eq!(call.parity(), before);
        assert!(call.arrived.iter().all(|packet| packet.ssrc != VIDEO_SSRC || packet.payload_type == VP8));
        call.assert_continuous();
        // And begins again.
        call.round_trip = LONG;
        call.frames(900, 2);
        assert!(call.parity() > before);
        call.assert_continuous();
    }
}

#[test]
fn frames_whose_order_follows_from_numbers_alone_are_not_protected_among_them() {
    let mut call = Call::new(Some(by_ulpfec()));
    call.head = &[0x10];
    call.lost = 23;
    call.frames(120, 8);
    assert_eq!(call.parity(), 0);
    assert!(call.arrived.iter().all(|packet| packet.payload_type != RED));
    // With a source of its own parity harms nobody.
    let mut call = Call::new(Some(by_flexfec()));
    call.head = &[0x10];
    call.unsettled();
}

#[test]
fn late_packets_keep_the_numbers_that_were_left_for_them() {
    let mut call = Call::new(Some(by_ulpfec())).unsettled();
    call.lost = 0;
    call.media.clear();
    call.arrived.clear();
    for _ in 0..40 {
        let late = call.next;
        call.next += 1;
        call.frame(7);
        // It comes when its frame's parity has left.
        let payload = [call.head, &[1; 500]].concat();
        let packet = call.world.packet(VIDEO, late, call.frame, &payload);
        call.world.sender.enqueue(call.world.now, &packet).expect("there is room");
    }
    call.frame(8);
    call.assert_continuous();
}

#[test]
fn slots_that_move_keep_the_numbers_of_their_parity() {
    for parity in [by_flexfec(), by_ulpfec()] {
        let mut call = Call::new(Some(parity)).unsettled();
        let slot = SlotConfig { parity: Some(parity), ..video_slot(VIDEO_SSRC, RTX_SSRC) };
        let other = video_slot(SECOND_SSRC, SECOND_RTX_SSRC);
        // Away and back again: `World` sees to it that no number comes twice.
        call.world.sender.set_slots(vec![audio_slot(), other.clone()]).expect("two slots");
        call.world.sender.set_slots(vec![audio_slot(), slot.clone(), other.clone()]).expect("three slots");
        call.frames(90, 8);
        call.world.sender.set_slots(vec![audio_slot(), other, slot]).expect("three slots");
        let mut packet = call.world.packet(SECOND_VIDEO, call.next, 7, &[0x90; 100]);
        packet.marker = true;
        call.world.sender.enqueue(call.world.now, &packet).expect("there is room");
        call.world.run(Duration::from_millis(100));
    }
}
