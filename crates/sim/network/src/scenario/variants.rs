//! The cases of RFC 8867 that say 50 ms one way, with 100 ms and with jitter, beside 5.1, which has them among its own.

use super::rfc8867::{BESIDE_FILES, BESIDE_TCP, BOTH, FIVE, PAUSE, THREE, TWO};
use super::{FlowSpec, Scenario, TcpSpec};
use crate::path::{Jitter, THIRTY_MILLISECONDS};

/// One way, ms.
const FAR: u64 = 100;

const fn far<const FLOWS: usize>(flows: &[FlowSpec]) -> [FlowSpec; FLOWS] {
    let mut all = [flows[0]; FLOWS];
    let mut place = 0;
    while place < FLOWS {
        all[place] = FlowSpec { delay: FAR, ..flows[place] };
        place += 1;
    }
    all
}

const fn jittery<const FLOWS: usize>(flows: &[FlowSpec]) -> [FlowSpec; FLOWS] {
    let mut all = [flows[0]; FLOWS];
    let mut place = 0;
    while place < FLOWS {
        all[place] = FlowSpec { jitter: Jitter::InOrder(THIRTY_MILLISECONDS), ..flows[place] };
        place += 1;
    }
    all
}

const fn far_tcp<const SENDERS: usize>(tcp: &[TcpSpec]) -> [TcpSpec; SENDERS] {
    let mut all = [tcp[0]; SENDERS];
    let mut place = 0;
    while place < SENDERS {
        all[place] = TcpSpec { delay: FAR, ..tcp[place] };
        place += 1;
    }
    all
}

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario { name: "5.2-100ms", title: "two flows, changing capacity, 100 ms", flows: &far::<2>(TWO.flows), ..TWO },
    Scenario {
        name: "5.2-jitter",
        title: "two flows, changing capacity, 30 ms jitter",
        flows: &jittery::<2>(TWO.flows),
        ..TWO
    },
    Scenario { name: "5.3-100ms", title: "both ways, 100 ms", flows: &far::<2>(BOTH.flows), ..BOTH },
    Scenario { name: "5.3-jitter", title: "both ways, 30 ms jitter", flows: &jittery::<2>(BOTH.flows), ..BOTH },
    Scenario {
        name: "5.4-100ms",
        title: "three flows, one after the other, 100 ms",
        flows: &far::<3>(THREE.flows),
        ..THREE
    },
    Scenario {
        name: "5.4-jitter",
        title: "three flows, one after the other, 30 ms jitter",
        flows: &jittery::<3>(THREE.flows),
        ..THREE
    },
    // Its round trips are its own.
    Scenario {
        name: "5.5-jitter",
        title: "five flows with different round trips, 30 ms jitter",
        flows: &jittery::<5>(FIVE.flows),
        ..FIVE
    },
    Scenario {
        name: "5.6-100ms",
        title: "beside a long TCP connection, 100 ms",
        flows: &far::<1>(BESIDE_TCP.flows),
        tcp: &far_tcp::<1>(BESIDE_TCP.tcp),
        ..BESIDE_TCP
    },
    Scenario {
        name: "5.6-jitter",
        title: "beside a long TCP connection, 30 ms jitter",
        flows: &jittery::<1>(BESIDE_TCP.flows),
        ..BESIDE_TCP
    },
    Scenario {
        name: "5.7-100ms",
        title: "beside ten short TCP connections, 100 ms",
        flows: &far::<2>(BESIDE_FILES.flows),
        tcp: &far_tcp::<10>(BESIDE_FILES.tcp),
        ..BESIDE_FILES
    },
    Scenario {
        name: "5.7-jitter",
        title: "beside ten short TCP connections, 30 ms jitter",
        flows: &jittery::<2>(BESIDE_FILES.flows),
        ..BESIDE_FILES
    },
    Scenario { name: "5.8-100ms", title: "three flows, one pauses, 100 ms", flows: &far::<3>(PAUSE.flows), ..PAUSE },
    Scenario {
        name: "5.8-jitter",
        title: "three flows, one pauses, 30 ms jitter",
        flows: &jittery::<3>(PAUSE.flows),
        ..PAUSE
    },
];
