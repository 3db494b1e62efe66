//! What the media plane is threatened with, from off the path and from people in a room.

use std::net::SocketAddr;
use std::time::Duration;

use conclave_rtp::{ExtensionValues, MAX_PACKET, OutgoingHeader, PayloadType, Ssrc};

use super::link::Random;
use super::publisher::{OPUS, RTX, Stamp, VP8, sealed};
use super::world::{World, delay};
use crate::config::MediaLimits;
use crate::event::RoomKey;

const ROOM: RoomKey = RoomKey(1);
/// One step of a test's bombardment.
const AT_ONCE: usize = 64;

/// Ada and bob, who see each other, and eve, whom both see; all on one shard, so that whatever eve does could hurt.
fn call(limits: MediaLimits) -> World {
    let mut world = World::with_limits(1, limits);
    for name in ["ada", "bob", "eve"] {
        world.join(ROOM, name, 0, 2);
    }
    world.connect();
    for (who, whose) in [(0, [1, 2]), (1, [0, 2]), (2, [0, 1])] {
        world.view(who, &whose, (320, 180));
    }
    world.run(Duration::from_secs(4));
    world
}

/// Ada and bob have had everything of each other since then, and soon.
#[track_caller]
fn unharmed(world: &World, since: Duration) {
    let seconds = (world.time() - since).as_millis() as usize;
    for (who, whose) in [(0, 1), (1, 0)] {
        let (sound, pictures) = (world.got(who, whose, true, since), world.got(who, whose, false, since));
        let (heard, seen) = (sound.len() * 20 * 100 / seconds, pictures.len() * 20 * 100 / seconds);
        assert!(heard >= 97 && seen >= 97, "{who} of {whose}: {heard} % and {seen} %");
        assert!(delay(&sound, 99) <= Duration::from_millis(24), "{:?}", delay(&sound, 99));
        assert!(delay(&pictures, 99) <= Duration::from_millis(40), "{:?}", delay(&pictures, 99));
    }
    assert!(!world.failed().iter().any(|who| ["ada", "bob"].contains(&&**who)), "{:?}", world.failed());
    assert_eq!(world.counted.counter("conclave_media_faults_total"), 0);
    assert_eq!(world.counted.counter("conclave_media_room_faults_total"), 0);
}

/// Every first byte in every length up to the longest packet, the rest random.
fn noise() -> impl Iterator<Item = Vec<u8>> {
    let mut random = Random(4);
    (0..=255_u8).flat_map(move |first| {
        let mut bytes: Vec<u8> = (0..MAX_PACKET).map(|_| random.next() as u8).collect();
        bytes[0] = first;
        (0..=MAX_PACKET).step_by(if first < 4 { 1 } else { 3 }).map(move |length| {
            let mut bytes = bytes[..length].to_vec();
            if first < 4 && length >= 20 {
                // A STUN message by its length and magic (RFC 8489 section 5).
                bytes[2..4].copy_from_slice(&((length - 20) as u16).to_be_bytes());
                bytes[4..8].copy_from_slice(&[0x21, 0x12, 0xA4, 0x42]);
            }
            bytes
        })
    })
}

#[test]
fn every_first_byte_in_every_length_from_strangers_has_no_effect() {
    let mut world = call(MediaLimits::default());
    let since = world.time();
    let stranger: SocketAddr = "198.51.100.7:7".parse().expect("an address");
    for (index, packet) in noise().enumerate() {
        world.inject(0, stranger, packet);
        if index % AT_ONCE == 0 {
            world.step();
        }
    }
    world.run(Duration::from_millis(100));
    unharmed(&world, since);
    assert!(world.dropped("unvalidated") > 20_000 && world.dropped("alien") > 4_000);
    // Nothing but refusals of QUIC and answers of the TURN server, both bounded.
    assert!(world.astray.len() < 1_000, "{}", world.astray.len());
}

#[test]
fn every_first_byte_in_every_length_from_a_participant_hurts_nobody_else() {
    let limits = MediaLimits { packets_per_second: 1_000_000, bits_per_second: 1 << 40, ..MediaLimits::default() };
    let mut world = call(limits);
    let since = world.time();
    for (index, packet) in noise().enumerate() {
        world.clients[2].out.push(packet);
        if index % AT_ONCE == 0 {
            world.step();
        }
    }
    world.run(Duration::from_millis(100));
    unharmed(&world, since);
    assert!(world.dropped("forged-srtp") > 1_000 && world.dropped("malformed") > 100);
}

#[test]
fn who_sends_fifty_times_as_much_is_cut_off_and_delays_nobody() {
    let mut world = call(MediaLimits::default());
    let since = world.time();
    // A microphone and a camera make about 200 packets a second.
    for _ in 0..2_000 {
        let stamp = Stamp { from: 2, layer: 2, frame: 0, part: 0, parts: 1, sent: world.time() };
        let payload = [vec![0x90, 0x80, 0x80, 1, 0x11], vec![0; 900], stamp.write().to_vec()].concat();
        if world.clients[2].closed {
            break;
        }
        world.clients[2].with_keys(|publisher, keys, out| {
            for _ in 0..10 {
                publisher.send(3, &payload, true, keys, out);
            }
        });
        world.step();
    }
    unharmed(&world, since);
    let dropped = world.dropped("budget");
    assert!(dropped > 5_000, "{dropped}");
    // It goes on for longer than anybody may.
    for _ in 0..8_000 {
        if world.failed() == ["eve"] {
            break;
        }
        world.clients[2].out.extend((0..10).map(|_| vec![0x80; 900]));
        world.step();
    }
    assert_eq!((world.failed(), world.ended("flood")), (vec!["eve".to_owned()], 1));
    unharmed(&world, since);
}

#[test]
fn what_was_captured_and_is_sent_again_is_counted_as_that_and_goes_nowhere() {
    let mut world = call(MediaLimits::default());
    world.clients[1].captured = Some(Vec::new());
    world.run(Duration::from_secs(2));
    let captured = world.clients[1].captured.take().expect("asked for");
    world.run(Duration::from_secs(1));
    let since = world.time();
    let replayed = world.dropped("replayed");
    let forwarded = world.counted.counter("conclave_media_forwarded_total");
    world.run(Duration::from_secs(1));
    let usual = world.counted.counter("conclave_media_forwarded_total") - forwarded;
    // From its own address, as somebody on the path can.
    let from = world.clients[1].way.address();
    for packets in captured.chunks(AT_ONCE) {
        packets.iter().for_each(|packet| world.inject(0, from, packet.clone()));
        world.run(Duration::from_millis(20));
    }
    world.run(Duration::from_secs(1));
    assert_eq!(world.dropped("replayed") - replayed, captured.len() as u64);
    let seconds = (world.time() - since).as_secs_f64() - 1.0;
    let forwarded = world.counted.counter("conclave_media_forwarded_total") - forwarded - usual;
    assert!((forwarded as f64) < usual as f64 * seconds * 1.05, "{forwarded} in {seconds} s, {usual} in one");
    unharmed(&world, since);
}

#[test]
fn who_has_another_certificate_than_the_offer_says_gets_no_keys_and_no_media() {
    let mut world = call(MediaLimits::default());
    let since = world.time();
    let mallory = world.join_lying(ROOM, "mallory", |sdp| {
        let (before, after) = sdp.split_once("a=fingerprint:sha-256 ").expect("a fingerprint");
        let (fingerprint, after) = after.split_once("\r\n").expect("a line");
        let digits = fingerprint.chars().map(|digit| if digit == 'A' { 'B' } else { digit });
        format!("{before}a=fingerprint:sha-256 {}\r\n{after}", digits.rev().collect::<String>())
    });
    world.run(Duration::from_secs(2));
    assert_eq!((world.failed(), world.ended("engine")), (vec!["mallory".to_owned()], 1));
    assert!(world.clients[mallory].got.is_empty());
    let told = |event: &crate::MediaEvent| matches!(event, crate::MediaEvent::Connected { participant, .. } if participant.as_str() == "mallory");
    assert!(!world.told.iter().any(told));
    unharmed(&world, since);
}

/// Authentic packets of every length, whose contents are made up: what a participant can send who wants to do harm.
#[test]
fn authentic_packets_of_every_length_with_made_up_contents_hurt_nobody_else() {
    let mut world = call(MediaLimits::default());
    let since = world.time();
    let mut random = Random(9);
    let longest = MAX_PACKET - 60;
    world.clients[2].publisher.sound = false;
    world.clients[2].publisher.camera = false;
    for length in 0..=longest {
        let payload: Vec<u8> = (0..length).map(|_| random.next() as u8).collect();
        let ssrc = 77_000 + (length % 8) as u32;
        world.clients[2].with_keys(|publisher, keys, out| {
            // Within the streams, as every kind of payload there is.
            for index in 0..4 {
                publisher.send(index, &payload, length % 3 == 0, keys, out);
            }
            // As another source, with extensions that say anything.
            for (number, payload_type) in [OPUS, VP8, RTX, 108, 98, 45, 127].into_iter().enumerate() {
                let header = OutgoingHeader {
                    payload_type: PayloadType::new(payload_type).expect("below 128"),
                    marker: length % 2 == 0,
                    padding: length % 5 == 1,
                    sequence: (length * 7 + number) as u16,
                    timestamp: random.next() as u32,
                    ssrc: Ssrc(ssrc),
                };
                let descriptor = &payload[..length.min(200)];
                let values = ExtensionValues {
                    mid: [None, Some("0"), Some(""), Some("zzzzzzzzzzzzzzzz")][length % 4],
                    rid: [None, Some("l"), Some("x")][length % 3],
                    repaired_rid: [None, Some("h")][number % 2],
                    dependency_descriptor: Some(descriptor).filter(|_| !descriptor.is_empty()),
                    transport_sequence: Some(random.next() as u16),
                    audio_level: Some((random.next() as u8 & 0x7f, false)),
                    ..ExtensionValues::default()
                };
                let payload = &payload[..length.min(MAX_PACKET - 300)];
                out.push(sealed(&header, &values, payload, (length * 7 + number) as u64, keys));
            }
            // RTCP of every kind, each with a length that is right and contents that are not.
            for kind in 200..=207_u8 {
                let mut packet = vec![0; MAX_PACKET];
                let words = (length / 4).clamp(2, 300);
                let body = 4 * words;
                packet[0] = 0x80 | random.next() as u8 & 0x3f;
                packet[1] = kind;
                packet[2..4].copy_from_slice(&(words as u16).to_be_bytes());
                packet[4..4 + body].fill_with(|| random.next() as u8);
                // From few sources, so that those are not what is refused.
                packet[4..8].copy_from_slice(&[0, 0, 0, kind]);
                let sealed = keys.protect_rtcp(&mut packet, 4 + body).expect("sealed");
                packet.truncate(sealed);
                out.push(packet);
            }
        });
        // Within the packets that anybody may send.
        world.run(Duration::from_millis(6));
    }
    world.run(Duration::from_millis(100));
    unharmed(&world, since);
    assert_eq!(world.failed(), <[String; 0]>::default(), "what is authentic and wrong is dropped");
    assert!(world.dropped("malformed") + world.dropped("unknown") > 1_000);
}
