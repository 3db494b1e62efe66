//! Opus with redundancy (RFC 2198), and the clocks of senders (RFC 3550 section 6.4.1).

use conclave_proto::SourceKind::{Camera, Microphone};
use conclave_sfu::{Codec, Forward, LayerIndex, LegId, RtpPacket, SlotId, Timestamp};

use crate::world::{ALL_ON, MICROPHONE, NOTHING, World, item};

/// One copy of 2 bytes, then 3 of the packet's own time; both of payload type 111.
const RED: [u8; 10] = [0xef, 0x0f, 0x00, 0x02, 0x6f, 0xaa, 0xab, 0x01, 0x02, 0x03];

fn send(world: &mut World, leg: LegId, sequence: u64, codec: Codec, payload: &[u8]) -> Vec<Forward> {
    world.now_ms += 20;
    let packet = RtpPacket {
        sequence,
        timestamp: Timestamp(960 * sequence as u32),
        marker: false,
        codec,
        payload,
        audio_level: None,
        voice_activity: None,
        descriptor: None,
    };
    let now = world.now();
    world.conference.handle_rtp(now, leg, Microphone, LayerIndex::LOW, &packet).to_vec()
}

#[test]
fn of_whatever_a_sound_comes_with_everybody_gets_the_sound_itself() {
    let mut world = World::new();
    let ada = world.join("ada", MICROPHONE);
    world.senders.get_mut(&ada).expect("here").silent = true;
    let bob = world.join("bob", NOTHING);
    for (sequence, codec, payload, part) in
        [(100, Codec::OpusRed, &RED[..], Some((7, 3))), (101, Codec::Opus, &[0x78][..], None)]
    {
        let forwards = send(&mut world, ada, sequence, codec, payload);
        let to_bob = forwards.iter().find(|forward| forward.leg == bob).expect("forwarded");
        assert_eq!((to_bob.codec, to_bob.part, to_bob.patch.is_empty()), (Codec::Opus, part, true));
    }
}

/// Copies of so many bytes, each 960 ticks further back than the next, the oldest first; then the sound itself.
fn with_copies(lengths: &[u8]) -> Vec<u8> {
    let mut payload = Vec::new();
    for (length, back) in lengths.iter().zip((1..=lengths.len() as u32).rev()) {
        payload.extend((0xef00_0000 | (back * 960) << 10 | u32::from(*length)).to_be_bytes());
    }
    payload.push(0x6f);
    for length in lengths {
        payload.extend(vec![*length; usize::from(*length)]);
    }
    payload.extend([0; 40]);
    payload
}

/// What bob gets of a packet: of each how far its number and timestamp are from the first he got, and its bytes.
fn got(world: &mut World, (ada, bob): (LegId, LegId), sequence: u64, payload: &[u8]) -> Vec<(u64, i32, Vec<u8>)> {
    let forwards = send(world, ada, sequence, Codec::OpusRed, payload);
    let to_bob = forwards.iter().filter(|forward| forward.leg == bob);
    let part = |forward: &Forward| {
        let (start, length) = forward.part.map(|(start, length)| (usize::from(start), usize::from(length))).unwrap();
        payload[start..start + length].to_vec()
    };
    to_bob.map(|forward| (forward.sequence, (forward.timestamp - Timestamp(0)), part(forward))).collect()
}

fn ada_and_bob() -> (World, (LegId, LegId)) {
    let mut world = World::new();
    let ada = world.join("ada", MICROPHONE);
    world.senders.get_mut(&ada).expect("here").silent = true;
    let bob = world.join("bob", NOTHING);
    (world, (ada, bob))
}

#[test]
fn sounds_that_were_lost_on_their_way_to_the_server_are_taken_from_those_that_came() {
    let (mut world, pair) = ada_and_bob();
    let [first] = &got(&mut world, pair, 100, &with_copies(&[7]))[..] else { panic!("one") };
    let (number, timestamp) = (first.0, first.1);
    // 101 and 102 are lost.
    let after = got(&mut world, pair, 103, &with_copies(&[9, 8, 7]));
    let seen: Vec<_> = after.iter().map(|(n, t, bytes)| (n - number, t.wrapping_sub(timestamp), bytes.len())).collect();
    // What is three back was there before.
    assert_eq!(seen, [(1, 960, 8), (2, 1_920, 7), (3, 2_880, 40)]);
    // What comes late after all has been sent.
    assert!(got(&mut world, pair, 102, &with_copies(&[7])).is_empty());
    // And with one copy only the last of two.
    let after = got(&mut world, pair, 106, &with_copies(&[5]));
    assert_eq!(after.iter().map(|(n, ..)| n - number).collect::<Vec<_>>(), [5, 6]);
}

#[test]
fn nothing_is_guessed_where_silence_was_left_out() {
    let (mut world, pair) = ada_and_bob();
    got(&mut world, pair, 100, &with_copies(&[7]));
    // A second of silence was not sent: which of the two before this one the copy is cannot be told.
    let (now, payload) = (world.now(), with_copies(&[7]));
    let packet = RtpPacket {
        sequence: 103,
        timestamp: Timestamp(960 * 150),
        marker: true,
        codec: Codec::OpusRed,
        payload: &payload,
        audio_level: None,
        voice_activity: None,
        descriptor: None,
    };
    let forwards = world.conference.handle_rtp(now, pair.0, Microphone, LayerIndex::LOW, &packet);
    assert_eq!(forwards.iter().filter(|forward| forward.leg == pair.1).count(), 1);
}

#[test]
fn whoever_looks_is_told_in_what_a_sound_comes_and_in_what_each_receiver_gets_it() {
    let mut world = World::new();
    let ada = world.join("ada", MICROPHONE);
    world.senders.get_mut(&ada).expect("here").silent = true;
    let (takes, takes_none) = (world.join("bob", NOTHING), world.join("dan", NOTHING));
    let now = world.now();
    world.conference.handle_copies(now, takes, 2);
    let told = |world: &World| {
        let carried = |leg| world.conference.carried(leg).next().expect("one voice").1.codec;
        (world.conference.published(ada, Microphone, LayerIndex::LOW).0, carried(takes), carried(takes_none))
    };
    send(&mut world, ada, 100, Codec::OpusRed, &RED);
    assert_eq!(told(&world), (Some(Codec::OpusRed), Some(Codec::OpusRed), Some(Codec::Opus)));
    send(&mut world, ada, 101, Codec::Opus, &[0x78]);
    assert_eq!(told(&world), (Some(Codec::Opus), Some(Codec::OpusRed), Some(Codec::Opus)));
    send(&mut world, ada, 99, Codec::OpusRed, &RED);
    assert_eq!(told(&world).0, Some(Codec::Opus), "what comes late says nothing of what is sent now");
}

#[test]
fn a_sender_that_turns_redundancy_on_and_off_is_heard_without_a_break() {
    let mut world = World::new();
    let ada = world.join("ada", MICROPHONE);
    world.senders.get_mut(&ada).expect("here").silent = true;
    let bob = world.join("bob", NOTHING);
    let mut numbers = Vec::new();
    for sequence in 100..110 {
        let (codec, payload) = if sequence % 3 == 0 { (Codec::Opus, &[0x78][..]) } else { (Codec::OpusRed, &RED[..]) };
        let forwards = send(&mut world, ada, sequence, codec, payload);
        let forward = forwards.iter().find(|forward| forward.leg == bob).expect("forwarded");
        numbers.push((forward.sequence, forward.timestamp));
    }
    assert!(numbers.windows(2).all(|pair| pair[1].0 == pair[0].0 + 1 && pair[1].1 - pair[0].1 == 960));
    assert!(
        send(&mut world, ada, 110, Codec::OpusRed, &[0xef, 0, 0, 90, 0x6f]).is_empty(),
        "promises more than it has"
    );
}

/// A copy of 80 bytes, then 80 of the packet's own time: with headers 82 kbit/s, without the copy 48.
fn voice() -> Vec<u8> {
    let mut payload = vec![0xef, 0x0f, 0x00, 80, 0x6f];
    payload.extend([0x11; 160]);
    payload
}

/// Everybody talks for so long.
fn talk(world: &mut World, voices: &[LegId], sequence: &mut u64, ms: u64) {
    let payload = voice();
    for _ in 0..ms / 20 {
        *sequence += 1;
        world.now_ms += 20;
        let now = world.now();
        world.conference.handle_timeout(now);
        for voice in voices {
            let packet = RtpPacket {
                sequence: *sequence,
                timestamp: Timestamp(960 * *sequence as u32),
                marker: false,
                codec: Codec::OpusRed,
                payload: &payload,
                audio_level: None,
                voice_activity: None,
                descriptor: None,
            };
            world.conference.handle_rtp(now, *voice, Microphone, LayerIndex::LOW, &packet);
        }
    }
}

#[test]
fn copies_that_go_with_sounds_are_part_of_what_sounds_take() {
    let mut world = World::new();
    let voices = ["ada", "bob", "cem"].map(|name| world.join(name, MICROPHONE));
    for voice in voices {
        world.senders.get_mut(&voice).expect("here").silent = true;
    }
    let listener = world.join("dan", NOTHING);
    world.estimate(listener, 10_000);
    let mut sequence = 100;
    let mut sending = |world: &mut World, copies: u8| {
        let now = world.now();
        world.conference.handle_copies(now, listener, copies);
        talk(world, &voices, &mut sequence, 4_000);
        let demand = world.conference.demand(listener);
        assert_eq!(demand.sending, demand.wanted);
        demand.sending.as_bps() / 1_000
    };
    // Three of 48 kbit/s, whatever their senders put beside them.
    assert!((140..148).contains(&sending(&mut world, 0)));
    // And 34 for each copy.
    assert!((240..250).contains(&sending(&mut world, 1)));
    assert!((440..455).contains(&sending(&mut world, 3)));
    assert!((140..148).contains(&sending(&mut world, 0)));
}

#[test]
fn a_senders_report_reaches_the_slots_that_carry_its_stream_in_their_own_clock() {
    let mut world = World::new();
    let ada = world.join("ada", ALL_ON);
    let (near, far) = (world.join("bob", NOTHING), world.join("cem", NOTHING));
    world.view(near, vec![item("ada", Camera, 720, 1)]);
    world.view(far, vec![item("ada", Camera, 180, 1)]);
    world.run(1_000);
    let mut report = |layer: u8, timestamp: u32| {
        let (now, layer) = (world.now(), LayerIndex::new(layer).expect("below 3"));
        world.conference.handle_sender_report(now, ada, Camera, layer, 77, timestamp).to_vec()
    };
    assert!(report(1, 0).is_empty(), "nobody is shown the middle layer");
    let [high] = report(2, 1_000)[..] else { panic!("one slot carries it") };
    let [low] = report(0, 1_000)[..] else { panic!("one slot carries it") };
    assert_eq!((high.leg, high.slot, high.ntp), (near, SlotId::Video(0), 77));
    assert_eq!((low.leg, low.slot), (far, SlotId::Video(0)));
    // The report of the moment of the last packet has the packet's timestamp.
    let last = world.got(near, 0).last().expect("forwarded").forward.timestamp;
    let sent = world.encoder(ada, Camera, 2).timestamp;
    let now = world.now();
    let again = world.conference.handle_sender_report(now, ada, Camera, LayerIndex::HIGH, 78, sent);
    assert_eq!(again.first().map(|report| report.timestamp), Some(last));
}

#[test]
fn reports_of_a_stranger_or_of_what_does_not_exist_are_nobodys() {
    let mut world = World::new();
    let ada = world.join("ada", MICROPHONE);
    world.run(200);
    let now = world.now();
    assert!(world.conference.handle_sender_report(now, ada, Camera, LayerIndex::LOW, 1, 1).is_empty());
    assert!(world.conference.handle_sender_report(now, ada, Microphone, LayerIndex::HIGH, 1, 1).is_empty());
    world.leave(ada);
    assert!(world.conference.handle_sender_report(now, ada, Microphone, LayerIndex::LOW, 1, 1).is_empty());
}
