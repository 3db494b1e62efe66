use std::net::SocketAddr;

use super::super::measured::{Announced, Page, Socket};
use super::*;
use crate::net::CertificateFacts;

const FAST: Duration = Duration::from_millis(12);

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn target() -> Target {
    "https://meet.example.org".parse().expect("a URL")
}

fn relayed() -> Result<Relayed, RelayFailure> {
    Ok(Relayed { sent: 25, arrived: 25, returned: 25, round_trip: FAST })
}

/// Where everything works.
fn fine() -> Measured {
    let facts = CertificateFacts {
        names: vec!["meet.example.org".into()],
        addresses: Vec::new(),
        not_before: 0,
        not_after: 1_800_000_000,
        is_self_signed: false,
    };
    Measured {
        page: Ok(Page { status: 200, took: FAST }),
        certificate: Some(Certificate { facts: Some(facts), trust: Trust::Trusted }),
        socket: Ok(Socket { round_trip: FAST }),
        announced: vec![Announced { address: address("203.0.113.7:443"), udp: Some(FAST), tcp: Some(FAST) }],
        relays: Some([relayed(), relayed(), relayed()]),
    }
}

fn with(change: impl FnOnce(&mut Measured)) -> Report {
    let mut measured = fine();
    change(&mut measured);
    judge(&target(), false, &measured)
}

fn relays(of: [bool; 3]) -> Option<[Result<Relayed, RelayFailure>; 3]> {
    Some(of.map(|works| if works { relayed() } else { Err(RelayFailure::NoAnswer) }))
}

fn silent(measured: &mut Measured, udp: bool, tcp: bool) {
    for announced in &mut measured.announced {
        announced.udp = announced.udp.filter(|_| !udp);
        announced.tcp = announced.tcp.filter(|_| !tcp);
    }
}

/// The verdict, and that exactly one piece of advice is given, with these words.
fn expect(report: &Report, verdict: Verdict, words: &str) {
    assert_eq!(report.verdict, verdict, "{report}");
    assert!(report.advice.len() == 1 && report.advice[0].contains(words), "{report}");
}

#[test]
fn where_everything_works_there_is_no_advice() {
    let report = with(|_| {});
    assert_eq!((report.verdict, report.verdict.exit_code(), report.advice.len()), (Verdict::Works, 0, 0), "{report}");
    assert_eq!(report.rungs.len(), 8);
    assert!(report.to_string().contains("valid for meet.example.org until 2027-01-15"), "{report}");
}

#[test]
fn without_udp_meetings_work_and_the_port_to_open_is_named() {
    let report = with(|measured| {
        silent(measured, true, false);
        measured.relays = relays([false, true, true]);
    });
    expect(&report, Verdict::Partly, "open UDP port 443");
    assert_eq!(report.verdict.exit_code(), 1);
}

#[test]
fn where_only_tls_passes_meetings_work_and_it_is_said() {
    let report = with(|measured| {
        silent(measured, true, true);
        measured.relays = relays([false, false, true]);
    });
    expect(&report, Verdict::Partly, "Nothing but TLS gets through");
}

#[test]
fn an_address_that_nobody_reaches_is_told_from_a_closed_port() {
    let report = with(|measured| silent(measured, true, true));
    expect(&report, Verdict::Partly, "--public-address");
    assert!(report.advice[0].contains("203.0.113.7:443"), "{report}");
}

#[test]
fn a_proxy_that_ends_tls_is_recognised() {
    let report = with(|measured| measured.relays = relays([true, true, false]));
    expect(&report, Verdict::Partly, "a proxy ends TLS");
}

#[test]
fn without_any_way_for_media_meetings_fail() {
    let report = with(|measured| {
        silent(measured, true, true);
        measured.relays = relays([false; 3]);
    });
    expect(&report, Verdict::Fails, "Only the page gets through");
    assert_eq!(report.verdict.exit_code(), 2);
}

#[test]
fn each_fault_of_the_page_is_told_alone_with_what_to_do() {
    for (page, words) in [
        (Err(PageFailure::NoAddress), "cannot be found"),
        (Err(PageFailure::Refused), "nothing listens at TCP port 443"),
        (Err(PageFailure::NoAnswer), "Open TCP port 443"),
        (Err(PageFailure::NotTls), "does not speak TLS"),
        (Ok(Page { status: 502, took: FAST }), "status 502"),
        (Ok(Page { status: 404, took: FAST }), "is this its address"),
    ] {
        let report = with(|measured| {
            measured.page = page;
            measured.certificate = None;
            measured.socket = Err(SocketFailure::NotTried);
            measured.relays = None;
            measured.announced.clear();
        });
        expect(&report, Verdict::Fails, words);
    }
}

#[test]
fn a_certificate_that_browsers_refuse_is_named_and_counts_unless_it_is_meant() {
    for (trust, words) in [
        (Trust::Expired, "Renew the certificate"),
        (Trust::NotYetValid, "clocks"),
        (Trust::OtherName, "certificate for meet.example.org"),
        (Trust::SelfSigned, "--acme-domain meet.example.org"),
        (Trust::UnknownIssuer, "full chain"),
    ] {
        let mut measured = fine();
        measured.certificate.as_mut().expect("set").trust = trust;
        expect(&judge(&target(), false, &measured), Verdict::Fails, words);
        assert_eq!(judge(&target(), true, &measured).verdict, Verdict::Works);
    }
}

#[test]
fn a_proxy_that_passes_no_websocket_is_recognised() {
    let report = with(|measured| {
        measured.socket = Err(SocketFailure::Status(200));
        measured.relays = None;
    });
    expect(&report, Verdict::Fails, "Upgrade and Connection");
}

#[test]
fn loss_and_refusals_are_told() {
    let lossy = Ok(Relayed { sent: 25, arrived: 23, returned: 20, round_trip: FAST });
    let report = with(|measured| measured.relays = Some([lossy, relayed(), relayed()]));
    expect(&report, Verdict::Works, "Packets are lost");
    assert!(report.to_string().contains("20 % lost"), "{report}");
    let refused = || Err(RelayFailure::Refused(486));
    let report = with(|measured| measured.relays = Some([refused(), relayed(), relayed()]));
    expect(&report, Verdict::Partly, "error 486");
}

#[test]
fn a_silent_ipv6_address_is_a_remark() {
    let report = with(|measured| {
        measured.announced.push(Announced { address: address("[2001:db8::7]:443"), udp: None, tcp: None });
    });
    expect(&report, Verdict::Works, "IPv6");
}

#[test]
fn on_the_servers_own_machine_it_is_said_that_this_proves_little() {
    let report =
        judge(&"http://localhost:8443".parse().expect("a URL"), false, &Measured { certificate: None, ..fine() });
    expect(&report, Verdict::Works, "own machine");
    assert_eq!(report.rungs.len(), 7, "there is no certificate");
}

#[test]
fn what_a_server_says_does_not_reach_the_terminal_as_it_is() {
    let report = with(|measured| measured.socket = Err(SocketFailure::Other("\u{1b}[2Jgone".into())));
    assert!(!report.to_string().contains('\u{1b}'), "{report}");
}

#[test]
fn programs_read_the_same() {
    let json = serde_json::to_value(with(|_| {})).expect("JSON");
    assert_eq!(json["verdict"], "works");
    assert_eq!(json["rungs"][7]["name"], "turn-tls");
    assert_eq!(json["rungs"][7]["milliseconds"], 12.0);
}
