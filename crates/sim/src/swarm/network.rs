//! What a bot's network does to its packets, both ways.

use std::net::SocketAddr;

use conclave_rtp::Arena;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::socket::BotSocket;

/// How a network is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Network {
    /// Share of packets that it loses in each direction, 0 to 1; at 1 nothing gets through.
    pub loss: f64,
}

/// The network between one bot and its socket.
pub(super) struct Path {
    network: Network,
    random: ChaCha8Rng,
}

impl Path {
    /// A network that loses nothing; `seed` decides what it loses later.
    pub(super) fn new(seed: u32) -> Self {
        Self { network: Network::default(), random: ChaCha8Rng::seed_from_u64(seed.into()) }
    }

    pub(super) fn set(&mut self, network: Network) {
        self.network = Network { loss: network.loss.clamp(0.0, 1.0) };
    }

    /// Whether the next packet gets through.
    pub(super) fn carries(&mut self) -> bool {
        self.network.loss <= 0.0 || !self.random.random_bool(self.network.loss)
    }

    /// Sends what gets through.
    pub(super) fn send_all(&mut self, socket: &BotSocket, to: SocketAddr, packets: &Arena) {
        if self.network.loss <= 0.0 {
            return socket.send_all(to, packets);
        }
        for packet in packets.packets(0..packets.len()) {
            if self.carries() {
                socket.send(to, packet);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_loses_its_share_and_one_that_is_gone_everything() {
        let mut path = Path::new(1);
        let mut carried = |loss| {
            path.set(Network { loss });
            (0..1_000).filter(|_| path.carries()).count()
        };
        assert_eq!(carried(0.0), 1_000);
        assert!((850..950).contains(&carried(0.1)));
        assert_eq!(carried(1.0), 0);
    }
}
