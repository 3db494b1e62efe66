//! Opus with redundancy (RFC 2198), and the clocks of senders (RFC 3550 section 6.4.1).

use conclave_proto::SourceKind::{Camera, Microphone};
use conclave_sfu::{Codec, Forward, LayerIndex, LegConfig, LegId, RtpPacket, SlotId, Timestamp};

use crate::world::{ALL_ON, MICROPHONE, NOTHING, World, config, item};

/// One copy of 2 bytes, then 3 of the packet's own time; both of payload type 111.
const RED: [u8; 10] = [0xef, 0x0f, 0x00, 0x02, 0x6f, 0xaa, 0xab, 0x01, 0x02, 0x03];

fn join(world: &mut World, name: &str, red: Option<u8>) -> LegId {
    world.join_with(LegConfig { red, ..config(name, 1, NOTHING, &[]) })
}

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
fn redundancy_passes_through_to_those_who_take_it_and_is_cut_off_for_the_others() {
    let mut world = World::new();
    let ada = world.join("ada", MICROPHONE);
    world.senders.get_mut(&ada).expect("here").silent = true;
    let [takes, takes_by_another_number, takes_none] =
        [("bob", Some(111)), ("cem", Some(109)), ("dan", None)].map(|(name, red)| join(&mut world, name, red));
    let forwards = send(&mut world, ada, 100, Codec::OpusRed, &RED);
    let to = |leg| *forwards.iter().find(|forward| forward.leg == leg).expect("forwarded");
    let whole = to(takes);
    assert_eq!((whole.codec, whole.part, whole.patch.is_empty()), (Codec::OpusRed, None, true));
    let other = to(takes_by_another_number);
    assert_eq!((other.codec, other.patch.edits()), (Codec::OpusRed, &[(0, 0x80 | 109), (4, 109)][..]));
    let cut = to(takes_none);
    assert_eq!((cut.codec, cut.part, cut.patch.is_empty()), (Codec::Opus, Some((7, 3)), true));
}

#[test]
fn whoever_looks_is_told_in_what_a_sound_comes_and_in_what_each_receiver_gets_it() {
    let mut world = World::new();
    let ada = world.join("ada", MICROPHONE);
    world.senders.get_mut(&ada).expect("here").silent = true;
    let (takes, takes_none) = (join(&mut world, "bob", Some(111)), join(&mut world, "dan", None));
    let told = |world: &World| {
        let carried = |leg| world.conference.carried(leg).next().expect("one voice").1.codec;
        (world.conference.published(ada, Microphone, LayerIndex::LOW).0, carried(takes), carried(takes_none))
    };
    send(&mut world, ada, 100, Codec::OpusRed, &RED);
    assert_eq!(told(&world), (Some(Codec::OpusRed), Some(Codec::OpusRed), Some(Codec::Opus)));
    send(&mut world, ada, 101, Codec::Opus, &[0x78]);
    assert_eq!(told(&world), (Some(Codec::Opus), Some(Codec::Opus), Some(Codec::Opus)));
    send(&mut world, ada, 99, Codec::OpusRed, &RED);
    assert_eq!(told(&world).0, Some(Codec::Opus), "what comes late says nothing of what is sent now");
}

#[test]
fn a_sender_that_turns_redundancy_on_and_off_is_heard_without_a_break() {
    let mut world = World::new();
    let ada = world.join("ada", MICROPHONE);
    world.senders.get_mut(&ada).expect("here").silent = true;
    let bob = join(&mut world, "bob", Some(111));
    let mut numbers = Vec::new();
    for sequence in 100..110 {
        let (codec, payload) = if sequence % 3 == 0 { (Codec::Opus, &[0x78][..]) } else { (Codec::OpusRed, &RED[..]) };
        let forwards = send(&mut world, ada, sequence, codec, payload);
        let forward = forwards.iter().find(|forward| forward.leg == bob).expect("forwarded");
        assert_eq!(forward.codec, codec);
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

/// Everybody talks for so long; returns what the listener got last of each.
fn talk(world: &mut World, voices: &[LegId], listener: LegId, sequence: &mut u64, ms: u64) -> Vec<Codec> {
    let payload = voice();
    let mut last = Vec::new();
    for _ in 0..ms / 20 {
        *sequence += 1;
        world.now_ms += 20;
        let now = world.now();
        world.conference.handle_timeout(now);
        last.clear();
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
            let forwards = world.conference.handle_rtp(now, *voice, Microphone, LayerIndex::LOW, &packet);
            last.extend(forwards.iter().filter(|forward| forward.leg == listener).map(|forward| forward.codec));
        }
    }
    last
}

#[test]
fn copies_of_sounds_give_way_where_the_network_is_narrow_and_come_back_where_it_is_not() {
    let mut world = World::new();
    let voices = ["ada", "bob", "cem"].map(|name| world.join(name, MICROPHONE));
    for voice in voices {
        world.senders.get_mut(&voice).expect("here").silent = true;
    }
    let listener = join(&mut world, "dan", Some(111));
    let mut sequence = 100;
    let mut talk_at = |world: &mut World, kbps: u64| {
        world.estimate(listener, kbps);
        talk(world, &voices, listener, &mut sequence, 4_000)
    };
    assert_eq!(talk_at(&mut world, 10_000), [Codec::OpusRed; 3]);
    // A quarter of the network for copies.
    assert_eq!(talk_at(&mut world, 400), [Codec::Opus; 3]);
    let demand = world.conference.demand(listener);
    assert!((140_000..148_000).contains(&demand.sending.as_bps()), "what is cut off is not sent: {demand:?}");
    assert!((240_000..252_000).contains(&demand.wanted.as_bps()), "but wanted: {demand:?}");
    assert_eq!(talk_at(&mut world, 700), [Codec::Opus; 3], "what has just given way does not come back at once");
    assert_eq!(talk_at(&mut world, 2_000), [Codec::OpusRed; 3]);
    assert_eq!(talk_at(&mut world, 900), [Codec::OpusRed; 3], "what is there goes on");
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
