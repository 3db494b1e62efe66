//! The wired test cases of RFC 8867, section 5, with what its section 4 says where a case says nothing else: 1 Mbit/s of
//! reference capacity, 50 ms one way, a drop-tail queue of 300 ms, encoders that go from 150 kbit/s to 1.5 Mbit/s.

use super::{FlowSpec, LinkSpec, Rate, Scenario, TcpSpec};
use crate::loss::Loss;
use crate::media::{Encoder, Reports, Timeline};
use crate::path::{Jitter, THIRTY_MILLISECONDS};
use crate::queue::Discipline;
use crate::tcp::{Algorithm, Workload};

/// RFC 8867, 4.3: from 150 kbit/s to 1.5 Mbit/s.
const ENCODER: Encoder = Encoder { least: 150_000, most: 1_500_000 };
/// RFC 8867, 4.2: a drop-tail queue of 300 ms.
const QUEUE: Discipline = Discipline::DropTail { milliseconds: 300 };

const fn link(steps: &'static [(u64, u64)]) -> LinkSpec {
    LinkSpec { rate: Rate::Steps(steps), discipline: QUEUE, loss: Loss::None }
}

/// A flow over the first link that sends from the one second to the other, 50 ms one way.
const fn flow(from: u64, until: u64) -> FlowSpec {
    FlowSpec {
        encoder: ENCODER,
        timeline: Timeline { from, until, pause: None },
        forward: &[0],
        backward: &[],
        delay: 50,
        detours: &[],
        jitter: Jitter::None,
        reports: Reports::Each(50),
        may_be_marked: false,
    }
}

const fn far(delay: u64, flow: FlowSpec) -> FlowSpec {
    FlowSpec { delay, ..flow }
}

/// 5.1: ratios 1, 2.5, .6, 1.
const ONE_FLOW: &[LinkSpec] = &[link(&[(0, 1_000_000), (40_000, 2_500_000), (60_000, 600_000), (80_000, 1_000_000)])];
/// 5.2: ratios 2, 1, 1.75, .5, 1 of 2 Mbit/s.
const TWO_FLOWS: &[LinkSpec] =
    &[link(&[(0, 4_000_000), (25_000, 2_000_000), (50_000, 3_500_000), (75_000, 1_000_000), (100_000, 2_000_000)])];
/// 5.3: ratios 2, 1, .5, 2 forward and 2, .8, 2 backward.
const BOTH_WAYS: &[LinkSpec] = &[
    link(&[(0, 2_000_000), (20_000, 1_000_000), (40_000, 500_000), (60_000, 2_000_000)]),
    link(&[(0, 2_000_000), (35_000, 800_000), (70_000, 2_000_000)]),
];

const fn long(algorithm: Algorithm) -> TcpSpec {
    TcpSpec { algorithm, workload: Workload::Long { from: 0, until: 119 }, forward: &[0], delay: 50 }
}

const fn short(is_on: bool) -> TcpSpec {
    let workload = Workload::Short { from: 0, until: 300, is_on };
    TcpSpec { algorithm: Algorithm::NewReno, workload, forward: &[0], delay: 50 }
}

/// 5.7: two of ten begin with a file, eight with a pause.
const SHORT: [TcpSpec; 10] = {
    let mut ten = [short(false); 10];
    (ten[0], ten[1]) = (short(true), short(true));
    ten
};

pub(super) const TWO: Scenario = Scenario {
    name: "5.2",
    title: "two flows, changing capacity",
    seconds: 125,
    links: TWO_FLOWS,
    flows: &[flow(0, 124), flow(0, 124)],
    tcp: &[],
    focus: None,
};
pub(super) const BOTH: Scenario = Scenario {
    name: "5.3",
    title: "both ways, reports through full queues",
    seconds: 100,
    links: BOTH_WAYS,
    flows: &[FlowSpec { backward: &[1], ..flow(0, 99) }, FlowSpec { forward: &[1], backward: &[0], ..flow(0, 99) }],
    tcp: &[],
    focus: None,
};
pub(super) const THREE: Scenario = Scenario {
    name: "5.4",
    title: "three flows come one after the other",
    seconds: 120,
    links: &[link(&[(0, 3_500_000)])],
    flows: &[flow(0, 119), flow(20, 119), flow(40, 119)],
    tcp: &[],
    focus: None,
};
pub(super) const FIVE: Scenario = Scenario {
    name: "5.5",
    title: "five flows with different round trips",
    seconds: 300,
    links: &[link(&[(0, 4_000_000)])],
    flows: &[
        far(10, flow(0, 299)),
        far(25, flow(10, 299)),
        far(50, flow(20, 299)),
        far(100, flow(30, 299)),
        far(150, flow(40, 299)),
    ],
    tcp: &[],
    focus: None,
};
pub(super) const BESIDE_TCP: Scenario = Scenario {
    name: "5.6",
    title: "one flow beside a long TCP connection",
    seconds: 120,
    links: &[link(&[(0, 2_000_000)])],
    flows: &[flow(5, 119)],
    tcp: &[long(Algorithm::NewReno)],
    focus: None,
};
pub(super) const BESIDE_FILES: Scenario = Scenario {
    name: "5.7",
    title: "two flows beside ten short TCP connections",
    seconds: 300,
    links: &[link(&[(0, 2_000_000)])],
    flows: &[flow(5, 299), flow(5, 299)],
    tcp: &SHORT,
    focus: None,
};
pub(super) const PAUSE: Scenario = Scenario {
    name: "5.8",
    title: "three flows, one pauses for 20 s",
    seconds: 120,
    links: &[link(&[(0, 3_500_000)])],
    flows: &[
        FlowSpec { timeline: Timeline { from: 0, until: 119, pause: Some((40, 60)) }, ..flow(0, 119) },
        flow(0, 119),
        flow(0, 119),
    ],
    tcp: &[],
    focus: Some((60, 65)),
};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "5.1",
        title: "one flow, changing capacity, 50 ms",
        seconds: 100,
        links: ONE_FLOW,
        flows: &[flow(0, 99)],
        tcp: &[],
        focus: None,
    },
    Scenario {
        name: "5.1-jitter",
        title: "one flow, changing capacity, 30 ms jitter",
        seconds: 100,
        links: ONE_FLOW,
        flows: &[FlowSpec { jitter: Jitter::InOrder(THIRTY_MILLISECONDS), ..flow(0, 99) }],
        tcp: &[],
        focus: None,
    },
    Scenario {
        name: "5.1-100ms",
        title: "one flow, changing capacity, 100 ms",
        seconds: 100,
        links: ONE_FLOW,
        flows: &[far(100, flow(0, 99))],
        tcp: &[],
        focus: None,
    },
    TWO,
    BOTH,
    THREE,
    FIVE,
    BESIDE_TCP,
    Scenario {
        name: "5.6-1000ms",
        title: "the same with a queue of 1 s",
        seconds: 120,
        links: &[LinkSpec { discipline: Discipline::DropTail { milliseconds: 1_000 }, ..link(&[(0, 2_000_000)]) }],
        flows: &[flow(5, 119)],
        tcp: &[long(Algorithm::NewReno)],
        focus: None,
    },
    Scenario {
        name: "5.6-cubic",
        title: "one flow beside a long TCP connection with CUBIC",
        seconds: 120,
        links: &[link(&[(0, 2_000_000)])],
        flows: &[flow(5, 119)],
        tcp: &[long(Algorithm::Cubic)],
        focus: None,
    },
    BESIDE_FILES,
    PAUSE,
];
