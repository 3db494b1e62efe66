//! TCP on a link in virtual time.

use super::*;
use crate::Controller;
use crate::loss::Loss;
use crate::queue::Discipline;
use crate::scenario::{LinkSpec, Rate, Scenario, TcpSpec};

const fn link(loss: Loss) -> LinkSpec {
    LinkSpec { rate: Rate::Steps(&[(0, 8_000_000)]), discipline: Discipline::DropTail { milliseconds: 100 }, loss }
}

const fn long(algorithm: Algorithm) -> TcpSpec {
    TcpSpec { algorithm, workload: Workload::Long { from: 0, until: 60 }, forward: &[0], delay: 25 }
}

/// Shares of 8 Mbit/s over the last 50 of 60 s.
fn shares(tcp: &'static [TcpSpec], links: &'static [LinkSpec], seed: u64) -> Vec<f64> {
    let scenario = Scenario { name: "tcp", title: "", seconds: 60, links, flows: &[], tcp, focus: None };
    let (_, record, _) = scenario.build(Controller::Gcc, seed).run(scenario.length());
    let sum = |lines: &Vec<crate::Line>| lines[100..600].iter().map(|line| line.delivered as f64).sum::<f64>();
    record.lines.iter().map(|lines| sum(lines) / (8e6 * 50.0)).collect()
}

#[test]
fn a_receiver_knows_the_first_that_is_missing() {
    let mut receiver = Receiver::default();
    assert_eq!([0, 2, 4, 3, 1, 1, 5].map(|number| receiver.take(number)), [1, 1, 1, 1, 5, 5, 6]);
    assert!(receiver.ahead.is_empty());
}

#[test]
fn one_connection_fills_the_link() {
    for tcp in [const { &[long(Algorithm::NewReno)] }, const { &[long(Algorithm::Cubic)] }] {
        let used = shares(tcp, const { &[link(Loss::None)] }, 1)[0];
        assert!(used > 0.99 && used <= 1.001, "{:?}: {used}", tcp[0].algorithm);
    }
}

#[test]
fn connections_of_one_kind_share_the_link_and_fill_it() {
    for tcp in [const { &[long(Algorithm::NewReno); 4] }, const { &[long(Algorithm::Cubic); 4] }] {
        let shares = shares(tcp, const { &[link(Loss::None)] }, 1);
        assert!(shares.iter().sum::<f64>() > 0.99);
        let jain = shares.iter().sum::<f64>() * shares.iter().sum::<f64>()
            / (4.0 * shares.iter().map(|share| share * share).sum::<f64>());
        assert!(jain > 0.9, "{shares:?}");
    }
}

#[test]
fn with_random_losses_the_rate_is_that_of_the_square_root_formula() {
    // Mathis et al., 1997: a window of sqrt(3 / 2p), here 12.2 segments of 1,500 bytes each 50 to 60 ms.
    let rate = shares(const { &[long(Algorithm::NewReno)] }, const { &[link(Loss::Independent(0.01))] }, 3)[0] * 8e6;
    let expected = 12.2 * 12_000.0 / 0.052;
    assert!((rate / expected - 1.0).abs() < 0.25, "{rate} of {expected}");
}

#[test]
fn short_files_come_one_after_the_other_with_pauses_between() {
    const SHORT: Workload = Workload::Short { from: 0, until: 600, is_on: true };
    const TCP: TcpSpec = TcpSpec { algorithm: Algorithm::NewReno, workload: SHORT, forward: &[0], delay: 25 };
    let links = const { &[link(Loss::None)] };
    let scenario = Scenario { name: "tcp", title: "", seconds: 600, links, flows: &[], tcp: &[TCP; 10], focus: None };
    let (_, record, _) = scenario.build(Controller::Gcc, 1).run(scenario.length());
    let bits: u64 = record.lines.iter().flatten().map(|line| line.delivered).sum();
    // 40 kB and their headers each 10 s, and what they take.
    let files = bits as f64 / (28.0 * 12_000.0) / 10.0;
    assert!((50.0..66.0).contains(&files), "{files} files of each in 600 s");
}
