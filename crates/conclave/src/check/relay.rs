//! STUN and TURN: from a relay to another relay and back, which is the way of two people of whom
//! neither can be reached.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use conclave_turn::client::{Event, Failure, Family, Transport, TurnClient};
use tokio::time::{Instant, timeout, timeout_at};

use super::link::Link;
use super::measured::{RelayFailure, Relayed};

/// Packets in each direction.
const PACKETS: u32 = 25;
/// Between them: as sound is sent.
const PACE: Duration = Duration::from_millis(20);
/// Bytes of each: somewhat more than sound.
const BYTES: usize = 200;
/// For what is still on its way after the last packet.
const LATE: Duration = Duration::from_millis(1_000);
/// For the answer to one request, repeated where packets can be lost.
const ANSWER: Duration = Duration::from_secs(5);

/// Who may relay.
#[derive(Clone)]
pub(super) struct Credential {
    pub(super) username: String,
    pub(super) password: String,
}

/// A STUN round trip; none: no answer in time.
pub(super) async fn bind(link: Link) -> Option<Duration> {
    let mut session = Session::new(link, &Credential { username: String::new(), password: String::new() });
    session.client.binding(Instant::now().into_std());
    let answered = session.wait_for(|event| match event {
        Event::Bound { round_trip, .. } => Some(Ok(round_trip)),
        Event::Failed { failure, .. } => Some(Err(refusal(failure))),
        _ => None,
    });
    answered.await.ok()
}

/// Makes two relays over two connections, and sends packets from one to the other and back.
pub(super) async fn relay(links: [Link; 2], credential: &Credential) -> Result<Relayed, RelayFailure> {
    let [mut near, mut far] = links.map(|link| Session::new(link, credential));
    let (near_at, far_at) = tokio::try_join!(near.allocate(), far.allocate())?;
    tokio::try_join!(near.bind_channel(far_at), far.bind_channel(near_at))?;
    let mut arrived = 0;
    let (returned, mut round_trips) = {
        let echoing = far.echo(near_at, &mut arrived);
        tokio::select! {
            // Goes on until the other side has seen enough.
            Err(failure) = echoing => return Err(failure),
            result = near.exchange(far_at) => result?,
        }
    };
    for session in [&mut near, &mut far] {
        session.client.refresh(Instant::now().into_std(), Duration::ZERO);
        let _ = timeout(ANSWER, session.flush()).await;
    }
    if returned == 0 {
        return Err(RelayFailure::NothingArrived);
    }
    Ok(Relayed { sent: PACKETS, arrived, returned, round_trip: super::measure::median(&mut round_trips) })
}

fn refusal(failure: Failure) -> RelayFailure {
    match failure {
        Failure::Refused(code) => RelayFailure::Refused(code),
        Failure::NoAnswer | Failure::Forged => RelayFailure::NoAnswer,
    }
}

fn broken(_: io::Error) -> RelayFailure {
    RelayFailure::NoConnection
}

/// One client and what carries its packets.
struct Session {
    link: Link,
    client: TurnClient,
}

impl Session {
    fn new(link: Link, credential: &Credential) -> Self {
        let transport = if link.is_stream() { Transport::Stream } else { Transport::Udp };
        let client = TurnClient::new(transport, &credential.username, &credential.password, rand::random());
        Self { link, client }
    }

    async fn allocate(&mut self) -> Result<SocketAddr, RelayFailure> {
        self.client.allocate(Instant::now().into_std(), Family::V4);
        self.wait_for(|event| match event {
            Event::Allocated { relayed, .. } => Some(Ok(relayed)),
            Event::Failed { failure, .. } => Some(Err(refusal(failure))),
            _ => None,
        })
        .await
    }

    async fn bind_channel(&mut self, peer: SocketAddr) -> Result<(), RelayFailure> {
        self.client.bind_channel(Instant::now().into_std(), peer);
        self.wait_for(|event| match event {
            Event::ChannelBound { .. } => Some(Ok(())),
            Event::Failed { failure, .. } => Some(Err(refusal(failure))),
            _ => None,
        })
        .await
    }

    /// Sends every packet back, until dropped; `arrived` counts them.
    async fn echo(&mut self, peer: SocketAddr, arrived: &mut u32) -> Result<(), RelayFailure> {
        loop {
            if let Some(Event::Data { from, payload }) = self.wait(Instant::now() + ANSWER).await.map_err(broken)?
                && from == peer
            {
                *arrived += 1;
                self.client.send(peer, &payload);
            }
        }
    }

    /// Sends the packets at their pace; how many came back, and when.
    async fn exchange(&mut self, peer: SocketAddr) -> Result<(u32, Vec<Duration>), RelayFailure> {
        let started = Instant::now();
        let mut round_trips: Vec<Option<Duration>> = vec![None; PACKETS as usize];
        for number in 0..=PACKETS {
            let until = if number < PACKETS {
                let mut payload = [0; BYTES];
                payload[..4].copy_from_slice(&number.to_be_bytes());
                self.client.send(peer, &payload);
                started + PACE * (number + 1)
            } else {
                Instant::now() + LATE
            };
            while let Some(event) = self.wait(until).await.map_err(broken)? {
                if let Event::Data { from, payload } = event
                    && from == peer
                    && let Some(number) = payload.first_chunk::<4>().map(|bytes| u32::from_be_bytes(*bytes))
                    && let Some(round_trip) = round_trips.get_mut(number as usize)
                {
                    let sent_at = started + PACE * number;
                    round_trip.get_or_insert_with(|| sent_at.elapsed());
                }
                if number == PACKETS && round_trips.iter().all(Option::is_some) {
                    break;
                }
            }
        }
        let round_trips: Vec<_> = round_trips.into_iter().flatten().collect();
        Ok((round_trips.len() as u32, round_trips))
    }

    /// The first event that this makes something of.
    async fn wait_for<T>(
        &mut self,
        mut wanted: impl FnMut(Event) -> Option<Result<T, RelayFailure>>,
    ) -> Result<T, RelayFailure> {
        let deadline = Instant::now() + ANSWER;
        while let Some(event) = self.wait(deadline).await.map_err(broken)? {
            if let Some(result) = wanted(event) {
                return result;
            }
        }
        Err(RelayFailure::NoAnswer)
    }

    /// The next event; none if there is none by then.
    async fn wait(&mut self, until: Instant) -> io::Result<Option<Event>> {
        loop {
            self.flush().await?;
            if let Some(event) = self.client.poll_event() {
                return Ok(Some(event));
            }
            let repeat = self.client.poll_timeout().map(Instant::from_std);
            let wake = repeat.map_or(until, |repeat| repeat.min(until));
            match timeout_at(wake, self.link.receive()).await {
                Ok(packet) => self.client.handle_packet(Instant::now().into_std(), &packet?),
                Err(_) if Instant::now() >= until => return Ok(None),
                Err(_) => self.client.handle_timeout(Instant::now().into_std()),
            }
        }
    }

    async fn flush(&mut self) -> io::Result<()> {
        while let Some(packet) = self.client.poll_transmit() {
            self.link.send(&packet).await?;
        }
        Ok(())
    }
}
