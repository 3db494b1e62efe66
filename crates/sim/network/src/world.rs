//! A run: ends, links and packets, one event after the other.

use conclave_qos::{Ecn, Time};

use crate::agent::Agent;
use crate::event::{AgentId, End, Event, Events, LinkId};
use crate::hash::Hash;
use crate::link::{Link, Offered};
use crate::media::Outgoing;
use crate::packet::{Packet, PacketId, Packets, Payload, Told, Way};
use crate::path::Wire;
use crate::record::Record;
use crate::units::NEVER;

/// The links that an agent's packets pass, and the wires behind them.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) forward: &'static [u8],
    pub(crate) backward: &'static [u8],
    pub(crate) there: Wire,
    pub(crate) back: Wire,
}

/// What ends want to send, collected here so that nothing is allocated for it.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    pub(crate) outgoing: Vec<Outgoing>,
    pub(crate) told: Vec<Told>,
    /// Packets that have been made, to be sent.
    pub(crate) ready: Vec<PacketId>,
}

pub(crate) struct World {
    now: Time,
    events: Events,
    packets: Packets,
    links: Vec<Link>,
    agents: Vec<(Agent, Route)>,
    /// When each end will be woken, as far as scheduled.
    wakes: Vec<[Time; 2]>,
    outbox: Outbox,
    dropped: Vec<PacketId>,
    record: Record,
    hash: Hash,
}

impl World {
    pub(crate) fn new(links: Vec<Link>, agents: Vec<(Agent, Route)>, record: Record) -> Self {
        let wakes = vec![[NEVER; 2]; agents.len()];
        Self {
            now: Time::default(),
            events: Events::default(),
            packets: Packets::default(),
            links,
            agents,
            wakes,
            outbox: Outbox::default(),
            dropped: Vec::new(),
            record,
            hash: Hash::default(),
        }
    }

    /// Runs until this time.
    pub(crate) fn run(mut self, until: Time) -> (u64, Record, Vec<Link>) {
        for agent in 0..self.agents.len() {
            self.schedule_wakes(AgentId(agent as u8));
        }
        while let Some((at, event)) = self.events.next() {
            if at > until {
                break;
            }
            self.now = at;
            match event {
                Event::Departure(link) => self.depart(link),
                Event::Arrival(id) => self.arrive(id),
                Event::Wake(agent, end) => self.wake(agent, end),
            }
        }
        (self.hash.value(), self.record, self.links)
    }

    fn wake(&mut self, agent: AgentId, end: End) {
        let wake = &mut self.wakes[usize::from(agent.0)][end as usize];
        if *wake != self.now {
            // It was woken earlier, and asked for another time then.
            return;
        }
        *wake = NEVER;
        self.agents[usize::from(agent.0)].0.handle_timeout(self.now, end, agent, &mut self.packets, &mut self.outbox);
        self.send_ready(agent);
    }

    /// A packet reaches its end.
    fn arrive(&mut self, id: PacketId) {
        let packet = *self.packets.get(id);
        self.note(3, packet.agent.0, u64::from(packet.size));
        let agent = &mut self.agents[usize::from(packet.agent.0)].0;
        agent.handle_packet(self.now, &packet, &mut self.packets, &mut self.outbox);
        self.packets.remove(id);
        self.send_ready(packet.agent);
    }

    /// A packet has left a link: on to the next one, or along the wire.
    fn depart(&mut self, link: LinkId) {
        if let Some(id) = self.links[usize::from(link.0)].finish() {
            self.packets.get_mut(id).hop += 1;
            self.forward(id);
        }
        self.start(link);
    }

    fn send_ready(&mut self, agent: AgentId) {
        let mut ready = std::mem::take(&mut self.outbox.ready);
        for id in ready.drain(..) {
            let packet = self.packets.get(id);
            if let Payload::Media { is_media: true, .. } = packet.payload {
                self.record.line(self.now, agent).sent += 1;
            }
            self.forward(id);
        }
        self.outbox.ready = ready;
        self.schedule_wakes(agent);
    }

    /// Brings a packet to its next link, or, behind the last one, on the wire.
    fn forward(&mut self, id: PacketId) {
        let packet = self.packets.get(id);
        let route = &mut self.agents[usize::from(packet.agent.0)].1;
        let (links, wire) = match packet.way {
            Way::Forward => (route.forward, &mut route.there),
            Way::Backward => (route.backward, &mut route.back),
        };
        let Some(link) = links.get(usize::from(packet.hop)).copied() else {
            let arrival = wire.arrival(self.now);
            self.events.schedule(arrival, Event::Arrival(id));
            self.record_delivery(id);
            return;
        };
        match self.links[usize::from(link)].offer(self.now, id, &mut self.packets) {
            Offered::Taken => self.start(LinkId(link)),
            Offered::Lost => self.lose(id),
        }
    }

    fn start(&mut self, link: LinkId) {
        let finish = self.links[usize::from(link.0)].start(self.now, &mut self.packets, &mut self.dropped);
        while let Some(id) = self.dropped.pop() {
            self.lose(id);
        }
        if let Some(finish) = finish {
            self.events.schedule(finish, Event::Departure(link));
        }
    }

    fn lose(&mut self, id: PacketId) {
        let packet = self.packets.remove(id);
        self.note(2, packet.agent.0, u64::from(packet.size));
        if let Payload::Media { is_media: true, .. } = packet.payload {
            self.record.line(self.now, packet.agent).lost += 1;
        }
    }

    fn record_delivery(&mut self, id: PacketId) {
        let Packet { agent, size, waited, payload, ecn, .. } = *self.packets.get(id);
        let bits = u64::from(size) * 8;
        self.note(1, agent.0, bits << 1 | u64::from(ecn == Ecn::Ce));
        match payload {
            Payload::Media { is_media: true, .. } => self.record.deliver(self.now, agent, bits, waited),
            Payload::Media { .. } => self.record.line(self.now, agent).padding += bits,
            Payload::Segment { .. } => self.record.line(self.now, agent).delivered += bits,
            Payload::Report(_) | Payload::Acknowledgement { .. } => {}
        }
    }

    fn schedule_wakes(&mut self, agent: AgentId) {
        for end in [End::Sender, End::Receiver] {
            let Some(due) = self.agents[usize::from(agent.0)].0.poll_timeout(end) else { continue };
            let due = due.max(self.now);
            let wake = &mut self.wakes[usize::from(agent.0)][end as usize];
            if due < *wake {
                *wake = due;
                self.events.schedule(*wake, Event::Wake(agent, end));
            }
        }
    }

    /// Adds what happened to the fingerprint of the run.
    fn note(&mut self, what: u64, agent: u8, more: u64) {
        self.hash.add(self.now.to_duration().as_micros() as u64);
        self.hash.add(more << 16 | u64::from(agent) << 8 | what);
    }
}
