//! Shards, clients, and the networks between them, in one thread and in virtual time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use conclave_proto::{MediaState, SourceKind, View, ViewItem};
use conclave_qos::{Algorithm, Ecn, Time};
use conclave_turn::TurnSecret;
use conclave_turn::framing::IceFramer;
use tokio::sync::{mpsc, oneshot};

use super::allocations;
use super::client::{Client, Got, Way};
use super::counted::Counted;
use super::link::Conditions;
use crate::config::{MediaLimits, RelayConfig};
use crate::counters::Counters;
use crate::datagram::Datagram;
use crate::event::{MediaEvent, Outbox, RoomKey};
use crate::mailbox::Command;
use crate::offer::LegOffer;
use crate::relay::Relay;
use crate::shard::{Inbox, Links, Shard, ShardId, Waker};
use crate::shared::{Common, Front, Shared};
use crate::stats::{LegSnapshot, MediaSnapshot};
use crate::stream::{self, Hub, StreamKind, Streams};
use crate::webrtc::Identity;

pub(super) const ALL_ON: MediaState = MediaState { microphone: true, camera: true, screen: true, screen_audio: true };
/// How long a step of virtual time is.
const STEP: Duration = Duration::from_millis(1);
/// The wall clock of the world's beginning: some day in 2026.
const NTP: u64 = 3_990_000_000 << 32;

pub(super) struct World {
    base: Instant,
    pub(super) now: Instant,
    pub(super) shards: Vec<Shard>,
    inboxes: Vec<Inbox>,
    hub: Arc<Hub>,
    pub(super) server: SocketAddr,
    pub(super) counted: Counted,
    events: mpsc::Receiver<MediaEvent>,
    /// Everything that was told but slots, of which there are many.
    pub(super) told: Vec<MediaEvent>,
    pub(super) clients: Vec<Client>,
    flights: BinaryHeap<Reverse<Flight>>,
    flown: u64,
    /// Datagrams of this step, by shard.
    arrived: Vec<Vec<(SocketAddr, Vec<u8>)>>,
    commands: Vec<Vec<Command>>,
    /// How often shards asked for memory.
    pub(super) allocations: usize,
    /// How the network marks what clients send.
    pub(super) ecn: Ecn,
    /// How packets of legs were marked that shards sent.
    pub(super) sent_marked: Vec<Ecn>,
    /// Of datagrams that nobody is there to receive.
    pub(super) astray: Vec<(SocketAddr, Vec<u8>)>,
    /// While it stands still, nothing is received and nothing sent, as if the machine did something else.
    pub(super) stalls_until: Option<Instant>,
    /// So many turns of shards are left until time stands still for them; for what happens between two.
    pub(super) turns_left: Option<usize>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Flight {
    at: Instant,
    order: u64,
    to: Whereto,
    packet: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Whereto {
    Shard(usize, SocketAddr),
    Client(usize),
}

impl World {
    pub(super) fn new(shards: usize) -> Self {
        Self::with_limits(shards, MediaLimits::default())
    }

    pub(super) fn with_limits(shards: usize, limits: MediaLimits) -> Self {
        Self::with_controller(shards, limits, Algorithm::default())
    }

    pub(super) fn with_controller(shards: usize, limits: MediaLimits, algorithm: Algorithm) -> Self {
        let base = Instant::now();
        let server: SocketAddr = "203.0.113.1:443".parse().expect("an address");
        let identity = Identity::new().expect("a certificate");
        let announced: Arc<[SocketAddr]> = vec![server].into();
        let common = Common::new(base, NTP, limits, algorithm, identity, announced.clone());
        let wakers: Vec<_> = (0..shards).map(|_| Waker::new().expect("an eventfd")).collect();
        let inboxes: Vec<_> = wakers.iter().cloned().map(Inbox::new).collect();
        let hub = Arc::new(Hub::new(wakers[0].clone(), limits.streams));
        let relay = RelayConfig { secret: TurnSecret::from_bytes(b"north"), limits: conclave_turn::Limits::default() };
        let (told, events) = mpsc::channel(4_096);
        let counted = Counted::default();
        let all = metrics::with_local_recorder(&counted, || {
            let mut front =
                Some(Front { streams: Streams::new(hub.clone()), relay: Relay::new(base, relay, &announced) });
            let shard = |index| {
                let links = Links::new(ShardId::new(index).expect("few"), inboxes.clone());
                let outbox = Outbox::new(told.clone());
                Shard::new(base, Shared::new(common.clone(), links, outbox, Counters::new(), front.take()))
            };
            (0..shards).map(shard).collect()
        });
        Self {
            base,
            now: base,
            shards: all,
            inboxes,
            hub,
            server,
            counted,
            events,
            told: Vec::new(),
            clients: Vec::new(),
            flights: BinaryHeap::new(),
            flown: 0,
            arrived: vec![Vec::new(); shards],
            commands: (0..shards).map(|_| Vec::new()).collect(),
            allocations: 0,
            ecn: Ecn::NotEct,
            sent_marked: Vec::new(),
            astray: Vec::new(),
            stalls_until: None,
            turns_left: None,
        }
    }

    pub(super) fn time(&self) -> Duration {
        self.now - self.base
    }

    pub(super) fn dropped(&self, reason: &str) -> u64 {
        self.counted.counter(&format!("conclave_media_dropped_total/{reason}"))
    }

    pub(super) fn ended(&self, reason: &str) -> u64 {
        self.counted.counter(&format!("conclave_media_ended_total/{reason}"))
    }

    /// Brings a client in by UDP, whose packets come to this shard, as far as its answer.
    pub(super) fn join(&mut self, room: RoomKey, name: &str, shard: usize, video_slots: usize) -> usize {
        let own = SocketAddr::from(([10, 0, (self.clients.len() >> 8) as u8, self.clients.len() as u8], 5_000));
        self.offer(room, name, (Way::Udp { own, seen: own, shard }, None), video_slots)
    }

    /// Brings a client in by ICE-TCP.
    pub(super) fn join_tcp(&mut self, room: RoomKey, name: &str, video_slots: usize) -> usize {
        let way = self.stream();
        self.offer(room, name, (way, None), video_slots)
    }

    /// Brings a client in that can be reached both by UDP, whose packets come to this shard, and by ICE-TCP.
    pub(super) fn join_both(&mut self, room: RoomKey, name: &str, shard: usize, video_slots: usize) -> usize {
        let also = self.stream();
        let own = SocketAddr::from(([10, 0, 0, self.clients.len() as u8], 5_000));
        self.offer(room, name, (Way::Udp { own, seen: own, shard }, Some(also)), video_slots)
    }

    fn stream(&mut self) -> Way {
        let address = SocketAddr::from(([10, 1, 0, self.clients.len() as u8], 5_000));
        let opened = stream::open(&self.hub, StreamKind::IceTcp, address, Some(self.server.ip()));
        let (sink, source) = opened.expect("a stream");
        Way::Tcp { address, sink, source, framer: IceFramer::new() }
    }

    fn offer(&mut self, room: RoomKey, name: &str, way: (Way, Option<Way>), video_slots: usize) -> usize {
        self.offer_changed(room, name, way, video_slots, |sdp| sdp)
    }

    /// As [`Self::join`], with another description than the client's own.
    pub(super) fn join_lying(&mut self, room: RoomKey, name: &str, change: impl FnOnce(String) -> String) -> usize {
        let own = SocketAddr::from(([10, 0, 0, self.clients.len() as u8], 5_000));
        self.offer_changed(room, name, (Way::Udp { own, seen: own, shard: 0 }, None), 1, change)
    }

    fn offer_changed(
        &mut self,
        room: RoomKey,
        name: &str,
        way: (Way, Option<Way>),
        video_slots: usize,
        change: impl FnOnce(String) -> String,
    ) -> usize {
        let index = self.clients.len();
        let (mut client, mut offer) = Client::new(self.now, (room, name, index as u16), way, self.server, video_slots);
        offer.sdp = conclave_proto::Sdp::parse(change(offer.sdp.as_str().to_owned())).expect("small enough");
        let (reply, mut answer) = oneshot::channel();
        let offer = Box::new(LegOffer::Client(offer));
        self.command(room, Command::Offer { room, participant: client.id.clone(), offer, media: ALL_ON, reply });
        self.turns();
        let answer = answer.try_recv().expect("answered at once").expect("a good offer");
        client.answer(self.now, answer.sdp.as_str());
        client.joined = self.time();
        self.clients.push(client);
        index
    }

    /// Everybody is connected, within a few seconds.
    pub(super) fn connect(&mut self) {
        for _ in 0..5_000 {
            if self.clients.iter().all(Client::is_connected) {
                return;
            }
            self.step();
        }
        panic!("not connected: {:?}", self.told);
    }

    /// A client shows the cameras of these, each this large.
    pub(super) fn view(&mut self, who: usize, whose: &[usize], (width, height): (u16, u16)) {
        let items = whose.iter().map(|whose| ViewItem {
            participant: self.clients[*whose].id.clone(),
            source: SourceKind::Camera,
            width,
            height,
            priority: 1,
        });
        let view = View { items: items.collect() };
        let Client { room, id, .. } = &self.clients[who];
        let leg = conclave_proto::LegNumber(1);
        self.command(*room, Command::SetView { room: *room, participant: id.clone(), leg, view });
    }

    /// Ends everything.
    pub(super) fn shutdown(&mut self) {
        for shard in &mut self.commands {
            shard.push(Command::Shutdown);
        }
    }

    /// Gives a command to the home of a room; it is carried out in the next step.
    pub(super) fn command(&mut self, room: RoomKey, command: Command) {
        let home = ShardId::home(room, self.shards.len()).index();
        self.commands[home].push(command);
    }

    /// A datagram that comes to a shard now.
    pub(super) fn inject(&mut self, shard: usize, from: SocketAddr, packet: Vec<u8>) {
        self.arrived[shard].push((from, packet));
    }

    pub(super) fn links(&mut self, who: usize, up: Conditions, down: Conditions) {
        let client = &mut self.clients[who];
        client.up.conditions = up;
        client.down.conditions = down;
    }

    pub(super) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.step();
        }
    }

    /// One step of time.
    pub(super) fn step(&mut self) {
        self.now += STEP;
        while self.flights.peek().is_some_and(|Reverse(flight)| flight.at <= self.now) {
            let Some(Reverse(Flight { to, packet, .. })) = self.flights.pop() else { break };
            match to {
                Whereto::Shard(shard, from) => self.arrived[shard].push((from, packet)),
                Whereto::Client(index) => {
                    let time = Time::since_start(self.now - self.base);
                    self.clients[index].receive(self.now, time, false, packet);
                }
            }
        }
        if self.stalls_until.is_none_or(|until| until <= self.now) {
            self.turns();
        }
        let time = Time::since_start(self.now - self.base);
        for index in 0..self.clients.len() {
            let client = &mut self.clients[index];
            for packet in client.way.received() {
                client.receive(self.now, time, false, packet);
            }
            for packet in client.also.as_mut().map(Way::received).unwrap_or_default() {
                client.receive(self.now, time, true, packet);
            }
            client.advance(self.now, time);
            self.send(index);
        }
    }

    /// Sends what a client has to send.
    fn send(&mut self, index: usize) {
        let client = &mut self.clients[index];
        for packet in std::mem::take(&mut client.out_also) {
            // The connection takes a while until it is open; meanwhile the other way is found.
            if let Some(also) = client.also.as_mut().filter(|_| client.keys.is_some()) {
                also.send(&packet);
            }
        }
        for packet in std::mem::take(&mut client.out) {
            if client.unplugged {
                continue;
            }
            if let Some(captured) = client.captured.as_mut().filter(|_| (128..=191).contains(&packet[0])) {
                captured.push(packet.clone());
            }
            if client.turned
                && let Some(also) = &mut client.also
            {
                also.send(&packet);
                continue;
            }
            let Way::Udp { seen, shard, .. } = client.way else {
                client.way.send(&packet);
                continue;
            };
            for at in client.up.send(self.now, packet.len()).into_iter().flatten() {
                self.flown += 1;
                let flight = Flight { at, order: self.flown, to: Whereto::Shard(shard, seen), packet: packet.clone() };
                self.flights.push(Reverse(flight));
            }
        }
    }

    /// Turns of the shards, until none has anything to do at this time.
    fn turns(&mut self) {
        for _ in 0..64 {
            let mut is_quiet = true;
            for index in 0..self.shards.len() {
                match &mut self.turns_left {
                    Some(0) => return,
                    Some(left) => *left -= 1,
                    None => {}
                }
                is_quiet &= !self.turn(index);
            }
            if is_quiet {
                break;
            }
        }
        while let Ok(event) = self.events.try_recv() {
            if !matches!(event, MediaEvent::Slots { .. }) {
                self.told.push(event);
            }
        }
    }

    /// A turn of one shard, as its thread makes it. Returns whether there was something to do.
    fn turn(&mut self, index: usize) -> bool {
        let (now, shard, inbox) = (self.now, &mut self.shards[index], &self.inboxes[index]);
        let streams = index == 0 && self.hub.has_ready();
        let due = shard.next_deadline().is_some_and(|at| at <= now);
        if self.commands[index].is_empty() && self.arrived[index].is_empty() && inbox.is_empty() && !due && !streams {
            return false;
        }
        shard.shared.started = now;
        let (commands, mut packets) =
            (std::mem::take(&mut self.commands[index]), std::mem::take(&mut self.arrived[index]));
        let local: Option<IpAddr> = Some(self.server.ip());
        let asked = allocations::asked();
        for command in commands {
            shard.command(now, command);
        }
        while let Some(message) = inbox.pop() {
            shard.message(now, message);
        }
        for (source, contents) in &mut packets {
            shard.receive(now, Datagram { source: *source, local, at: now, ecn: self.ecn, contents });
        }
        if index == 0 {
            shard.receive_streams(now);
        }
        shard.expire(now);
        // Everything is sent when the turn is over, so that nothing that was sealed before is forgotten on the way.
        shard.settle(now, &mut |_| {});
        self.allocations += allocations::asked() - asked;
        let mut sent: Vec<(SocketAddr, Vec<u8>)> = Vec::new();
        let shared = &mut shard.shared;
        sent.extend(shared.outgoing.drain(..).map(|datagram| (datagram.destination, datagram.contents)));
        for run in shared.runs.drain(..) {
            self.sent_marked.extend(run.packets.clone().map(|_| run.ecn));
            let packets = shared.arena.packets(run.packets).map(|packet| (run.destination, packet.to_vec()));
            sent.extend(packets);
        }
        shared.arena.clear();
        for (destination, packet) in sent {
            self.deliver(destination, packet);
        }
        true
    }

    fn deliver(&mut self, destination: SocketAddr, packet: Vec<u8>) {
        let is_it = |client: &Client| matches!(client.way, Way::Udp { seen, .. } if seen == destination);
        let Some(index) = self.clients.iter().position(is_it) else {
            return self.astray.push((destination, packet));
        };
        for at in self.clients[index].down.send(self.now, packet.len()).into_iter().flatten() {
            self.flown += 1;
            let to = Whereto::Client(index);
            self.flights.push(Reverse(Flight { at, order: self.flown, to, packet: packet.clone() }));
        }
    }

    /// What the media plane says of itself.
    pub(super) fn snapshot(&mut self) -> MediaSnapshot {
        let mut parts = Vec::new();
        for index in 0..self.shards.len() {
            let (reply, mut answer) = oneshot::channel();
            self.shards[index].command(self.now, Command::Snapshot { reply });
            parts.push(answer.try_recv().expect("answered at once"));
        }
        MediaSnapshot::join(parts)
    }

    /// A client's leg, as the media plane sees it.
    pub(super) fn leg(&mut self, who: usize) -> Option<LegSnapshot> {
        let (room, id) = (self.clients[who].room, self.clients[who].id.clone());
        let rooms = self.snapshot().rooms;
        let room = rooms.into_iter().find(|known| known.key == room)?;
        room.legs.into_iter().find(|leg| leg.participant == id)
    }

    /// What a client got of another since a moment.
    pub(super) fn got(&self, who: usize, whose: usize, is_sound: bool, since: Duration) -> Vec<Got> {
        let is_it = |got: &&Got| {
            got.at >= since
                && usize::from(got.stamp.from) == whose
                && (got.stamp.layer == super::publisher::SOUND) == is_sound
        };
        self.clients[who].got.iter().filter(is_it).copied().collect()
    }

    pub(super) fn forget(&mut self) {
        self.clients.iter_mut().for_each(|client| client.got.clear());
    }

    /// Whose events of legs that failed were told.
    pub(super) fn failed(&self) -> Vec<String> {
        let failed = |event: &MediaEvent| match event {
            MediaEvent::Failed { participant, .. } => Some(participant.as_str().to_owned()),
            _ => None,
        };
        self.told.iter().filter_map(failed).collect()
    }
}

/// The longest time in which nothing came, between the first and the last.
pub(super) fn longest_gap(got: &[Got]) -> Duration {
    got.windows(2).map(|pair| pair[1].at.saturating_sub(pair[0].at)).max().unwrap_or_default()
}

/// What this share of packets was not later than.
pub(super) fn delay(got: &[Got], percent: usize) -> Duration {
    let mut delays: Vec<_> = got.iter().map(|got| got.at - got.stamp.sent).collect();
    delays.sort_unstable();
    delays.get(delays.len() * percent / 100).or(delays.last()).copied().unwrap_or_default()
}

/// How many numbers of a slot are missing between its first and its last.
pub(super) fn holes(got: &[Got]) -> u64 {
    let mut numbers: Vec<_> = got.iter().map(|got| got.sequence).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let (Some(first), Some(last)) = (numbers.first(), numbers.last()) else { return 0 };
    last - first + 1 - numbers.len() as u64
}
