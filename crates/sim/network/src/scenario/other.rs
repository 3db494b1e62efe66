//! What RFC 8867 does not try: an outage, losses that say nothing of congestion.

use conclave_qos::Ecn;

use super::{FlowSpec, LinkSpec, Rate, Scenario};
use crate::loss::Loss;
use crate::media::{Encoder, Reports, Timeline};
use crate::path::Jitter;
use crate::queue::Discipline;

const QUEUE: Discipline = Discipline::DropTail { milliseconds: 300 };

/// A flow over the first link until this second, 50 ms one way.
const fn flow(most: u64, until: u64) -> FlowSpec {
    FlowSpec {
        encoder: Encoder { least: 150_000, most },
        timeline: Timeline { from: 0, until, pause: None },
        forward: &[0],
        backward: &[],
        delay: 50,
        jitter: Jitter::None,
        reports: Reports::Each(50),
        ecn: Ecn::NotEct,
    }
}

/// More than the lossy links carry.
const GREEDY: &[FlowSpec] = &[flow(5_000_000, 60)];

const fn lossy(name: &'static str, title: &'static str, links: &'static [LinkSpec]) -> Scenario {
    Scenario { name, title, seconds: 60, links, flows: GREEDY, tcp: &[], focus: None }
}

const fn random(share: f64) -> LinkSpec {
    LinkSpec { rate: Rate::Steps(&[(0, 3_000_000)]), discipline: QUEUE, loss: Loss::Independent(share) }
}

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "drop",
        title: "10 to 0.25 Mbit/s for 30 s and back",
        seconds: 90,
        links: &[LinkSpec {
            rate: Rate::Steps(&[(0, 10_000_000), (30_000, 250_000), (60_000, 10_000_000)]),
            discipline: QUEUE,
            loss: Loss::None,
        }],
        flows: &[flow(12_000_000, 90)],
        tcp: &[],
        focus: Some((30, 60)),
    },
    lossy("loss-1", "1 % of packets lost at random", &[random(0.01)]),
    lossy("loss-2", "2 % of packets lost at random", &[random(0.02)]),
    lossy("loss-5", "5 % of packets lost at random", &[random(0.05)]),
    lossy("loss-10", "10 % of packets lost at random", &[random(0.10)]),
];
