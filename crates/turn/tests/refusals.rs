//! What is refused, with which error, and to whom.

mod support;

use std::time::Duration;

use conclave_turn::client::{Event, Failure, Family, Request};
use conclave_turn::credentials::LIFETIME_S;
use conclave_turn::stun::{Integrity, Method, Writer, attributes, decode_xor_address, error_code};
use conclave_turn::{Client, Limits, StreamId};
use support::{REALM, Raw, SFU_V4, UDP, UNIX, World, address, ip, udp};

const SECOND: Duration = Duration::from_secs(1);
const HERE: &str = "203.0.113.1:4000";
const IPV6: [u8; 4] = [2, 0, 0, 0];

fn transport(writer: &mut Writer) {
    writer.attribute(attributes::REQUESTED_TRANSPORT, &UDP);
}

#[test]
fn a_stranger_is_told_how_to_show_a_credential_and_no_more() {
    let mut world = World::new();
    let mut raw = Raw::new(&mut world, "a", udp(HERE));
    let request = raw.unsigned(Method::Allocate, transport);
    let answer = world.exchange(raw.client, &request).expect("an answer");
    let kinds: Vec<u16> = answer.message().attributes().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, [attributes::ERROR_CODE, attributes::REALM, attributes::NONCE]);
    assert_eq!(answer.message().attribute(attributes::REALM), Some(REALM.as_bytes()));
    assert_eq!(answer.code(), 401);
    assert_eq!((request.len(), answer.0.len()), (28, 60));
}

#[test]
fn both_ways_of_signing_are_understood_and_answered_alike() {
    for integrity in [Integrity::Sha1, Integrity::Sha256] {
        let mut world = World::new();
        let mut raw = Raw::new(&mut world, "a", udp(HERE));
        raw.integrity = integrity;
        assert_eq!(raw.allocate(&mut world), 0);
        assert_eq!(raw.ask(&mut world, Method::CreatePermission, |_| {}), 400);
    }
}

#[test]
fn a_wrong_credential_is_refused() {
    let mut world = World::new();
    let good = world.issue("a");
    let expired = conclave_turn::TurnSecret::from_bytes(support::SECRET).issue("a", UNIX);
    let foreign = conclave_turn::TurnSecret::from_bytes(b"another").issue("a", UNIX + LIFETIME_S);
    let extended = format!("{}:a", UNIX + 10 * LIFETIME_S);
    let wrong = [
        (good.username.as_str(), "guess"),
        (&good.username, &foreign.password),
        (&extended, &good.password),
        (&expired.username, &expired.password),
        ("a", &good.password),
        ("", ""),
    ];
    for (index, (username, password)) in wrong.into_iter().enumerate() {
        let who = world.join_with(username, password, udp(&format!("203.0.113.1:{}", 4_000 + index)));
        let now = world.now;
        world.turn(who).allocate(now, Family::V4);
        let failed = Event::Failed { request: Request::Allocate, failure: Failure::Refused(401) };
        assert_eq!(world.events(who), [failed], "{username} {password}");
    }
    assert_eq!(world.server.stats().allocations, 0);
}

#[test]
fn a_signed_request_that_lacks_a_part_of_the_credential_is_malformed() {
    let mut world = World::new();
    let mut raw = Raw::new(&mut world, "a", udp(HERE));
    for missing in [attributes::USERNAME, attributes::REALM, attributes::NONCE] {
        let (username, nonce, key) = (raw.username.clone(), raw.nonce.clone(), raw.key);
        let request = raw.unsigned(Method::Allocate, |writer| {
            let parts = [
                (attributes::USERNAME, username.as_bytes()),
                (attributes::REALM, REALM.as_bytes()),
                (attributes::NONCE, &nonce),
            ];
            for (kind, value) in parts.into_iter().filter(|(kind, _)| *kind != missing) {
                writer.attribute(kind, value);
            }
            writer.integrity(Integrity::Sha1, &key);
        });
        assert_eq!(world.exchange(raw.client, &request).expect("an answer").code(), 400, "{missing:#x}");
    }
}

#[test]
fn a_nonce_is_good_for_ten_minutes_and_for_its_client_only() {
    let mut world = World::new();
    let mut raw = Raw::new(&mut world, "a", udp(HERE));
    assert_eq!(raw.allocate(&mut world), 0);
    assert_eq!(raw.ask(&mut world, Method::Refresh, |_| {}), 0);
    world.wait(599 * SECOND);
    assert_eq!(raw.ask(&mut world, Method::Refresh, |_| {}), 0);
    world.wait(SECOND);
    assert_eq!(raw.ask(&mut world, Method::Refresh, |_| {}), 438);
    raw.fetch_nonce(&mut world);
    assert_eq!(raw.ask(&mut world, Method::Refresh, |_| {}), 0);

    let mut other = Raw::new(&mut world, "b", udp("203.0.113.1:4001"));
    let own = std::mem::replace(&mut other.nonce, raw.nonce.clone());
    assert_eq!(other.allocate(&mut world), 438);
    for nonce in [&b""[..], b"0", b"obMatJos2AAAA", &[0xff; 16], &own[..15]] {
        other.nonce = nonce.to_vec();
        assert_eq!(other.allocate(&mut world), 438, "{nonce:02x?}");
    }
    other.nonce = own;
    assert_eq!(other.allocate(&mut world), 0);
    assert_eq!(world.server.stats().refused_stale_nonce, 7);
}

#[test]
fn a_client_whose_nonce_has_become_stale_goes_on_by_itself() {
    let mut world = World::new();
    let who = world.join("a");
    world.allocate(who);
    for _ in 0..4 {
        world.wait(400 * SECOND);
        assert_eq!(world.refresh(who, 600), 0);
    }
    assert!(world.server.stats().refused_stale_nonce > 0);
}

#[test]
fn a_repeated_allocate_gets_the_same_answer_and_another_finds_the_place_taken() {
    let mut world = World::new();
    let mut raw = Raw::new(&mut world, "a", udp(HERE));
    let request = raw.signed(Method::Allocate, transport);
    let first = world.exchange(raw.client, &request).expect("an answer");
    assert_eq!(first.code(), 0);
    world.wait(SECOND);
    let second = world.exchange(raw.client, &request).expect("an answer");
    assert_eq!(first.0, second.0);
    assert_eq!(world.server.stats().allocations, 1);
    assert_eq!(raw.allocate(&mut world), 437);
}

#[test]
fn an_allocation_answers_to_the_credential_that_made_it_only() {
    let mut world = World::new();
    let mut raw = Raw::new(&mut world, "a", udp(HERE));
    assert_eq!(raw.allocate(&mut world), 0);
    let mut thief = Raw::new(&mut world, "b", udp(HERE));
    for method in [Method::Allocate, Method::Refresh, Method::CreatePermission, Method::ChannelBind] {
        assert_eq!(thief.ask(&mut world, method, transport), 441, "{method:?}");
    }
    assert_eq!(world.server.stats().allocations, 1);
}

#[test]
fn what_concerns_an_allocation_needs_one() {
    let mut world = World::new();
    let mut raw = Raw::new(&mut world, "a", udp(HERE));
    for method in [Method::Refresh, Method::CreatePermission, Method::ChannelBind] {
        assert_eq!(raw.ask(&mut world, method, |_| {}), 437, "{method:?}");
    }
    let data = b"\x40\x00\x00\x01x";
    assert!(world.exchange(raw.client, data).is_none());
    assert_eq!(world.server.stats().dropped_no_allocation, 1);
}

#[test]
fn an_allocate_request_is_held_to_its_rules() {
    use attributes::*;
    const TOKEN: &[u8] = &[0; 8];
    type Attribute = (u16, &'static [u8]);
    let cases: &[(u16, &[Attribute])] = &[
        (400, &[]),
        (400, &[(REQUESTED_TRANSPORT, &[17])]),
        (442, &[(REQUESTED_TRANSPORT, &[6, 0, 0, 0])]),
        (440, &[(REQUESTED_TRANSPORT, &UDP), (REQUESTED_ADDRESS_FAMILY, &[3, 0, 0, 0])]),
        (400, &[(REQUESTED_TRANSPORT, &UDP), (REQUESTED_ADDRESS_FAMILY, &[1])]),
        (508, &[(REQUESTED_TRANSPORT, &UDP), (EVEN_PORT, &[0x80])]),
        (400, &[(REQUESTED_TRANSPORT, &UDP), (EVEN_PORT, &[])]),
        (508, &[(REQUESTED_TRANSPORT, &UDP), (RESERVATION_TOKEN, TOKEN)]),
        (400, &[(REQUESTED_TRANSPORT, &UDP), (RESERVATION_TOKEN, TOKEN), (EVEN_PORT, &[0])]),
        (400, &[(REQUESTED_TRANSPORT, &UDP), (RESERVATION_TOKEN, TOKEN), (REQUESTED_ADDRESS_FAMILY, &IPV6)]),
        (400, &[(REQUESTED_TRANSPORT, &UDP), (ADDITIONAL_ADDRESS_FAMILY, &[1, 0, 0, 0])]),
        (400, &[(REQUESTED_TRANSPORT, &UDP), (ADDITIONAL_ADDRESS_FAMILY, &IPV6), (REQUESTED_ADDRESS_FAMILY, &IPV6)]),
        (400, &[(REQUESTED_TRANSPORT, &UDP), (LIFETIME, &[0])]),
        (420, &[(REQUESTED_TRANSPORT, &UDP), (0x7fff, &[])]),
        (0, &[(REQUESTED_TRANSPORT, &UDP), (DONT_FRAGMENT, &[]), (0xffff, &[])]),
    ];
    let mut world = World::new();
    let mut raw = Raw::new(&mut world, "a", udp(HERE));
    for (expected, parts) in cases {
        let code = raw.ask(&mut world, Method::Allocate, |writer| {
            parts.iter().for_each(|(kind, value)| {
                writer.attribute(*kind, value);
            });
        });
        assert_eq!(code, *expected, "{parts:x?}");
    }
}

#[test]
fn an_even_port_is_had_by_asking() {
    let mut world = World::new();
    for index in 0..20 {
        let mut raw = Raw::new(&mut world, "a", udp(&format!("203.0.113.1:{}", 4_000 + index)));
        let request = raw.signed(Method::Allocate, |writer| {
            transport(writer);
            writer.attribute(attributes::EVEN_PORT, &[0]);
        });
        let answer = world.exchange(raw.client, &request).expect("an answer");
        let message = answer.message();
        let relayed = message.attribute(attributes::XOR_RELAYED_ADDRESS).expect("an allocation has an address");
        let relayed = decode_xor_address(relayed, message.transaction()).expect("well formed");
        assert_eq!(relayed.port() % 2, 0);
    }
}

#[test]
fn who_wants_both_families_gets_ipv4_and_is_told() {
    let mut world = World::new();
    let mut raw = Raw::new(&mut world, "a", udp(HERE));
    let request = raw.signed(Method::Allocate, |writer| {
        transport(writer);
        writer.attribute(attributes::ADDITIONAL_ADDRESS_FAMILY, &IPV6);
    });
    for _ in 0..2 {
        let answer = world.exchange(raw.client, &request).expect("an answer");
        assert_eq!(answer.code(), 0);
        let refused = answer.message().attribute(attributes::ADDRESS_ERROR_CODE).expect("the other family is refused");
        assert_eq!((refused[0], error_code(refused)), (2, Some(440)));
    }
}

#[test]
fn lifetimes_are_granted_between_ten_minutes_and_an_hour() {
    let mut world = World::new();
    let mut raw = Raw::new(&mut world, "a", udp(HERE));
    for (asked, granted) in [(1_u32, 600_u32), (600, 600), (1_000, 1_000), (3_600, 3_600), (u32::MAX, 3_600)] {
        for method in [Method::Allocate, Method::Refresh] {
            let request = raw.signed(method, |writer| {
                transport(writer);
                writer.attribute(attributes::LIFETIME, &asked.to_be_bytes());
            });
            let answer = world.exchange(raw.client, &request).expect("an answer");
            assert_eq!(answer.message().attribute(attributes::LIFETIME), Some(&granted.to_be_bytes()[..]), "{asked}");
        }
        let code = raw.ask(&mut world, Method::Refresh, |writer| {
            writer.attribute(attributes::LIFETIME, &[0; 4]);
        });
        assert_eq!(code, 0);
    }
}

#[test]
fn a_refresh_for_the_other_family_is_refused() {
    let mut world = World::new();
    let mut raw = Raw::new(&mut world, "a", udp(HERE));
    assert_eq!(raw.allocate(&mut world), 0);
    let code = raw.ask(&mut world, Method::Refresh, |writer| {
        writer.attribute(attributes::REQUESTED_ADDRESS_FAMILY, &IPV6);
    });
    assert_eq!(code, 443);
}

#[test]
fn a_channel_has_one_number_and_one_peer() {
    let mut world = World::new();
    let mut raw = Raw::new(&mut world, "a", udp(HERE));
    assert_eq!(raw.allocate(&mut world), 0);
    let mut bind = |number: u16, peer: &str| {
        raw.ask(&mut world, Method::ChannelBind, |writer| {
            let [high, low] = number.to_be_bytes();
            writer
                .attribute(attributes::CHANNEL_NUMBER, &[high, low, 0, 0])
                .xor_address(attributes::XOR_PEER_ADDRESS, address(peer));
        })
    };
    for outside in [0, 0x3fff, 0x5000, 0x7fff, 0xffff] {
        assert_eq!(bind(outside, SFU_V4), 400, "{outside:#x}");
    }
    assert_eq!(bind(0x4000, SFU_V4), 0);
    assert_eq!(bind(0x4000, SFU_V4), 0, "that prolongs it");
    assert_eq!(bind(0x4001, SFU_V4), 400, "the peer has a channel");
    assert_eq!(bind(0x4000, "192.0.0.8:5000"), 400, "the number is taken");
    assert_eq!(bind(0x4fff, "192.0.0.8:5000"), 0);
    let code = raw.ask(&mut world, Method::ChannelBind, |writer| {
        writer.attribute(attributes::CHANNEL_NUMBER, &[0x40, 2, 0, 0]);
    });
    assert_eq!(code, 400);
}

#[test]
fn permissions_are_given_to_all_that_are_named_or_to_none() {
    let mut world = World::new();
    let who = world.join("a");
    let relayed = world.allocate(who);
    let now = world.now;
    let sfu = address(SFU_V4).ip();
    world.turn(who).create_permission(now, &[sfu, ip("10.0.0.1"), relayed.ip()]);
    assert_eq!(world.code(who), 403);
    assert!(!world.sfu_sends(SFU_V4, relayed, b"hello"));
    world.turn(who).create_permission(now, &[sfu, relayed.ip(), sfu]);
    assert_eq!(world.code(who), 0);
    assert!(world.sfu_sends(SFU_V4, relayed, b"hello"));
}

#[test]
fn permissions_and_channels_of_an_allocation_are_bounded() {
    let mut world = World::with(Limits { permissions: 1, channels: 2, ..Limits::default() });
    let who = world.join("a");
    let relayed = world.allocate(who);
    assert_eq!(world.permit(who, address(SFU_V4).ip()), 0);
    assert_eq!(world.permit(who, relayed.ip()), 508);
    assert_eq!(world.bind(who, address("192.0.0.8:5000")), 508, "a channel needs a permission");
    world.wait(300 * SECOND);
    for port in [5_000, 5_001] {
        assert_eq!(world.bind(who, address(&format!("192.0.0.8:{port}"))), 0);
    }
    assert_eq!(world.bind(who, address("192.0.0.8:5002")), 508);
    assert_eq!(world.server.stats().refused_quota, 3);
}

#[test]
fn who_leaves_loses_allocations_streams_and_credentials() {
    let mut world = World::new();
    let (by_udp, by_stream) = (world.join("a"), world.join_by_stream("a", 4));
    let other = world.join("b");
    for who in [by_udp, by_stream, other] {
        world.allocate(who);
    }
    let now = world.now;
    world.server.revoke_user(now, "a");
    world.settle();
    assert_eq!(world.closed, [StreamId(4)]);
    let stats = *world.server.stats();
    assert_eq!((stats.allocations, stats.users, stats.streams, stats.allocations_revoked), (1, 1, 0, 2));

    world.turn(by_udp).allocate(now, Family::V4);
    assert_eq!(world.code(by_udp), 401, "the credential of before is void");
    // Who comes back under the same id gets a new one.
    world.wait(2 * SECOND);
    let client = world.client(by_udp);
    let again = world.join_as("a", client);
    world.allocate(again);
    world.wait(500 * SECOND);
    assert_eq!(world.server.stats().allocations, 2);
}

#[test]
fn requests_with_a_wrong_checksum_and_connectivity_checks_for_nobody_get_no_answer() {
    let mut world = World::new();
    let mut raw = Raw::new(&mut world, "a", udp(HERE));
    let mut request = raw.unsigned(Method::Binding, |writer| {
        writer.fingerprint();
    });
    assert_eq!(world.exchange(raw.client, &request).expect("an answer").code(), 0);
    let last = request.len() - 1;
    request[last] ^= 1;
    assert!(world.exchange(raw.client, &request).is_none());
    assert_eq!(world.server.stats().dropped_malformed, 1);
    let check = raw.unsigned(Method::Binding, |writer| {
        writer.attribute(attributes::USERNAME, b"nobody:someone");
    });
    assert!(world.exchange(raw.client, &check).is_none());
    let unknown = raw.unsigned(Method::Binding, |writer| {
        writer.attribute(0x0003, &[0; 4]);
    });
    let answer = world.exchange(raw.client, &unknown).expect("an answer");
    assert_eq!(answer.code(), 420);
    assert_eq!(answer.message().attribute(attributes::UNKNOWN_ATTRIBUTES), Some(&[0, 3][..]));
}

#[test]
fn whoever_claims_to_be_a_relay_gets_no_answer() {
    let mut world = World::new();
    let now = world.now;
    for remote in ["192.0.0.8:5000", "[100::8]:5000"] {
        let client = Client::Udp { remote: address(remote), local: None };
        world.server.handle_packet(now, client, b"\x00\x01\x00\x00\x21\x12\xA4\x42transaction!");
    }
    assert_eq!(world.server.poll_output(), None);
}
