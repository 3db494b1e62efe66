//! Copies of earlier sounds (RFC 2198): as many as the path's losses ask for.

use std::collections::BTreeSet;
use std::time::Duration;

use conclave_qos::Bitrate;
use conclave_qos::fec::red;
use conclave_rtp::PacketStore;
use conclave_rtp::rtcp::ReportBlock;

use crate::world::{AUDIO, AUDIO_SSRC, Arrived, OPUS, PacketRef, World, audio_slot, payload_type};

const RED: u8 = 63;
/// Ticks of a sound of 20 ms.
const TICKS: u32 = 960;

fn world(kbps: u64, is_numbered: bool) -> World {
    let mut world = World::at(Bitrate::kbps(kbps));
    let mut slot = audio_slot();
    slot.red = Some(payload_type(RED));
    if !is_numbered {
        slot.extensions.transport_sequence = None;
    }
    world.sender.set_slots(vec![slot]).expect("one slot");
    world.stores.0.push(PacketStore::new());
    world
}

/// One voice on a path, and what came of it.
struct Voice {
    next: u64,
    /// Who speaks.
    store: u32,
    length: usize,
    /// What was there when it spoke before is reported with the next report only: packets wait.
    waits: bool,
    /// What is added to timestamps.
    shift: u32,
    random: u64,
    /// What was sent, and what came, of either kind, by timestamp.
    sent: Vec<u32>,
    heard: BTreeSet<u32>,
}

impl Voice {
    fn new() -> Self {
        Self {
            next: 0,
            store: 0,
            length: 80,
            waits: false,
            shift: 0,
            random: 7,
            sent: Vec::new(),
            heard: BTreeSet::new(),
        }
    }

    /// Speaks for so long, while so many of 1,000 packets are lost; returns what left.
    fn speak(&mut self, world: &mut World, seconds: u64, lost: u64) -> Vec<Arrived> {
        let (mut left, mut arrived, mut waiting) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..seconds * 50 {
            let timestamp = (self.next as u32 * TICKS).wrapping_add(self.shift);
            let bytes = self.sound(timestamp);
            let mut packet = world.packet(AUDIO, self.next, timestamp, &bytes);
            packet.packet =
                PacketRef { store: self.store, packet: world.stores.0[self.store as usize].push(world.now, &bytes) };
            world.sender.enqueue(world.now, &packet).expect("there is room");
            self.sent.push(timestamp);
            self.next += 1;
            for packet in world.run(Duration::from_millis(20)) {
                self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                if (self.random >> 33) % 1_000 >= lost {
                    arrived.extend(packet.transport_sequence);
                    self.hear(&packet);
                }
                left.push(packet);
            }
            if self.next.is_multiple_of(5) {
                let mut reported = std::mem::take(&mut arrived);
                if self.waits {
                    std::mem::swap(&mut waiting, &mut reported);
                }
                world.transport_feedback(&reported);
            }
        }
        left
    }

    /// Tells whose it is and when it was said.
    fn sound(&self, timestamp: u32) -> Vec<u8> {
        let mut bytes = vec![self.store as u8; self.length];
        bytes[..4].copy_from_slice(&timestamp.to_be_bytes());
        bytes
    }

    fn hear(&mut self, packet: &Arrived) {
        for (timestamp, sound) in sounds(packet) {
            assert_eq!(sound[..4], timestamp.to_be_bytes());
            self.heard.insert(timestamp);
        }
    }

    /// Of 1,000 of the latest sounds, how many never came.
    fn missing(&self) -> usize {
        let latest = &self.sent[self.sent.len() - 1_000 - 8..self.sent.len() - 8];
        latest.iter().filter(|timestamp| !self.heard.contains(timestamp)).count()
    }
}

/// What is in a packet, the sound itself last.
fn sounds(packet: &Arrived) -> Vec<(u32, Vec<u8>)> {
    if packet.payload_type == OPUS {
        return vec![(packet.timestamp, packet.payload.clone())];
    }
    assert_eq!(packet.payload_type, RED);
    let blocks = red::parse(&packet.payload).expect("well-formed");
    blocks
        .map(|block| {
            assert_eq!(block.payload_type, OPUS);
            (packet.timestamp.wrapping_sub(u32::from(block.offset)), block.payload.to_vec())
        })
        .collect()
}

/// How far back the copies of a packet are.
fn distances(packet: &Arrived) -> Vec<u32> {
    let mut sounds = sounds(packet);
    sounds.pop();
    sounds.iter().map(|(timestamp, _)| packet.timestamp.wrapping_sub(*timestamp) / TICKS).collect()
}

#[test]
fn where_nothing_is_lost_sounds_go_as_they_came() {
    let mut world = world(2_000, true);
    let left = Voice::new().speak(&mut world, 10, 0);
    assert!(left.iter().all(|packet| packet.payload_type == OPUS && packet.payload.len() == 80));
    assert_eq!((world.sender.copies(), world.sender.stats(AUDIO).expect("a slot").copies), (0, 0));
}

#[test]
fn where_a_fifth_is_lost_next_to_nothing_is_missing_and_all_ends_with_the_losses() {
    let mut world = world(2_000, true);
    let mut voice = Voice::new();
    voice.speak(&mut world, 10, 0);
    let first = voice.speak(&mut world, 2, 200);
    assert!(!distances(&first[first.len() - 1]).is_empty(), "within two seconds");
    let left = voice.speak(&mut world, 38, 200);
    assert_eq!(distances(&left[left.len() - 1]), [3, 2, 1]);
    assert!(voice.missing() <= 5, "{} of 1,000", voice.missing());
    let stats = world.sender.stats(AUDIO).expect("a slot");
    assert_eq!(world.sender.copies(), 3);
    assert!(stats.copies > 100 * 38 && stats.copies < 4 * 50 * 40, "{}", stats.copies);
    // What the receiver is told to expect of the path is all that was sent.
    assert!(stats.bytes > (stats.copies + stats.packets) * 80);
    voice.speak(&mut world, 60, 0);
    let left = voice.speak(&mut world, 1, 0);
    assert!(left.iter().all(|packet| packet.payload_type == OPUS));
}

#[test]
fn losses_are_known_by_the_share_that_is_told_where_nothing_is_told_of_each_packet() {
    let mut world = world(2_000, false);
    let mut voice = Voice::new();
    for second in 1..=20 {
        voice.speak(&mut world, 1, 80);
        let highest_sequence = second * 50 - 1;
        let block = ReportBlock { ssrc: AUDIO_SSRC, fraction_lost: 20, highest_sequence, ..ReportBlock::default() };
        world.rtcp(|writer| writer.receiver_report(conclave_rtp::Ssrc(1), &[block]).expect("fits"));
    }
    assert_eq!(world.sender.copies(), 2);
}

#[test]
fn no_voice_brings_back_another_one() {
    let mut world = world(2_000, true);
    let mut voice = Voice::new();
    voice.speak(&mut world, 20, 200);
    for speaker in [1, 0] {
        voice.store = speaker;
        let left = voice.speak(&mut world, 1, 200);
        assert_eq!(distances(&left[0]), [0; 0]);
        assert_eq!((distances(&left[1]), distances(&left[2])), (vec![1], vec![2, 1]));
        let of_voice = |packet: &Arrived| sounds(packet).iter().all(|(_, sound)| sound[79] == speaker as u8);
        assert!(left.iter().all(of_voice));
    }
}

#[test]
fn what_was_said_before_a_silence_is_not_said_after_it() {
    let mut world = world(2_000, true);
    let mut voice = Voice::new();
    voice.speak(&mut world, 20, 200);
    // More than the 14 bits of RED can tell: 341 ms.
    voice.shift = 30_000;
    let left = voice.speak(&mut world, 1, 200);
    assert_eq!((distances(&left[0]), distances(&left[1])), (vec![], vec![1]));
}

#[test]
fn sound_keeps_to_its_share_of_a_narrow_path_where_packets_wait() {
    // 80 bytes of sound take 60 kbit/s with everything, a copy 34.
    for (kbps, most) in [(100, 0), (200, 1), (260, 2)] {
        let mut world = world(kbps, true);
        let mut voice = Voice::new();
        voice.speak(&mut world, 20, 200);
        assert_eq!(world.sender.copies(), 3, "{kbps} kbit/s, and nothing waits");
        voice.waits = true;
        voice.speak(&mut world, 20, 200);
        assert_eq!(world.sender.copies(), most, "{kbps} kbit/s");
    }
}

#[test]
fn packets_with_copies_are_small_enough_for_every_path() {
    let mut world = world(10_000, true);
    let mut voice = Voice::new();
    voice.length = 450;
    voice.speak(&mut world, 20, 300);
    let left = voice.speak(&mut world, 1, 300);
    assert!(left.iter().all(|packet| packet.size < 1_200 && distances(packet) == [1]));
}
