//! Figures of records that were made up.

use conclave_qos::Bitrate;

use super::*;
use crate::event::AgentId;
use crate::loss::Loss;
use crate::media::{Encoder, Reports, Timeline};
use crate::path::Jitter;
use crate::queue::Discipline;
use crate::scenario::{FlowSpec, LinkSpec, TcpSpec};
use crate::tcp::Algorithm;
use crate::units::MILLI;

const fn flow(from: u64, until: u64, pause: Option<(u64, u64)>) -> FlowSpec {
    FlowSpec {
        encoder: Encoder { least: 0, most: 1_000_000 },
        timeline: Timeline { from, until, pause },
        forward: &[0],
        backward: &[],
        delay: 0,
        detours: &[],
        jitter: Jitter::None,
        reports: Reports::AsLogged,
        may_be_marked: false,
    }
}

const fn link(steps: &'static [(u64, u64)]) -> LinkSpec {
    LinkSpec { rate: Rate::Steps(steps), discipline: Discipline::DropTail { milliseconds: 300 }, loss: Loss::None }
}

const ALONE: Scenario = Scenario {
    name: "alone",
    title: "",
    seconds: 40,
    links: &[link(&[(0, 500_000), (10_000, 2_000_000), (20_000, 500_000)])],
    flows: &[flow(0, 40, None)],
    tcp: &[],
    focus: Some((20, 30)),
};

/// What a flow delivers, kbit/s, and what its packets wait, ms: for each flow by the line.
fn record(scenario: &Scenario, what: impl Fn(usize, usize) -> (u64, u64)) -> Record {
    let agents = scenario.flows.len() + scenario.tcp.len();
    let (from, until) = scenario.focus.unwrap_or_default();
    let focus = (at(from * 1_000_000), at(until * 1_000_000));
    let mut record = Record::new(agents, scenario.length(), focus);
    for agent in 0..agents {
        for line in 0..scenario.seconds as usize * SECOND {
            let (rate, waited) = what(agent, line);
            if rate > 0 {
                // Ten packets in each line.
                for packet in 0..10 {
                    let now = at(line as u64 * LINE + packet * 10 * MILLI);
                    record.deliver(now, AgentId(agent as u8), rate * 10, waited * MILLI);
                    record.line(now, AgentId(agent as u8)).sent += 1;
                }
            }
        }
    }
    record
}

fn figures(scenario: &Scenario, record: &Record) -> Figures {
    let capacity = |link: &LinkSpec| {
        let Rate::Steps(steps) = link.rate else { unreachable!("made up with steps") };
        Capacity::new(steps.iter().map(|(since, rate)| (at(since * MILLI), Bitrate::bps(*rate))).collect())
    };
    let capacities: Vec<_> = scenario.links.iter().map(capacity).collect();
    Figures::new(scenario, record, &capacities.iter().collect::<Vec<_>>())
}

fn assert_near(figures: &Figures, figure: Figure, expected: f64) {
    let value = figures.get(figure);
    assert!(value.is_some_and(|value| (value - expected).abs() < 1e-6), "{figure:?}: {value:?} instead of {expected}");
}

#[test]
fn every_figure_has_its_place() {
    for (index, figure) in Figure::ALL.into_iter().enumerate() {
        assert_eq!(figure as usize, index);
    }
}

#[test]
fn one_flow_is_measured_against_what_it_could_have_had() {
    // 500, then 1,000 of the 2,000 that it does not want all, then 500 again; each is taken up after a second.
    let rate = |_, line| match line {
        0..10 => (250, 1),
        10..100 => (500, 1),
        100..110 => (500, 1),
        110..200 => (1_000, 1),
        200..215 => (500, 200),
        _ => (500, 10),
    };
    let record = record(&ALONE, rate);
    let seen = figures(&ALONE, &record);
    // Of 5 + 10 + 10 Mbit, 0.25 and 0.5 are missing.
    assert_near(&seen, Figure::Utilisation, 24.25 / 25.0);
    // 400 ms of four fifths of it: at the fourth line of the five, (2 * 250 + 3 * 500) / 5 are not 450 yet.
    assert_near(&seen, Figure::Start, 1.4);
    assert_near(&seen, Figure::StepUp, 1.4);
    assert_near(&seen, Figure::Drain, 1.5);
    assert_near(&seen, Figure::Delay50, 1.0);
    assert_near(&seen, Figure::Delay99, 200.0);
    assert_near(&seen, Figure::Focus95, 200.0);
    assert_near(&seen, Figure::Loss, 0.0);
    assert_eq!(seen.get(Figure::Fairness).or(seen.get(Figure::Newcomer)).or(seen.get(Figure::MediaShare)), None);
}

#[test]
fn what_is_never_reached_takes_for_ever() {
    let seen = figures(&ALONE, &record(&ALONE, |_, _| (100, 50)));
    for figure in [Figure::Start, Figure::StepUp, Figure::Drain] {
        assert_eq!(seen.get(figure), Some(f64::INFINITY), "{figure:?}");
    }
}

#[test]
fn losses_are_a_share_of_what_was_sent() {
    let mut record = record(&ALONE, |_, _| (500, 0));
    record.line(at(5_000_000), AgentId(0)).lost = 100;
    assert_near(&figures(&ALONE, &record), Figure::Loss, 100.0 / 4_000.0);
}

#[test]
fn flows_are_compared_once_they_have_settled() {
    let scenario = Scenario {
        seconds: 60,
        links: const { &[link(&[(0, 1_500_000)])] },
        flows: const { &[flow(0, 60, None), flow(10, 60, None), flow(0, 60, Some((20, 30)))] },
        focus: None,
        ..ALONE
    };
    // The second has its third of the link after 4 s; the third comes back at once, but gets half of that from 50 s on.
    let rate = |agent, line| match (agent, line) {
        (0, _) => (500, 1),
        (1, 0..100) => (0, 0),
        (1, 100..140) => (100, 1),
        (1, _) => (500, 1),
        (_, 200..300) => (0, 0),
        _ => (if line < 500 { 500 } else { 250 }, 1),
    };
    let seen = figures(&scenario, &record(&scenario, rate));
    // 1 s after the 4 s, less what 80 % leave.
    assert_near(&seen, Figure::Newcomer, 4.8);
    assert_near(&seen, Figure::Resume, 0.4);
    // From 50 s on: 500, 500, 250.
    assert_near(&seen, Figure::Fairness, 1_250.0 * 1_250.0 / (3.0 * 562_500.0));
}

#[test]
fn media_and_tcp_are_measured_against_equal_parts() {
    let workload = Workload::Long { from: 0, until: 40 };
    let tcp = TcpSpec { algorithm: Algorithm::NewReno, workload, forward: &[0], delay: 0 };
    let tcp: &'static [TcpSpec] = Box::leak(Box::new([tcp]));
    let links = const { &[link(&[(0, 1_000_000)])] };
    let flows = const { &[flow(10, 40, None)] };
    let scenario = Scenario { links, flows, tcp, focus: None, ..ALONE };
    let rate = |agent, line| match (agent, line) {
        (0, 0..100) => (0, 0),
        (0, _) => (300, 100),
        _ => (700, 100),
    };
    let seen = figures(&scenario, &record(&scenario, rate));
    assert_near(&seen, Figure::MediaShare, 0.6);
    assert_near(&seen, Figure::TcpShare, 1.4);
    assert_near(&seen, Figure::Utilisation, 1.0);
}
