//! The order in which datagrams leave.

use std::net::{IpAddr, SocketAddr};

use crate::datagram::Outgoing;

/// Brings datagrams of one destination together, so that they leave in runs (GSO) although a turn
/// made them for many destinations in between. The order within a destination stays.
pub(crate) fn group(outgoing: &mut [Outgoing]) {
    let is_grouped = outgoing.is_sorted_by_key(way);
    if !is_grouped {
        // Stable.
        outgoing.sort_by_key(way);
    }
}

fn way(packet: &Outgoing) -> (SocketAddr, Option<IpAddr>) {
    (packet.destination, packet.local)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_of_one_destination_come_together_in_their_order() {
        let packet = |port: u16, number: u8| Outgoing {
            destination: ([127, 0, 0, 1], port).into(),
            local: None,
            contents: vec![number],
        };
        let mut packets: Vec<_> = (0..6).map(|number| packet(3 - u16::from(number) % 3, number)).collect();
        group(&mut packets);
        let order: Vec<_> = packets.iter().map(|packet| (packet.destination.port(), packet.contents[0])).collect();
        assert_eq!(order, [(1, 2), (1, 5), (2, 1), (2, 4), (3, 0), (3, 3)]);
    }
}
