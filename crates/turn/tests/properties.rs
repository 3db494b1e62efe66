//! Whatever is sent, in whatever order: nothing panics, nothing of others reaches a client that has
//! not permitted it, nothing leaves but to the SFU, and what one packet causes is bounded.

mod support;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use conclave_turn::client::{Event, Family, TurnClient};
use conclave_turn::demux::{classify, classify_stream, quic_version_negotiation};
use conclave_turn::framing::{IceFramer, TurnFramer};
use conclave_turn::stun::{Class, Message, Method, TransactionId, Writer};
use conclave_turn::{Client, Output, StreamId, is_relayed, proxy};
use proptest::prelude::*;
use support::{SFU_V4, SFU_V6, Who, World, address};

/// STUN-like bytes: a right header before made-up attributes, so that random input gets beyond the
/// first check.
fn stun_like() -> impl Strategy<Value = Vec<u8>> {
    let attribute = (0_u16..0x30, proptest::collection::vec(any::<u8>(), 0..24));
    (any::<u16>(), proptest::collection::vec(attribute, 0..6)).prop_map(|(kind, attributes)| {
        let mut writer = Writer::new(Class::Request, Method::Binding, TransactionId([3; 12]), 0);
        for (kind, value) in &attributes {
            writer.attribute(*kind, value);
        }
        let mut packet = writer.finish();
        packet[..2].copy_from_slice(&(kind & 0x3fff).to_be_bytes());
        packet
    })
}

fn packets() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..200),
        stun_like(),
        (0x40_u8..0x50, proptest::collection::vec(any::<u8>(), 0..64))
            .prop_map(|(first, rest)| [vec![first], rest].concat()),
    ]
}

proptest! {
    #[test]
    fn any_bytes_are_survived_by_every_parser(bytes in packets()) {
        let _ = classify(&bytes);
        let _ = classify_stream(&bytes);
        let _ = quic_version_negotiation(&bytes);
        let _ = proxy::parse(&bytes);
        if let Ok(message) = Message::parse(&bytes) {
            let _ = (message.integrity(), message.is_authentic(b"key"), message.has_wrong_fingerprint());
            prop_assert!(message.attributes().map(|(_, value)| value.len()).sum::<usize>() < bytes.len());
        }
        let (mut ice, mut turn) = (IceFramer::new(), TurnFramer::new());
        ice.push(&bytes);
        while let Ok(Some(_)) = ice.next() {}
        turn.push(&bytes);
        while let Ok(Some(_)) = turn.next() {}
    }

    #[test]
    fn frames_come_out_as_they_went_in(
        packets in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..300), 0..20),
        cut in 1..500_usize,
    ) {
        let mut stream = Vec::new();
        packets.iter().for_each(|packet| IceFramer::write(packet, &mut stream));
        let (mut framer, mut out) = (IceFramer::new(), Vec::new());
        for piece in stream.chunks(cut) {
            framer.push(piece);
            while let Some(packet) = framer.next().expect("well formed") {
                out.push(packet.to_vec());
            }
        }
        prop_assert_eq!(out, packets);
    }

    #[test]
    fn any_packets_from_strangers_cause_at_most_one_small_answer_each(
        packets in proptest::collection::vec((packets(), any::<bool>(), 0_u16..4), 1..40),
    ) {
        let mut world = World::new();
        for (packet, by_stream, port) in packets {
            let remote = SocketAddr::from(([203, 0, 113, 9], port));
            let client = match by_stream {
                true => Client::Stream { id: StreamId(port.into()), remote },
                false => Client::Udp { remote, local: None },
            };
            if let Some(answer) = world.exchange(client, &packet) {
                prop_assert!(answer.0.len() <= packet.len() + 60);
            }
        }
        prop_assert_eq!(world.server.stats().allocations, 0);
    }
}

/// What may happen in a world of four people.
#[derive(Clone, Copy, Debug)]
enum Step {
    Allocate(usize),
    Permit(usize, Target),
    Bind(usize, Target),
    Send(usize, Target),
    Sfu(usize),
    Refresh(usize, u64),
    Wait(u64),
    Revoke(usize),
    Noise(usize, u8),
}

#[derive(Clone, Copy, Debug)]
enum Target {
    Relay(usize),
    Sfu,
    OtherFamily,
    Elsewhere,
}

const PEOPLE: usize = 4;

fn steps() -> impl Strategy<Value = Step> {
    let who = 0..PEOPLE;
    let target = prop_oneof![
        6 => (0..PEOPLE).prop_map(Target::Relay),
        3 => Just(Target::Sfu),
        1 => Just(Target::OtherFamily),
        1 => Just(Target::Elsewhere),
    ];
    prop_oneof![
        4 => who.clone().prop_map(Step::Allocate),
        4 => (who.clone(), target.clone()).prop_map(|(who, target)| Step::Permit(who, target)),
        4 => (who.clone(), target.clone()).prop_map(|(who, target)| Step::Bind(who, target)),
        12 => (who.clone(), target).prop_map(|(who, target)| Step::Send(who, target)),
        6 => who.clone().prop_map(Step::Sfu),
        1 => (who.clone(), prop_oneof![Just(0_u64), Just(600), Just(3_600)]).prop_map(|(who, life)| Step::Refresh(who, life)),
        2 => (0_u64..400).prop_map(Step::Wait),
        1 => who.clone().prop_map(Step::Revoke),
        1 => (who, any::<u8>()).prop_map(|(who, noise)| Step::Noise(who, noise)),
    ]
}

/// What a correct server would remember.
#[derive(Default)]
struct Model {
    relayed: Option<SocketAddr>,
    expires: Option<Instant>,
    relay_permitted: Option<Instant>,
    sfu_permitted: Option<Instant>,
}

struct Run {
    world: World,
    people: Vec<Who>,
    models: Vec<Model>,
    /// Addresses that nobody has any more, by whom they had belonged to.
    relayed_before: HashMap<usize, SocketAddr>,
}

impl Run {
    fn new() -> Self {
        let mut world = World::new();
        let people = (0..PEOPLE)
            .map(|index| match index {
                3 => world.join_by_stream("user 3", 3),
                _ => world.join(&format!("user {index}")),
            })
            .collect();
        let models = (0..PEOPLE).map(|_| Model::default()).collect();
        Self { world, people, models, relayed_before: HashMap::new() }
    }

    fn address(&self, target: Target) -> SocketAddr {
        match target {
            Target::Relay(index) => self.models[index]
                .relayed
                .or_else(|| self.relayed_before.get(&index).copied())
                .unwrap_or_else(|| address("192.0.0.8:1024")),
            Target::Sfu => address(SFU_V4),
            Target::OtherFamily => address(SFU_V6),
            Target::Elsewhere => address("127.0.0.1:8443"),
        }
    }

    fn turn(&mut self, who: usize) -> &mut TurnClient {
        self.world.turn(self.people[who])
    }

    fn forget(&mut self, who: usize) {
        if let Some(relayed) = self.models[who].relayed {
            self.relayed_before.insert(who, relayed);
        }
        self.models[who] = Model::default();
    }

    fn step(&mut self, step: Step) {
        let now = self.world.now;
        match step {
            Step::Allocate(who) => self.turn(who).allocate(now, Family::V4),
            Step::Permit(who, target) => {
                let peer = self.address(target).ip();
                self.turn(who).create_permission(now, &[peer]);
            }
            Step::Bind(who, target) => {
                let peer = self.address(target);
                self.turn(who).bind_channel(now, peer);
            }
            Step::Send(who, target) => {
                let (peer, payload) = (self.address(target), [who as u8; 8]);
                self.turn(who).send(peer, &payload);
            }
            Step::Sfu(who) => {
                let to = self.address(Target::Relay(who));
                let may = self.models[who].relayed.is_some()
                    && self.models[who].sfu_permitted.is_some_and(|until| until > now);
                let taken = self.world.server.handle_peer_packet(now, address(SFU_V4), to, b"from the SFU");
                assert_eq!(taken, may, "the SFU's packet");
            }
            Step::Refresh(who, life) => self.turn(who).refresh(now, Duration::from_secs(life)),
            Step::Wait(seconds) => {
                self.world.wait(Duration::from_secs(seconds));
                for who in 0..PEOPLE {
                    if self.models[who].expires.is_some_and(|expires| expires <= self.world.now) {
                        self.forget(who);
                    }
                }
            }
            Step::Revoke(who) => {
                self.world.server.revoke_user(now, &format!("user {who}"));
                self.forget(who);
            }
            Step::Noise(who, noise) => {
                let client = self.world.client(self.people[who]);
                self.world.server.handle_packet(now, client, &[noise; 24]);
            }
        }
        self.check(step);
    }

    /// Everything that has arrived anywhere was allowed to.
    fn check(&mut self, step: Step) {
        self.world.settle();
        let now = self.world.now;
        let sent_by = match step {
            Step::Send(who, _) => Some(who),
            _ => None,
        };
        for (from, to, payload) in std::mem::take(&mut self.world.at_sfu) {
            let sender = sent_by.expect("only a Send makes packets");
            assert_eq!((Some(from), to), (self.models[sender].relayed, address(SFU_V4)));
            assert_eq!(payload, [sender as u8; 8]);
        }
        for who in 0..PEOPLE {
            let person = self.people[who];
            for event in self.world.events(person) {
                let model = &mut self.models[who];
                let five_minutes = Some(now + Duration::from_secs(300));
                match event {
                    Event::Allocated { relayed, lifetime, .. } => {
                        *model = Model { relayed: Some(relayed), expires: Some(now + lifetime), ..Model::default() };
                    }
                    Event::Refreshed { lifetime } if lifetime.is_zero() => self.forget(who),
                    Event::Refreshed { lifetime } => model.expires = Some(now + lifetime),
                    Event::Permitted | Event::ChannelBound { .. } => {
                        let (Step::Permit(_, target) | Step::Bind(_, target)) = step else { panic!("{step:?}") };
                        match target {
                            Target::Relay(_) => model.relay_permitted = five_minutes,
                            Target::Sfu => model.sfu_permitted = five_minutes,
                            Target::OtherFamily | Target::Elsewhere => panic!("{target:?} was permitted"),
                        }
                    }
                    Event::Data { from, .. } => {
                        let until = if is_relayed(from.ip()) { model.relay_permitted } else { model.sfu_permitted };
                        assert!(until.is_some_and(|until| until > now), "{from} was not permitted by {who}");
                    }
                    _ => {}
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn nothing_reaches_anybody_without_permission(steps in proptest::collection::vec(steps(), 1..120)) {
        let mut run = Run::new();
        for step in steps {
            run.step(step);
        }
        // All that was kept for anybody ends by itself.
        run.world.wait(Duration::from_secs(2 * 3_600));
        prop_assert_eq!(run.world.server.stats().allocations, 0);
        prop_assert_eq!(run.world.server.stats().streams, 0);
        prop_assert_eq!(run.world.server.poll_timeout(), None);
        let left: Option<Output> = run.world.server.poll_output();
        prop_assert_eq!(left, None);
    }
}
