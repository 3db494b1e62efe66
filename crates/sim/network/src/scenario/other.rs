//! What RFC 8867 does not try: an outage, losses that say nothing of congestion, phones, queues that are managed, packets
//! that overtake each other, two bottlenecks in a row.

use super::{Cellular, FlowSpec, LinkSpec, Rate, Scenario};
use crate::loss::Loss;
use crate::media::{Encoder, Reports, Timeline};
use crate::path::{Jitter, THIRTY_MILLISECONDS};
use crate::queue::Discipline;

/// As in RFC 8867.
const QUEUE: Discipline = Discipline::DropTail { milliseconds: 300 };
/// Half a second at 5 Mbit/s: buffers of phone networks are deep, and do not change with the rate.
const DEEP: Discipline = Discipline::DropTailBytes { bytes: 312_500 };

/// A flow over the first link, from the start until this second, 50 ms one way.
const fn flow(most: u64, until: u64) -> FlowSpec {
    FlowSpec {
        encoder: Encoder { least: 150_000, most },
        timeline: Timeline { from: 0, until, pause: None },
        forward: &[0],
        backward: &[],
        delay: 50,
        detours: &[],
        jitter: Jitter::None,
        reports: Reports::Each(50),
        may_be_marked: false,
    }
}

/// 60 s of one flow that wants up to 5 Mbit/s, which none of these links carries for long.
const fn one(name: &'static str, title: &'static str, links: &'static [LinkSpec]) -> Scenario {
    const GREEDY: &[FlowSpec] = &[flow(5_000_000, 60)];
    Scenario { name, title, seconds: 60, links, flows: GREEDY, tcp: &[], focus: None }
}

const fn steps(discipline: Discipline, steps: &'static [(u64, u64)]) -> LinkSpec {
    LinkSpec { rate: Rate::Steps(steps), discipline, loss: Loss::None }
}

const fn lossy(loss: Loss) -> LinkSpec {
    LinkSpec { loss, ..steps(QUEUE, &[(0, 3_000_000)]) }
}

const fn phone(cellular: Cellular) -> LinkSpec {
    LinkSpec { rate: Rate::Cellular(cellular), discipline: DEEP, loss: Loss::None }
}

/// The paper's bounds and wandering.
const PUBLISHED: Cellular = Cellular { start: 300.0, least: 0.0, most: 1_000.0, wander: 200.0, seconds: 60 };
const CALM: Cellular = Cellular { start: 200.0, least: 33.0, most: 417.0, wander: 50.0, seconds: 60 };
const DROP: &[LinkSpec] = &[steps(QUEUE, &[(0, 10_000_000), (30_000, 250_000), (60_000, 10_000_000)])];
/// Who sends no more than in the cases of RFC 8867.
const CAMERA: &[FlowSpec] = &[flow(1_500_000, 60)];
const DETOUR: &[(u64, u64)] = &[(20_000, 150), (40_000, 0)];
const OUTAGE: &[(u64, u64)] = &[(0, 3_000_000), (20_000, 0), (22_000, 3_000_000)];
const HALVED: &[(u64, u64)] = &[(0, 4_000_000), (20_000, 2_000_000), (40_000, 4_000_000)];

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "drop",
        title: "10 to 0.25 Mbit/s for 30 s and back",
        seconds: 90,
        links: DROP,
        flows: &[flow(12_000_000, 90)],
        tcp: &[],
        focus: Some((30, 60)),
    },
    one("loss-1", "1 % of packets lost at random", &[lossy(Loss::Independent(0.01))]),
    one("loss-2", "2 % of packets lost at random", &[lossy(Loss::Independent(0.02))]),
    one("loss-5", "5 % of packets lost at random", &[lossy(Loss::Independent(0.05))]),
    one("loss-10", "10 % of packets lost at random", &[lossy(Loss::Independent(0.10))]),
    one("loss-20", "20 % of packets lost at random", &[lossy(Loss::Independent(0.20))]),
    one("bursts", "2 % lost in bursts of 4", &[lossy(Loss::Bursts { share: 0.02, length: 4.0 })]),
    one("cellular", "a phone's rate as published for Sprout, with outages", &[phone(PUBLISHED)]),
    one("cellular-calm", "the same between 0.4 and 5 Mbit/s, wandering a quarter as far", &[phone(CALM)]),
    one("outage", "nothing passes for 2 s", &[steps(QUEUE, OUTAGE)]),
    one("codel", "CoDel, capacity halved for 20 s", &[steps(Discipline::Codel, HALVED)]),
    Scenario {
        flows: &[FlowSpec { delay: 25, reports: Reports::Marked(50), may_be_marked: true, ..flow(5_000_000, 60) }],
        ..one("l4s", "DualPI2, capacity halved for 20 s", &[steps(Discipline::DualPi2, HALVED)])
    },
    Scenario {
        flows: &[FlowSpec { jitter: Jitter::Reordering(THIRTY_MILLISECONDS), ..flow(5_000_000, 60) }],
        ..one("reordering", "30 ms of jitter that reorders", &[lossy(Loss::None)])
    },
    Scenario {
        name: "two-links",
        title: "one flow over two bottlenecks, one beside it on each",
        seconds: 120,
        links: &[steps(QUEUE, &[(0, 2_500_000)]), steps(QUEUE, &[(0, 2_000_000)])],
        flows: &[
            FlowSpec { forward: &[0, 1], ..flow(1_500_000, 120) },
            flow(1_500_000, 120),
            FlowSpec { forward: &[1], ..flow(1_500_000, 120) },
        ],
        tcp: &[],
        focus: None,
    },
    Scenario {
        flows: CAMERA,
        ..one("loss-10-camera", "10 % of packets lost at random, up to 1.5 Mbit/s", &[lossy(Loss::Independent(0.10))])
    },
    Scenario {
        flows: CAMERA,
        ..one("loss-20-camera", "20 % of packets lost at random, up to 1.5 Mbit/s", &[lossy(Loss::Independent(0.20))])
    },
    Scenario {
        flows: &[FlowSpec { detours: DETOUR, ..flow(5_000_000, 60) }],
        ..one("detour", "a route that is 150 ms longer for 20 s", &[lossy(Loss::None)])
    },
    Scenario {
        flows: &[FlowSpec { detours: DETOUR, ..flow(1_500_000, 60) }],
        ..one("detour-camera", "150 ms longer for 20 s, 6 % lost, up to 1.5 Mbit/s", &[lossy(Loss::Independent(0.06))])
    },
    Scenario {
        name: "drop-camera",
        title: "10 to 0.25 Mbit/s for 30 s and back, up to 1.5 Mbit/s",
        seconds: 90,
        links: DROP,
        flows: &[flow(1_500_000, 90)],
        tcp: &[],
        focus: Some((30, 60)),
    },
];
