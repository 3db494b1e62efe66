//! From data to a world.

use conclave_qos::{Bitrate, Ecn, Limits, Time};

use super::{FlowSpec, LinkSpec, Rate, Scenario, TcpSpec};
use crate::Controller;
use crate::agent::{Agent, Flow};
use crate::capacity::Capacity;
use crate::link::Link;
use crate::media::{Receiver, Sender, Source};
use crate::path::{Jitter, Wire};
use crate::random::Random;
use crate::record::Record;
use crate::tcp::Connection;
use crate::units::{MILLI, SECOND, at};
use crate::world::{Route, World};

/// Where every controller begins: what libwebrtc begins with (`kDefaultStartBitrate`).
const START: Bitrate = Bitrate::kbps(300);
/// What no controller goes beyond; encoders make less.
const CEILING: Bitrate = Bitrate::kbps(100_000);

impl Scenario {
    /// Everything as it is before the first event.
    pub(crate) fn build(&self, kind: Controller, seed: u64) -> World {
        let mut random = Random::new(seed);
        let links = self.links.iter().map(|link| link.build(&mut random)).collect();
        let mut agents: Vec<_> = self.flows.iter().map(|flow| flow.build(kind, &mut random)).collect();
        agents.extend(self.tcp.iter().map(|tcp| tcp.build(&mut random)));
        let (from, until) = self.focus.unwrap_or_default();
        let record = Record::new(agents.len(), self.length(), (at(from * SECOND), at(until * SECOND)));
        World::new(links, agents, record)
    }

    /// How long it takes.
    pub(crate) fn length(&self) -> Time {
        at(self.seconds * SECOND)
    }
}

impl LinkSpec {
    fn capacity(&self, random: &mut Random) -> Capacity {
        match self.rate {
            Rate::Steps(steps) => {
                Capacity::new(steps.iter().map(|(since, rate)| (at(since * MILLI), Bitrate::bps(*rate))).collect())
            }
            Rate::Cellular(cellular) => Capacity::new(cellular.steps(random)),
        }
    }

    fn build(&self, random: &mut Random) -> Link {
        let capacity = self.capacity(&mut random.fork());
        Link::new(capacity, self.discipline, self.loss, random.fork())
    }
}

impl FlowSpec {
    fn build(&self, kind: Controller, random: &mut Random) -> (Agent, Route) {
        let limits = Limits { start: START, floor: Bitrate::bps(self.encoder.least), ceiling: CEILING };
        let controller = kind.controller(limits);
        // Who takes marks takes those of L4S.
        let ecn = if self.may_be_marked && controller.takes_marks() { Ecn::Ect1 } else { Ecn::NotEct };
        let source = Source::new(self.encoder, random.fork());
        let sender = Sender::new(controller, source, self.timeline, ecn);
        let agent = Agent::Media(Box::new(Flow { sender, receiver: Receiver::new(self.reports) }));
        let delay = self.delay * MILLI;
        let there = Wire::new(delay, self.jitter, random.fork()).with_detours(self.detours);
        let back = Wire::new(delay, Jitter::None, random.fork());
        (agent, Route { forward: self.forward, backward: self.backward, there, back })
    }
}

impl TcpSpec {
    fn build(&self, random: &mut Random) -> (Agent, Route) {
        let agent = Agent::Tcp(Box::new(Connection::new(self.algorithm, self.workload, random.fork())));
        let wire = |random| Wire::new(self.delay * MILLI, Jitter::None, random);
        let (there, back) = (wire(random.fork()), wire(random.fork()));
        (agent, Route { forward: self.forward, backward: &[], there, back })
    }
}
