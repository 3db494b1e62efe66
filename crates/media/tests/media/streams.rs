//! TCP connections: what they may hold, and for how long.

use std::time::Duration;

use conclave_media::{MediaLimits, StreamError, StreamKind, StreamsFull};
use conclave_proto::SourceKind;
use conclave_turn::client::{Event, Transport, TurnClient};
use conclave_turn::framing::{IceFramer, TurnFramer};
use conclave_turn::stun::{Class, Message, Method, TransactionId, Writer, attributes, decode_xor_address};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{Server, id, soon};
use crate::network::{Network, Way};

const FROM: &str = "192.0.2.7:4000";

fn limits(streams: usize) -> MediaLimits {
    MediaLimits { streams, stream_start: Duration::from_millis(300), ..MediaLimits::default() }
}

fn framed(packet: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    IceFramer::write(packet, &mut out);
    out
}

fn binding_request() -> Vec<u8> {
    Writer::new(Class::Request, Method::Binding, TransactionId(*b"transaction!"), 64).finish()
}

#[tokio::test]
async fn who_asks_over_tcp_is_told_its_address_in_either_framing() {
    let server = Server::start();
    let mut stream = TcpStream::connect(server.address()).await.expect("connected");
    let own = stream.local_addr().expect("connected");
    stream.write_all(&framed(&binding_request())).await.expect("sent");
    let (mut framer, mut buffer) = (IceFramer::new(), [0; 200]);
    let answer = loop {
        let length = soon("an answer", stream.read(&mut buffer)).await.expect("open");
        assert!(length > 0, "closed");
        framer.push(&buffer[..length]);
        if let Some(answer) = framer.next().expect("well framed") {
            break answer.to_vec();
        }
    };
    let answer = Message::parse(&answer).expect("a message");
    assert_eq!((answer.class(), answer.method()), (Class::Success, Method::Binding));
    let mapped = answer.attribute(attributes::XOR_MAPPED_ADDRESS).expect("an address");
    assert_eq!(decode_xor_address(mapped, answer.transaction()), Some(own));

    let mut stream = TcpStream::connect(server.address()).await.expect("connected");
    let own = stream.local_addr().expect("connected");
    let mut turn = TurnClient::new(Transport::Stream, "", "", [7; 32]);
    turn.binding(std::time::Instant::now());
    stream.write_all(&turn.poll_transmit().expect("a request")).await.expect("sent");
    let mut framer = TurnFramer::new();
    let mapped = loop {
        let length = soon("an answer", stream.read(&mut buffer)).await.expect("open");
        assert!(length > 0, "closed");
        framer.push(&buffer[..length]);
        if let Some(answer) = framer.next().expect("well framed") {
            turn.handle_packet(std::time::Instant::now(), answer);
        }
        if let Some(Event::Bound { mapped, .. }) = turn.poll_event() {
            break mapped;
        }
    };
    assert_eq!(mapped, own);
    server.handle.shutdown().await;
}

#[tokio::test]
async fn connections_that_are_of_no_use_are_closed_and_those_that_are_stay() {
    let server = Server::with_limits(limits(100));
    let kept = Network::connect(&[Way::TurnTcp], server.address(), "ada").await;
    let bob = server.join_by("bob", &[Way::Tcp]).await;
    for kind in [StreamKind::IceTcp, StreamKind::Turn { tls: true }, StreamKind::Turn { tls: false }] {
        let (mut sink, mut source) =
            server.handle.open_stream(kind, FROM.parse().expect("valid"), None).expect("opens");
        // A question is answered, but is not what connections are for.
        let request = if kind == StreamKind::IceTcp { framed(&binding_request()) } else { binding_request() };
        sink.received(&request).await.expect("taken");
        let mut buffer = Vec::new();
        assert!(soon("the answer", source.to_send(&mut buffer)).await);
        assert!(!soon("the end", source.to_send(&mut buffer)).await);
        assert_eq!(sink.received(b"").await, Err(StreamError::Closed));
    }
    server.until("both others are left", |server| server.counted.gauge("conclave_media_streams") == 2.0).await;
    assert_eq!(server.counted.gauge("conclave_turn_allocations"), 1.0);
    drop((kept, bob));
    server.handle.shutdown().await;
}

#[tokio::test]
async fn connections_are_bounded_and_dropping_either_half_makes_room() {
    let server = Server::with_limits(limits(2));
    let open = || server.handle.open_stream(StreamKind::IceTcp, FROM.parse().expect("valid"), None);
    let (one_sink, mut one_source) = open().expect("opens");
    let (two_sink, two_source) = open().expect("opens");
    assert_eq!(open().map(drop), Err(StreamsFull));
    drop(one_sink);
    assert!(!soon("the other half learns of it", one_source.to_send(&mut Vec::new())).await);
    drop(one_source);
    drop((two_source, two_sink));
    server.until("nothing is left", |_| open().is_ok()).await;
    server.handle.shutdown().await;
}

#[tokio::test]
async fn what_is_not_a_packet_ends_the_connection() {
    let server = Server::start();
    for (kind, bytes) in [(StreamKind::IceTcp, &[0xff; 4]), (StreamKind::Turn { tls: false }, b"GET ")] {
        let (mut sink, mut source) =
            server.handle.open_stream(kind, FROM.parse().expect("valid"), None).expect("opens");
        assert_eq!(sink.received(bytes).await, Err(StreamError::Malformed));
        assert_eq!(sink.received(b"").await, Err(StreamError::Closed));
        assert!(!source.to_send(&mut Vec::new()).await);
    }
    server.handle.shutdown().await;
}

#[tokio::test]
async fn a_media_plane_that_has_stopped_closes_and_takes_no_connection() {
    let server = Server::start();
    let handle = server.handle.clone();
    let open = || handle.open_stream(StreamKind::Turn { tls: false }, FROM.parse().expect("valid"), None);
    let (_sink, mut source) = open().expect("opens");
    server.handle.shutdown().await;
    assert!(!soon("the end", source.to_send(&mut Vec::new())).await);
    assert_eq!(open().map(drop), Err(StreamsFull));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_read_loses_packets_and_harms_nobody() {
    let mut server = Server::start();
    let (ada, bob, eve) = tokio::join!(server.join("ada"), server.join("bob"), server.join_by("eve", &[Way::Tcp]));
    server.view("eve", &["ada", "bob"]);
    server.view("ada", &["bob"]);
    server.shows(&eve.id, &id("ada"), SourceKind::Camera).await;
    let camera = server.shows(&ada.id, &bob.id, SourceKind::Camera).await;
    ada.receives(&camera, "bob", 5).await;
    eve.stop_reading();
    while server.dropped("stream") < 20 {
        // Paced by the call itself, which goes on.
        ada.receives(&camera, "bob", 1).await;
    }
    ada.receives(&camera, "bob", 25).await;
    server.handle.shutdown().await;
}
