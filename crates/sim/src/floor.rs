//! What forwarding cannot cost less than: sealing each packet for its receiver, and sending.
//!
//! A frame's packets are sealed for one receiver after the other and leave as one run each (GSO), to sockets that
//! nobody reads. Nothing is received, looked up, decided or remembered.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use conclave_rtp::srtp::{self, Outbound, Profile, Side};
use conclave_rtp::{
    Arena, ExtensionId, ExtensionIds, ExtensionValues, OutgoingHeader, PayloadType, Ssrc, write_header,
};
use quinn_udp::{Transmit, UdpSocketState};
use rustix::time::{ClockId, clock_gettime};

use crate::swarm::BotSocket;

/// What is sent.
#[derive(Clone, Copy, Debug)]
pub struct Floor {
    /// How it is sealed.
    pub profile: Profile,
    /// Receivers.
    pub destinations: usize,
    /// Bytes of a payload, 1 to 1,300.
    pub payload_bytes: usize,
    /// Packets of a frame, which go to one receiver in one run; 1 to 40.
    pub run: usize,
    /// How many frames a second each receiver gets; `None`: as many as can be sent. Whoever sends at the pace of media
    /// begins each frame with caches that others have used meanwhile, as a server does.
    pub frames_per_second: Option<u32>,
    /// How long, in processor time.
    pub time: Duration,
}

/// What it cost.
#[derive(Clone, Copy, Debug)]
pub struct FloorCost {
    /// Packets sent.
    pub packets: u64,
    /// Processor time of the thread, the kernel's part included.
    pub processor: Duration,
}

impl FloorCost {
    /// In microseconds.
    pub fn per_packet(&self) -> f64 {
        self.processor.as_secs_f64() * 1e6 / (self.packets as f64).max(1.0)
    }
}

/// Longest that a floor may take by the clock on the wall.
const LONGEST: Duration = Duration::from_secs(60);

/// Measures the floor to receivers at `address`, an address of this machine.
///
/// # Errors
/// If the system gives no sockets, or the payload does not fit a packet.
pub fn measure(floor: &Floor, address: IpAddr) -> io::Result<FloorCost> {
    let sinks = sinks(address, floor.destinations)?;
    let to: Vec<_> = sinks.iter().map(BotSocket::local).collect();
    send(floor, &to)
}

/// Sinks for a floor that another process measures, in another network namespace.
///
/// # Errors
/// If the system gives no sockets.
pub fn sinks(address: IpAddr, count: usize) -> io::Result<Vec<BotSocket>> {
    let sink = |_| {
        let sink = BotSocket::bind(SocketAddr::new(address, 0), true)?;
        sink.drop_media()?;
        Ok(sink)
    };
    (0..count).map(sink).collect()
}

/// Measures the floor to these receivers; somebody must be there who drops what comes.
///
/// # Errors
/// If the system gives no socket, or the payload does not fit a packet.
pub fn send(floor: &Floor, to: &[SocketAddr]) -> io::Result<FloorCost> {
    let any: SocketAddr = match to.first() {
        Some(SocketAddr::V6(_)) => ([0_u16; 8], 0).into(),
        _ => ([0, 0, 0, 0], 0).into(),
    };
    let socket = UdpSocket::bind(any)?;
    let state = UdpSocketState::new((&socket).into())?;
    let material = vec![7; floor.profile.keying_material_length()];
    let pair = || srtp::pair(floor.profile, &material, Side::DtlsServer).map_err(io::Error::other);
    let mut receivers = to.iter().map(|to| Ok((*to, pair()?.1))).collect::<io::Result<Vec<_>>>()?;
    let ids = ExtensionIds { transport_sequence: ExtensionId::new(3), ..ExtensionIds::default() };
    let payload = vec![0x5a; floor.payload_bytes.clamp(1, 1_300)];
    let run = floor.run.clamp(1, 40) as u64;
    let mut arena = Arena::with_capacity(40);
    let (mut sequence, mut packets) = (0, 0);
    let (began, deadline) = (processor_time(), Instant::now() + LONGEST);
    let pause = floor.frames_per_second.map(|frames| Duration::from_secs(1) / frames.max(1));
    let mut next = Instant::now();
    loop {
        for (to, outbound) in &mut receivers {
            arena.clear();
            for number in sequence..sequence + run {
                seal(outbound, &ids, number, &payload, &mut arena)?;
            }
            let segment = arena.packets(0..1).next().map(<[u8]>::len);
            let contents = arena.contiguous(0..arena.len());
            let segment_size = segment.filter(|_| run > 1);
            let transmit = Transmit { destination: *to, ecn: None, contents, segment_size, src_ip: None };
            // A sink drops at once, so there is always room.
            state.try_send((&socket).into(), &transmit)?;
            packets += run;
        }
        sequence += run;
        if let Some(pause) = pause {
            next += pause;
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
        }
        let processor = processor_time().saturating_sub(began);
        if processor >= floor.time || Instant::now() >= deadline {
            return Ok(FloorCost { packets, processor });
        }
    }
}

fn seal(outbound: &mut Outbound, ids: &ExtensionIds, number: u64, payload: &[u8], arena: &mut Arena) -> io::Result<()> {
    let header = OutgoingHeader {
        // 96 is below 128.
        payload_type: PayloadType::new(96).ok_or(io::ErrorKind::InvalidInput)?,
        marker: false,
        padding: false,
        sequence: number as u16,
        timestamp: number as u32,
        ssrc: Ssrc(1),
    };
    let values = ExtensionValues { transport_sequence: Some(number as u16), ..ExtensionValues::default() };
    let packet = arena.begin();
    let start = write_header(packet, &header, ids, &values).map_err(io::Error::other)?;
    let end = start + payload.len();
    packet.get_mut(start..end).ok_or(io::ErrorKind::InvalidInput)?.copy_from_slice(payload);
    let length = outbound.protect_rtp(packet, start, end, number).map_err(io::Error::other)?;
    arena.commit(length);
    Ok(())
}

/// Time that this thread has run.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    // The kernel gives neither below zero.
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_floor_at_the_pace_of_media_takes_as_long_as_its_frames() {
        let floor = Floor {
            profile: Profile::AeadAes128Gcm,
            destinations: 2,
            payload_bytes: 100,
            run: 1,
            frames_per_second: Some(1_000),
            time: Duration::from_micros(500),
        };
        let began = Instant::now();
        let cost = measure(&floor, [127, 0, 0, 1].into()).expect("loopback has ports");
        // The last frame's pause is part of it.
        assert!(began.elapsed() >= Duration::from_millis(cost.packets / 2), "{cost:?}");
    }

    #[test]
    fn every_profile_has_a_floor() {
        for profile in Profile::ALL {
            let floor = Floor {
                profile,
                destinations: 3,
                payload_bytes: 1_170,
                run: 4,
                frames_per_second: None,
                time: Duration::from_millis(5),
            };
            let cost = measure(&floor, [127, 0, 0, 1].into()).expect("loopback has ports");
            assert!(cost.packets >= 12 && cost.packets.is_multiple_of(4) && cost.per_packet() > 0.0, "{cost:?}");
        }
    }
}
