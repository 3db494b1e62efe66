use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use super::*;
use crate::shard;

fn hub() -> (Arc<Hub>, shard::Waker) {
    let wake = shard::Waker::new().expect("an eventfd");
    (Arc::new(Hub::new(wake.clone(), 4)), wake)
}

fn opened(hub: &Arc<Hub>) -> (StreamSink, StreamSource) {
    open(hub, StreamKind::IceTcp, "192.0.2.1:9".parse().expect("an address"), None).expect("opens")
}

/// One look at a future: what it gives, if it is done.
fn now<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => Some(result),
        Poll::Pending => None,
    }
}

fn framed(packets: usize, length: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for number in 0..packets {
        IceFramer::write(&vec![number as u8; length], &mut bytes);
    }
    bytes
}

#[test]
fn a_batch_wakes_the_media_thread_once_and_arrives_whole() {
    let (hub, wake) = hub();
    let mut streams = Streams::new(hub.clone());
    let (mut sink, _source) = opened(&hub);
    assert_eq!(now(sink.received(&framed(5, 100))), Some(Ok(())));
    assert_eq!(now(sink.received(&framed(5, 100)[..3])), Some(Ok(())));
    assert!(wake.was_woken(), "for the new stream, and all that it brought by then");
    assert!(!wake.was_woken());
    let mut packets = Packets::default();
    let arrival = streams.next(&mut packets).expect("it has something");
    assert!(arrival.is_new && !arrival.has_closed);
    assert_eq!(
        packets.iter().map(|packet| (packet[0], packet.len())).collect::<Vec<_>>(),
        [(0, 100), (1, 100), (2, 100), (3, 100), (4, 100)]
    );
    assert!(streams.next(&mut packets).is_none());
    // The rest of the packet that was cut.
    assert_eq!(now(sink.received(&framed(5, 100)[3..])), Some(Ok(())));
    assert!(wake.was_woken());
    assert!(!streams.next(&mut packets).expect("it has something").is_new);
    assert_eq!(packets.iter().count(), 5);
}

#[test]
fn who_brings_more_than_the_media_thread_takes_waits_and_loses_nothing() {
    let (hub, _wake) = hub();
    let mut streams = Streams::new(hub.clone());
    let (mut sink, _source) = opened(&hub);
    let bytes = framed(200, 1_000);
    let mut packets = Packets::default();
    let mut got = 0;
    {
        let mut receiving = pin!(sink.received(&bytes));
        let mut context = Context::from_waker(Waker::noop());
        let mut rounds = 0;
        while receiving.as_mut().poll(&mut context).is_pending() {
            streams.next(&mut packets).expect("it has something");
            assert!(packets.bytes.len() <= MOST_WAITING);
            got += packets.iter().count();
            rounds += 1;
        }
        assert!(rounds >= 3, "200 kB never wait at once");
    }
    streams.next(&mut packets).expect("the rest");
    assert_eq!(got + packets.iter().count(), 200);
}

#[test]
fn what_a_slow_peer_does_not_take_is_dropped_in_whole_packets_and_a_turn_wakes_once() {
    let (hub, _wake) = hub();
    let mut streams = Streams::new(hub.clone());
    let (_sink, mut source) = opened(&hub);
    let id = streams.next(&mut Packets::default()).expect("it is new").stream.id;
    let packet = [7; 1_000];
    let taken = (0..100).filter(|_| streams.send(id, &packet).is_ok()).count();
    assert_eq!(taken, MOST_WAITING / 1_002);
    assert_eq!(streams.send(id, &packet), Err(NotTaken::Full));
    streams.wake();
    let mut buffer = b"before".to_vec();
    assert_eq!(now(source.to_send(&mut buffer)), Some(true));
    assert_eq!(buffer.len(), 6 + taken * 1_002);
    let mut framer = IceFramer::new();
    framer.push(&buffer[6..]);
    for _ in 0..taken {
        assert_eq!(framer.next(), Ok(Some(&packet[..])));
    }
    assert_eq!(streams.send(id, &packet), Ok(()));
    // What waits when the plane closes it still goes out.
    assert!(streams.close(id).is_some());
    buffer.clear();
    assert_eq!((now(source.to_send(&mut buffer)), buffer.len()), (Some(true), 1_002));
    assert_eq!(now(source.to_send(&mut buffer)), Some(false));
    assert_eq!(streams.send(id, &packet), Err(NotTaken::Closed));
}

#[test]
fn streams_are_counted_until_both_ends_have_forgotten_them() {
    let (hub, _wake) = hub();
    let mut streams = Streams::new(hub.clone());
    let mut packets = Packets::default();
    for _ in 0..10 {
        let halves: Vec<_> = (0..4).map(|_| opened(&hub)).collect();
        let fifth = open(&hub, StreamKind::IceTcp, "192.0.2.1:9".parse().expect("an address"), None);
        assert_eq!(fifth.map(drop), Err(StreamsFull));
        while streams.next(&mut packets).is_some() {}
        assert_eq!(streams.len(), 4);
        drop(halves);
        while let Some(arrival) = streams.next(&mut packets) {
            assert!(arrival.has_closed && !arrival.is_new);
        }
        assert_eq!(streams.len(), 0);
    }
}
