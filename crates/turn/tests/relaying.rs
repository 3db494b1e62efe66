//! Allocations, permissions and channels, and what passes through them.

mod support;

use std::time::Duration;

use conclave_turn::client::{Event, Family};
use conclave_turn::{Client, RELAYED_V4, RELAYED_V6, StreamId, is_relayed};
use support::{SFU_V4, SFU_V6, World, address, ip};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_binding_request_is_answered_with_the_clients_own_address() {
    let mut world = World::new();
    let (by_udp, by_stream) = (world.join("a"), world.join_by_stream("b", 1));
    let now = world.now;
    for who in [by_udp, by_stream] {
        world.turn(who).binding(now);
        let expected = world.client(who).remote();
        assert_eq!(world.events(who), [Event::Bound { mapped: expected, round_trip: Duration::ZERO }]);
    }
}

#[test]
fn an_allocation_has_a_virtual_address_and_lives_ten_minutes() {
    let mut world = World::new();
    let who = world.join("a");
    let now = world.now;
    world.turn(who).allocate(now, Family::V4);
    let events = world.events(who);
    let [Event::Allocated { relayed, mapped, lifetime }] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(relayed.ip(), RELAYED_V4);
    assert!(is_relayed(relayed.ip()) && relayed.port() >= 1_024);
    assert_eq!(*mapped, world.client(who).remote());
    assert_eq!(*lifetime, 600 * SECOND);
    assert_eq!(world.server.stats().allocations, 1);

    world.wait(599 * SECOND);
    assert_eq!(world.server.stats().allocations, 1);
    world.wait(SECOND);
    assert_eq!(world.server.stats().allocations, 0);
    assert_eq!(world.server.stats().allocations_expired, 1);
    assert_eq!(world.server.poll_timeout(), None);
}

#[test]
fn an_ipv6_relay_is_had_by_asking() {
    let mut world = World::new();
    let who = world.join("a");
    let relayed = world.allocate_in(who, Family::V6);
    assert_eq!(relayed.ip(), RELAYED_V6);
    assert_eq!(world.bind(who, address(SFU_V6)), 0);
    world.send(who, address(SFU_V6), b"hello");
    assert_eq!(world.at_sfu, [(relayed, address(SFU_V6), b"hello".to_vec())]);
}

#[test]
fn two_people_whom_nobody_can_reach_meet_relay_to_relay() {
    for channels in [false, true] {
        let mut world = World::new();
        let (alice, bob) = (world.join("alice"), world.join_by_stream("bob", 9));
        let (at_alice, at_bob) = (world.allocate(alice), world.allocate(bob));
        assert_ne!(at_alice, at_bob);
        if channels {
            assert_eq!((world.bind(alice, at_bob), world.bind(bob, at_alice)), (0, 0));
        } else {
            assert_eq!((world.permit(alice, at_bob.ip()), world.permit(bob, at_alice.ip())), (0, 0));
        }
        world.send(alice, at_bob, b"are you there?");
        world.send(bob, at_alice, b"yes");
        assert_eq!(world.received(bob), [(at_alice, b"are you there?".to_vec())]);
        assert_eq!(world.received(alice), [(at_bob, b"yes".to_vec())]);
        let stats = world.server.stats();
        assert_eq!((stats.relayed_from_clients, stats.relayed_to_clients), (2, 2));
        assert_eq!((stats.relayed_from_clients_bytes, stats.relayed_to_clients_bytes), (17, 17));
    }
}

#[test]
fn a_client_and_the_sfu_exchange_packets_by_indications_and_by_channel() {
    for channels in [false, true] {
        let mut world = World::new();
        let who = world.join("a");
        let relayed = world.allocate(who);
        let sfu = address(SFU_V4);
        let code = if channels { world.bind(who, sfu) } else { world.permit(who, sfu.ip()) };
        assert_eq!(code, 0);
        for length in [0, 1, 3, 160, 1_200] {
            let payload = vec![7; length];
            world.send(who, sfu, &payload);
            assert_eq!(world.at_sfu.pop(), Some((relayed, sfu, payload.clone())));
            assert!(world.sfu_sends(SFU_V4, relayed, &payload));
            assert_eq!(world.received(who), [(sfu, payload)]);
        }
    }
}

#[test]
fn nothing_reaches_a_client_that_has_not_permitted_it() {
    let mut world = World::new();
    let (alice, mallory) = (world.join("alice"), world.join("mallory"));
    let (at_alice, at_mallory) = (world.allocate(alice), world.allocate(mallory));
    assert_eq!(world.bind(mallory, at_alice), 0);
    world.send(mallory, at_alice, b"hello");
    assert!(!world.sfu_sends(SFU_V4, at_alice, b"hello"));
    assert_eq!(world.received(alice), []);
    assert_eq!(world.server.stats().dropped_no_permission, 2);

    // A permission is for an address: the SFU's one is no permission for other relays.
    assert_eq!(world.permit(alice, address(SFU_V4).ip()), 0);
    world.send(mallory, at_alice, b"hello");
    assert_eq!(world.received(alice), []);
    assert!(world.sfu_sends(SFU_V4, at_alice, b"hello"));
    assert_eq!(world.received(alice).len(), 1);
    // It works both ways: what is not permitted cannot be sent to by indication either.
    world.send(alice, at_mallory, b"hello");
    assert_eq!(world.received(mallory), []);
}

#[test]
fn a_packet_that_only_claims_to_be_the_sfus_is_dropped() {
    let mut world = World::new();
    let who = world.join("a");
    let relayed = world.allocate(who);
    assert_eq!(world.permit(who, address(SFU_V4).ip()), 0);
    assert_eq!(world.permit(who, relayed.ip()), 0);
    for from in ["198.51.100.7:8444", "198.51.100.8:8443", "192.0.0.8:5000", "[::ffff:198.51.100.7]:8443"] {
        assert!(!world.sfu_sends(from, relayed, b"hello"), "{from}");
    }
    assert_eq!(world.received(who), []);
    assert_eq!(world.server.stats().dropped_forbidden_peer, 4);
    assert!(!world.sfu_sends(SFU_V4, address("127.0.0.1:5000"), b"hello"));
}

#[test]
fn permissions_last_five_minutes_and_channels_ten() {
    let mut world = World::new();
    let (alice, bob) = (world.join("alice"), world.join("bob"));
    let (at_alice, at_bob) = (world.allocate(alice), world.allocate(bob));
    let sfu = address(SFU_V4);
    assert_eq!(world.permit(bob, at_alice.ip()), 0);
    assert_eq!(world.bind(alice, at_bob), 0);
    assert_eq!(world.bind(alice, sfu), 0);
    for who in [alice, bob] {
        assert_eq!(world.refresh(who, 3_600), 0);
    }

    world.wait(299 * SECOND);
    world.send(alice, at_bob, b"1");
    assert_eq!(world.received(bob).len(), 1);
    assert!(world.sfu_sends(SFU_V4, at_alice, b"1"));

    world.wait(SECOND);
    world.send(alice, at_bob, b"2");
    assert_eq!(world.received(bob), [], "bob's permission has expired");
    assert!(!world.sfu_sends(SFU_V4, at_alice, b"2"), "that of the channel's peer, too");

    // The channel itself still carries, and permits again when it is prolonged.
    world.send(alice, sfu, b"3");
    assert_eq!(world.at_sfu.len(), 1);
    assert_eq!(world.bind(alice, sfu), 0);
    assert!(world.sfu_sends(SFU_V4, at_alice, b"4"));

    world.wait(300 * SECOND);
    let before = world.server.stats().dropped_no_allocation;
    world.send(alice, at_bob, b"5");
    assert_eq!(world.server.stats().dropped_no_allocation, before + 1, "the unprolonged channel has expired");
    world.send(alice, sfu, b"6");
    assert_eq!(world.at_sfu.len(), 2);
}

#[test]
fn a_client_that_refreshes_keeps_its_allocation_and_may_end_it() {
    let mut world = World::new();
    let who = world.join("a");
    let relayed = world.allocate(who);
    assert_eq!(world.permit(who, relayed.ip()), 0);
    for _ in 0..12 {
        world.wait(500 * SECOND);
        assert_eq!(world.refresh(who, 600), 0, "the credential has expired long ago, the key is kept");
    }
    assert_eq!(world.refresh(who, 0), 0);
    assert_eq!(world.server.stats().allocations, 0);
    assert_eq!(world.server.stats().users, 0);
    assert!(!world.sfu_sends(SFU_V4, relayed, b"hello"));
}

#[test]
fn a_stream_that_ends_takes_its_allocation_along() {
    let mut world = World::new();
    let who = world.join_by_stream("a", 5);
    world.allocate(who);
    assert_eq!((world.server.stats().streams, world.server.stats().allocations), (1, 1));
    let now = world.now;
    world.server.handle_stream_closed(now, StreamId(5));
    assert_eq!((world.server.stats().streams, world.server.stats().allocations), (0, 0));
    assert_eq!(world.server.poll_timeout(), None);
    world.settle();
    assert_eq!(world.closed, []);
}

#[test]
fn a_stream_without_an_allocation_is_closed_and_one_whose_allocation_expires() {
    let mut world = World::new();
    let now = world.now;
    world.server.handle_stream_opened(now, StreamId(1));
    let who = world.join_by_stream("a", 2);
    world.allocate(who);
    world.wait(29 * SECOND);
    assert_eq!(world.closed, []);
    world.wait(SECOND);
    assert_eq!(world.closed, [StreamId(1)]);
    world.wait(600 * SECOND);
    assert_eq!(world.closed, [StreamId(1), StreamId(2)]);
    assert_eq!(world.server.stats().streams, 0);
}

#[test]
fn a_stream_that_sends_nothing_of_use_is_closed_all_the_same() {
    let mut world = World::new();
    let client = Client::Stream { id: StreamId(6), remote: address("203.0.113.9:1000") };
    for _ in 0..31 {
        let now = world.now;
        world.server.handle_packet(now, client, b"\x40\x00\x00\x01x");
        world.wait(SECOND);
    }
    assert_eq!(world.closed, [StreamId(6)]);
}

#[test]
fn nothing_that_could_be_logged_shows_an_address_or_a_key() {
    let mut world = World::new();
    let (by_udp, by_stream) = (world.join("a"), world.join_by_stream("b", 1));
    world.allocate(by_udp);
    world.allocate(by_stream);
    let shown = format!("{:?} {:?} {:?}", world.client(by_udp), world.client(by_stream), world.server);
    assert!(!shown.contains("203.0.113"));
    assert!(shown.contains("Key(***)") && !shown.contains("key: ["));
}

#[test]
fn a_stream_that_ended_its_allocation_may_make_another() {
    let mut world = World::new();
    let who = world.join_by_stream("a", 3);
    world.allocate(who);
    assert_eq!(world.refresh(who, 0), 0);
    world.wait(20 * SECOND);
    world.allocate(who);
    world.wait(100 * SECOND);
    assert_eq!(world.closed, []);
    assert_eq!(world.server.stats().allocations, 1);
}

#[test]
fn packets_above_an_allocations_rates_are_dropped() {
    let limits = conclave_turn::Limits {
        bits_per_second: 80_000,
        packets_per_second: 1_000,
        burst: Duration::from_millis(100),
        ..Default::default()
    };
    let mut world = World::with(limits);
    let (greedy, modest) = (world.join("greedy"), world.join("modest"));
    let sfu = address(SFU_V4);
    for who in [greedy, modest] {
        world.allocate(who);
        assert_eq!(world.bind(who, sfu), 0);
    }
    // 10,000 bytes a second are permitted: ten times that for ten seconds leaves a tenth, and the burst.
    for _ in 0..1_000 {
        world.send(greedy, sfu, &[0; 1_000]);
        world.wait(Duration::from_millis(10));
    }
    let passed = world.at_sfu.len();
    assert!((100..=103).contains(&passed), "{passed}");
    assert_eq!(world.server.stats().dropped_over_rate, 1_000 - passed as u64);
    world.send(modest, sfu, &[0; 1_000]);
    assert_eq!(world.at_sfu.len(), passed + 1);

    // Small packets are bounded by their number, in the other direction as well.
    world.wait(SECOND);
    assert_eq!(world.permit(greedy, ip("198.51.100.7")), 0);
    let at_modest = world.at_sfu.last().map(|(from, ..)| *from).expect("just sent");
    let taken = (0..1_000).filter(|_| world.sfu_sends(SFU_V4, at_modest, b"")).count();
    assert!((100..=102).contains(&taken), "{taken}");
}

#[test]
fn outputs_that_nobody_takes_are_bounded() {
    let limits = conclave_turn::Limits { pending_outputs: 10, ..Default::default() };
    let mut world = World::with(limits);
    let now = world.now;
    for index in 0..100 {
        let remote = std::net::SocketAddr::new(std::net::IpAddr::from([10, 0, index, 1]), 1_000);
        let binding = b"\x00\x01\x00\x00\x21\x12\xA4\x42transaction!";
        world.server.handle_packet(now, Client::Udp { remote, local: None }, binding);
    }
    assert_eq!(world.server.stats().dropped_outputs, 90);
    assert_eq!(std::iter::from_fn(|| world.server.poll_output()).count(), 10);
}
