//! The tables of RFC 8867, written down once more as they stand there.

use super::*;

fn named(name: &str) -> &'static Scenario {
    scenarios().find(|scenario| scenario.name == name).expect("there is such a scenario")
}

/// Seconds and ratios of a reference capacity, kbit/s.
fn assert_capacity(scenario: &str, link: usize, reference: u64, table: &[(u64, f64)]) {
    let Rate::Steps(steps) = named(scenario).links[link].rate else { panic!("{scenario} has no steps") };
    let expected: Vec<_> =
        table.iter().map(|(second, ratio)| (second * 1_000, (ratio * reference as f64 * 1_000.0) as u64)).collect();
    assert_eq!(steps, expected, "{scenario}");
}

#[test]
fn capacities_vary_as_in_the_tables() {
    for name in ["5.1", "5.1-jitter", "5.1-100ms"] {
        assert_capacity(name, 0, 1_000, &[(0, 1.0), (40, 2.5), (60, 0.6), (80, 1.0)]);
    }
    assert_capacity("5.2", 0, 2_000, &[(0, 2.0), (25, 1.0), (50, 1.75), (75, 0.5), (100, 1.0)]);
    assert_capacity("5.3", 0, 1_000, &[(0, 2.0), (20, 1.0), (40, 0.5), (60, 2.0)]);
    assert_capacity("5.3", 1, 1_000, &[(0, 2.0), (35, 0.8), (70, 2.0)]);
    for (name, capacity) in [("5.4", 3_500), ("5.5", 4_000), ("5.6", 2_000), ("5.7", 2_000), ("5.8", 3_500)] {
        assert_capacity(name, 0, capacity, &[(0, 1.0)]);
    }
}

/// From and until which second.
type Times = &'static [(u64, u64)];

#[test]
fn flows_come_and_go_as_in_the_tables() {
    let tables: [(&str, u64, Times); 8] = [
        ("5.1", 100, &[(0, 99)]),
        ("5.2", 125, &[(0, 124), (0, 124)]),
        ("5.3", 100, &[(0, 99), (0, 99)]),
        ("5.4", 120, &[(0, 119), (20, 119), (40, 119)]),
        ("5.5", 300, &[(0, 299), (10, 299), (20, 299), (30, 299), (40, 299)]),
        ("5.6", 120, &[(5, 119)]),
        ("5.7", 300, &[(5, 299), (5, 299)]),
        ("5.8", 120, &[(0, 119), (0, 119), (0, 119)]),
    ];
    for (name, seconds, table) in tables {
        let scenario = named(name);
        let times: Vec<_> = scenario.flows.iter().map(|flow| (flow.timeline.from, flow.timeline.until)).collect();
        assert_eq!((scenario.seconds, &times[..]), (seconds, table), "{name}");
    }
    let pauses: Vec<_> = named("5.8").flows.iter().map(|flow| flow.timeline.pause).collect();
    assert_eq!(pauses, [Some((40, 60)), None, None]);
}

#[test]
fn paths_and_encoders_are_those_of_section_4_where_a_case_says_nothing_else() {
    for scenario in scenarios().filter(|scenario| scenario.name.starts_with("5.")) {
        for flow in scenario.flows {
            assert_eq!((flow.encoder.least, flow.encoder.most), (150_000, 1_500_000), "{}", scenario.name);
            let delay = if scenario.name.ends_with("-100ms") { 100 } else { 50 };
            assert!(scenario.name.starts_with("5.5") || flow.delay == delay, "{}", scenario.name);
            assert_eq!(flow.jitter != Jitter::None, scenario.name.ends_with("-jitter"), "{}", scenario.name);
        }
        let queue = if scenario.name == "5.6-1000ms" { 1_000 } else { 300 };
        let is_plain = |link: &LinkSpec| {
            link.discipline == Discipline::DropTail { milliseconds: queue } && link.loss == Loss::None
        };
        assert!(scenario.links.iter().all(is_plain), "{}", scenario.name);
    }
    let delays: Vec<_> = named("5.5").flows.iter().map(|flow| flow.delay).collect();
    assert_eq!(delays, [10, 25, 50, 100, 150]);
}

#[test]
fn each_case_is_there_with_100_ms_and_with_jitter_and_else_the_same() {
    for case in ["5.1", "5.2", "5.3", "5.4", "5.5", "5.6", "5.7", "5.8"].map(named) {
        for variant in ["100ms", "jitter"].map(|variant| format!("{}-{variant}", case.name)) {
            if variant == "5.5-100ms" {
                // Its delays are what it is about.
                continue;
            }
            let variant = named(&variant);
            assert_eq!((variant.seconds, variant.links, variant.focus), (case.seconds, case.links, case.focus));
            let plain = |flow: &FlowSpec| FlowSpec { delay: 0, jitter: Jitter::None, ..*flow };
            assert!(variant.flows.iter().map(plain).eq(case.flows.iter().map(plain)), "{}", variant.name);
            let is_far = variant.name.ends_with("-100ms");
            let tcp = |tcp: &TcpSpec| TcpSpec { delay: if is_far { 100 } else { tcp.delay }, ..*tcp };
            assert!(variant.tcp.iter().copied().eq(case.tcp.iter().map(tcp)), "{}", variant.name);
        }
    }
}

#[test]
fn in_5_3_media_share_links_with_the_others_reports() {
    let ways: Vec<_> = named("5.3").flows.iter().map(|flow| (flow.forward, flow.backward)).collect();
    assert_eq!(ways, [(&[0][..], &[1][..]), (&[1], &[0])]);
}

#[test]
fn in_5_7_two_of_ten_short_connections_begin_with_a_file() {
    let tcp = named("5.7").tcp;
    let is_on = |tcp: &&TcpSpec| matches!(tcp.workload, Workload::Short { is_on: true, .. });
    assert_eq!((tcp.len(), tcp.iter().filter(is_on).count()), (10, 2));
}

#[test]
fn names_are_unique_and_what_scenarios_speak_of_exists() {
    let mut names: Vec<_> = scenarios().map(|scenario| scenario.name).collect();
    names.sort_unstable();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
    for scenario in scenarios() {
        let flows = scenario.flows.iter().flat_map(|flow| flow.forward.iter().chain(flow.backward));
        let mut links = flows.chain(scenario.tcp.iter().flat_map(|tcp| tcp.forward));
        assert!(links.all(|link| usize::from(*link) < scenario.links.len()), "{}", scenario.name);
        let mut ends = scenario.flows.iter().map(|flow| flow.timeline.until);
        assert!(ends.all(|end| end <= scenario.seconds), "{}", scenario.name);
        assert!(scenario.flows.iter().all(|flow| !flow.forward.is_empty()), "{}", scenario.name);
    }
}
