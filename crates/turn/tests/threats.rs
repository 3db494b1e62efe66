//! What an attacker tries: to get into the owner's network, to take all relays, and to have others
//! flooded with answers.

mod support;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use conclave_turn::client::Family;
use conclave_turn::credentials::CHECK_PREFIX;
use conclave_turn::stun::{Class, Method, TransactionId, Writer, attributes};
use conclave_turn::{Client, Limits, Output, RELAYED_V4, RELAYED_V6};
use support::{SFU_V4, UDP, World, address, ip};

const IPV4_TARGETS: &[&str] = &[
    "0.0.0.0",
    "0.0.0.1",
    "0.255.255.255",
    "127.0.0.1",
    "127.255.255.254",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.254",
    "192.168.0.1",
    "100.64.0.1",
    "169.254.169.254",
    "192.0.0.1",
    "192.0.0.7",
    "192.0.0.9",
    "192.0.0.170",
    "192.0.2.1",
    "198.18.0.1",
    "198.51.100.8",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "8.8.8.8",
];

const IPV6_TARGETS: &[&str] = &[
    "::",
    "::1",
    "fe80::1",
    "fec0::1",
    "fc00::1",
    "fd00::1",
    "ff02::1",
    "ff0e::1",
    "100::",
    "100::7",
    "100::9",
    "2001:db8::8",
    "2001::1",
    "2606:4700::1111",
    "5f00::1",
];

/// Every way in which an IPv6 address can hold an IPv4 one.
fn ipv6_forms(ip: Ipv4Addr) -> [Ipv6Addr; 7] {
    let [a, b, c, d] = ip.octets().map(u16::from);
    let (high, low) = (a << 8 | b, c << 8 | d);
    [
        ip.to_ipv6_mapped(),
        ip.to_ipv6_compatible(),
        Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
        Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
        Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, high, low),
        Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, high, low),
        Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, !high, !low),
    ]
}

/// All that no relay may reach. The last two hosts are relays and SFU themselves: in another form
/// than their own, they are nobody.
fn targets() -> Vec<IpAddr> {
    let ipv4 = || IPV4_TARGETS.iter().map(|text| text.parse::<Ipv4Addr>().expect("an IPv4 address"));
    let hidden = ipv4().chain([RELAYED_V4, Ipv4Addr::new(198, 51, 100, 7)]).flat_map(ipv6_forms).map(IpAddr::V6);
    ipv4().map(IpAddr::V4).chain(IPV6_TARGETS.iter().map(|text| ip(text))).chain(hidden).collect()
}

#[test]
fn no_relay_reaches_anything_but_relays_and_the_sfu() {
    let mut world = World::new();
    let (v4, v6) = (world.join("v4"), world.join("v6"));
    world.allocate(v4);
    world.allocate_in(v6, Family::V6);
    // Whatever was permitted before must not open anything else.
    assert_eq!(world.permit(v4, RELAYED_V4.into()), 0);
    assert_eq!(world.permit(v6, RELAYED_V6.into()), 0);

    let targets = targets();
    assert!(targets.len() > 200);
    for (who, family) in [(v4, Family::V4), (v6, Family::V6)] {
        for target in &targets {
            let expected = if target.is_ipv4() == (family == Family::V4) { 403 } else { 443 };
            assert_eq!(world.permit(who, *target), expected, "CreatePermission for {target}");
            for port in [1, 22, 80, 443, 8_443, 50_000] {
                let peer = SocketAddr::new(*target, port);
                assert_eq!(world.bind(who, peer), expected, "ChannelBind for {peer}");
                let before = *world.server.stats();
                world.send(who, peer, b"GET / HTTP/1.0\r\n\r\n");
                let after = *world.server.stats();
                assert_eq!(after.dropped_forbidden_peer, before.dropped_forbidden_peer + 1, "Send to {peer}");
                assert_eq!(after.relayed_from_clients, before.relayed_from_clients);
                assert_eq!(world.at_sfu, []);
            }
        }
    }
    assert_eq!(world.server.stats().refused_peer, targets.len() as u64 * 2 * 7);
}

#[test]
fn of_the_sfus_machine_only_the_announced_port_is_reached() {
    let mut world = World::new();
    let who = world.join("a");
    world.allocate(who);
    assert_eq!(world.permit(who, address(SFU_V4).ip()), 0);
    for port in [0, 1, 22, 80, 443, 8_442, 8_444, 65_535] {
        let peer = SocketAddr::new(address(SFU_V4).ip(), port);
        assert_eq!(world.bind(who, peer), 403, "{peer}");
        world.send(who, peer, b"hello");
    }
    assert_eq!(world.at_sfu, []);
    assert_eq!(world.server.stats().dropped_forbidden_peer, 8);
}

#[test]
fn who_takes_too_many_relays_is_refused_and_others_are_not() {
    let mut world = World::new();
    for _ in 0..64 {
        let who = world.join("greedy");
        world.allocate(who);
    }
    let greedy = world.join("greedy");
    let now = world.now;
    for _ in 0..3 {
        world.turn(greedy).allocate(now, Family::V4);
        assert_eq!(world.code(greedy), 486);
    }
    for other in ["b", "c"] {
        let who = world.join(other);
        world.allocate(who);
    }
    let check = format!("{CHECK_PREFIX}1");
    for _ in 0..16 {
        let who = world.join(&check);
        world.allocate(who);
    }
    let one_more = world.join(&check);
    world.turn(one_more).allocate(now, Family::V4);
    assert_eq!(world.code(one_more), 486);
    assert_eq!(world.server.stats().refused_quota, 4);
    assert_eq!((world.server.stats().allocations, world.server.stats().users), (64 + 2 + 16, 4));
}

#[test]
fn allocations_are_bounded_in_total_and_come_back_when_others_end() {
    let mut world = World::with(Limits { allocations: 10, ..Limits::default() });
    let people: Vec<_> = (0..10).map(|index| world.join(&format!("user {index}"))).collect();
    for who in &people {
        world.allocate(*who);
    }
    let late = world.join("late");
    let now = world.now;
    world.turn(late).allocate(now, Family::V4);
    assert_eq!(world.code(late), 508);
    assert_eq!(world.refresh(people[3], 0), 0);
    world.allocate(late);
}

fn forged_allocate(source: SocketAddr) -> (Client, Vec<u8>) {
    let mut writer = Writer::new(Class::Request, Method::Allocate, TransactionId([9; 12]), 0);
    writer.attribute(attributes::REQUESTED_TRANSPORT, &UDP);
    (Client::Udp { remote: source, local: None }, writer.finish())
}

#[test]
fn forged_requests_are_answered_seldom_and_shortly() {
    let limits = Limits::default();
    let mut world = World::with(limits.clone());
    let victim =
        |index: u32| SocketAddr::new(IpAddr::from([198, 18, 0, (index % 250) as u8]), 1_000 + (index % 50_000) as u16);
    let (mut asked, mut answered, mut bytes_in, mut bytes_out) = (0_u32, 0_u32, 0, 0);
    // A hundred thousand a second for three seconds, from all addresses of one network.
    for _ in 0..300 {
        for _ in 0..1_000 {
            let (client, request) = forged_allocate(victim(asked));
            world.server.handle_packet(world.now, client, &request);
            asked += 1;
            bytes_in += request.len();
            while let Some(output) = world.server.poll_output() {
                let Output::ToClient { packet, .. } = output else { panic!("{output:?}") };
                assert!(packet.len() <= request.len() * 5 / 2, "{} for {}", packet.len(), request.len());
                answered += 1;
                bytes_out += packet.len();
            }
        }
        world.wait(Duration::from_millis(10));
    }
    // Ten seconds' worth at once, and then the rate.
    let most = limits.refusals_per_second * 13;
    assert!((most - 5..=most).contains(&answered), "{answered}");
    assert!(bytes_out * 100 < bytes_in, "{bytes_out} for {bytes_in}");
    assert_eq!(world.server.stats().dropped_unanswered, u64::from(asked - answered));

    // Others are answered meanwhile, and so are streams from that very network.
    let other = world.join("other");
    world.allocate(other);
    let client = Client::Stream { id: conclave_turn::StreamId(1), remote: victim(0) };
    let by_stream = world.join_as("by stream", client);
    world.allocate(by_stream);
}

#[test]
fn who_was_answered_once_is_not_held_back_by_what_is_forged_in_its_name() {
    let mut world = World::new();
    let who = world.join("a");
    world.allocate(who);
    let (client, request) = forged_allocate(world.client(who).remote());
    for _ in 0..10_000 {
        world.server.handle_packet(world.now, client, &request);
        while world.server.poll_output().is_some() {}
    }
    assert!(world.server.stats().dropped_unanswered > 0);
    for _ in 0..100 {
        assert_eq!(world.refresh(who, 600), 0);
    }
}

#[test]
fn binding_requests_are_answered_shortly_and_up_to_a_rate() {
    let limits = Limits::default();
    let mut world = World::with(limits.clone());
    let request = Writer::new(Class::Request, Method::Binding, TransactionId([9; 12]), 0).finish();
    for source in ["198.18.0.1:1", "[2001:db8:1:2::3]:1"] {
        let client = support::udp(source);
        let answers = (0..50_000).filter_map(|_| world.exchange(client, &request)).collect::<Vec<_>>();
        assert_eq!(answers.len(), limits.bindings_per_second as usize * 10);
        assert!(answers.iter().all(|answer| answer.0.len() <= request.len() + 24));
    }
}

#[test]
fn an_invalid_signature_costs_an_answer_like_none_at_all() {
    let mut world = World::new();
    let mut raw = support::Raw::new(&mut world, "a", support::udp("203.0.113.1:4000"));
    raw.nonce = b"AAAAAAAAAAAAAAAA".to_vec();
    raw.key = [0; 16];
    let answered = (0..5_000).filter(|_| {
        let request = raw.signed(Method::Allocate, |_| {});
        world.exchange(raw.client, &request).is_some()
    });
    // One answer was the nonce.
    assert_eq!(answered.count(), Limits::default().refusals_per_second as usize * 10 - 1);
}
