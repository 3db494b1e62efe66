//! What the measurements mean. Decisions only.

mod advice;

use std::time::Duration;

use super::measured::{Certificate, Measured, PageFailure, RelayFailure, Relayed, SocketFailure, Trust};
use super::report::{Report, Rung, RungName, Verdict};
use super::target::Target;
use crate::net::day_of;

/// Why a rung was not climbed.
const WITHOUT_PAGE: &str = "not tried without the page";

/// Turns measurements into a report. `insecure`: a certificate that browsers do not trust counts as
/// in order.
pub(super) fn judge(target: &Target, insecure: bool, measured: &Measured) -> Report {
    let mut rungs = vec![page(measured)];
    if target.is_tls {
        rungs.push(certificate(target, insecure, measured.certificate.as_ref()));
    }
    rungs.extend([websocket(measured), media(measured, RungName::Udp), media(measured, RungName::Tcp)]);
    let names = [RungName::TurnUdp, RungName::TurnTcp, RungName::TurnTls];
    match &measured.relays {
        Some(relays) => rungs.extend(names.into_iter().zip(relays).map(|(name, relayed)| relay(name, relayed))),
        None if matches!(measured.socket, Err(SocketFailure::NotTried)) => {
            rungs.extend(names.map(|name| not_tried(name, WITHOUT_PAGE)));
        }
        None => {
            rungs.extend(names.map(|name| not_tried(name, "not tried without credentials, which the WebSocket gives")))
        }
    }
    let verdict = verdict(&rungs);
    Report {
        url: target.to_string(),
        verdict,
        summary: match verdict {
            Verdict::Works => "Everything works from here.",
            Verdict::Partly => "Meetings work from here, but not by every way.",
            Verdict::Fails => "Meetings do not work from here.",
        }
        .into(),
        advice: advice::advice(target, insecure, measured),
        rungs,
    }
}

/// A meeting needs the page with a certificate that browsers take, the WebSocket, and one way for
/// media.
fn verdict(rungs: &[Rung]) -> Verdict {
    let works = |name| rungs.iter().any(|rung| rung.name == name && rung.works == Some(true));
    let has = |name| rungs.iter().any(|rung| rung.name == name);
    let media = [RungName::Udp, RungName::Tcp, RungName::TurnUdp, RungName::TurnTcp, RungName::TurnTls];
    if rungs.iter().all(|rung| rung.works == Some(true)) {
        Verdict::Works
    } else if works(RungName::Page)
        && (works(RungName::Certificate) || !has(RungName::Certificate))
        && works(RungName::Websocket)
        && media.into_iter().any(works)
    {
        Verdict::Partly
    } else {
        Verdict::Fails
    }
}

fn page(measured: &Measured) -> Rung {
    let (works, words, took) = match &measured.page {
        Ok(page) if (200..300).contains(&page.status) => (true, format!("in {}", written(page.took)), Some(page.took)),
        Ok(page) => (false, format!("answered with status {}", page.status), Some(page.took)),
        Err(failure) => (false, page_failure(failure), None),
    };
    Rung { name: RungName::Page, works: Some(works), words, milliseconds: took.map(milliseconds), loss: None }
}

fn page_failure(failure: &PageFailure) -> String {
    match failure {
        PageFailure::NoAddress => "the name has no address".into(),
        PageFailure::Refused => "nothing listens there".into(),
        PageFailure::NoAnswer => "no answer".into(),
        PageFailure::NotTls => "what answers does not speak TLS".into(),
        PageFailure::Other(words) => printable(words),
    }
}

fn certificate(target: &Target, insecure: bool, certificate: Option<&Certificate>) -> Rung {
    let rung =
        |works, words| Rung { name: RungName::Certificate, works: Some(works), words, milliseconds: None, loss: None };
    let Some(Certificate { facts, trust }) = certificate else {
        return not_tried(RungName::Certificate, "none was shown");
    };
    let end = facts.as_ref().map(|facts| facts.not_after);
    let until = end.map_or_else(String::new, |end| format!(" until {}", day_of(end)));
    let fault = match trust {
        Trust::Trusted => return rung(true, format!("valid for {}{until}", target.host)),
        Trust::Expired => format!("expired{}", end.map_or_else(String::new, |end| format!(" on {}", day_of(end)))),
        Trust::NotYetValid => "not valid yet".into(),
        Trust::OtherName => {
            let names = facts.as_ref().map(|facts| facts.names.join(", ")).unwrap_or_default();
            printable(&format!("not for {}, but for {names}", target.host))
        }
        Trust::SelfSigned => "self-signed: browsers warn of it".into(),
        Trust::UnknownIssuer => "from an issuer that is not trusted here".into(),
        Trust::Other(words) => printable(&format!("not valid: {words}")),
    };
    if insecure { rung(true, format!("{fault}; taken because of --insecure")) } else { rung(false, fault) }
}

fn websocket(measured: &Measured) -> Rung {
    let name = RungName::Websocket;
    let failed = |words| Rung { name, works: Some(false), words, milliseconds: None, loss: None };
    match &measured.socket {
        Ok(socket) => Rung {
            name,
            works: Some(true),
            words: format!("{} round trip", written(socket.round_trip)),
            milliseconds: Some(milliseconds(socket.round_trip)),
            loss: None,
        },
        Err(SocketFailure::NotTried) => not_tried(name, WITHOUT_PAGE),
        Err(SocketFailure::Status(status)) => failed(format!("refused with status {status}")),
        Err(SocketFailure::Refused(words)) => failed(printable(&format!("the server refused: {words}"))),
        Err(SocketFailure::NoAnswer) => failed("no answer".into()),
        Err(SocketFailure::Other(words)) => failed(printable(words)),
    }
}

/// Works if one of the addresses answers: not everybody has IPv6, and not every address is for
/// everybody.
fn media(measured: &Measured, name: RungName) -> Rung {
    if measured.announced.is_empty() {
        return not_tried(name, WITHOUT_PAGE);
    }
    let answers = measured
        .announced
        .iter()
        .map(|announced| (announced.address, if name == RungName::Udp { announced.udp } else { announced.tcp }));
    let best = answers.clone().filter_map(|(address, answer)| Some((answer?, address))).min();
    match best {
        Some((round_trip, address)) => Rung {
            name,
            works: Some(true),
            words: format!("{} round trip to {address}", written(round_trip)),
            milliseconds: Some(milliseconds(round_trip)),
            loss: None,
        },
        None => {
            let silent = answers.map(|(address, _)| address.to_string()).collect::<Vec<_>>().join(", ");
            let words = format!("no answer from {silent}");
            Rung { name, works: Some(false), words, milliseconds: None, loss: None }
        }
    }
}

fn relay(name: RungName, relayed: &Result<Relayed, RelayFailure>) -> Rung {
    let failed = |words: &str| Rung { name, works: Some(false), words: words.into(), milliseconds: None, loss: None };
    match relayed {
        Ok(relayed) => {
            let loss = loss(relayed);
            let lost = if loss > 0.0 { format!("{:.0} % lost", (loss * 100.0).ceil()) } else { "nothing lost".into() };
            Rung {
                name,
                works: Some(true),
                words: format!("{} round trip from relay to relay, {lost}", written(relayed.round_trip)),
                milliseconds: Some(milliseconds(relayed.round_trip)),
                loss: Some(loss),
            }
        }
        Err(RelayFailure::NotOffered) => not_tried(name, "the server offers none"),
        Err(RelayFailure::NoConnection) => failed("no connection"),
        Err(RelayFailure::NoAnswer) => failed("no answer"),
        Err(RelayFailure::Refused(code)) => failed(&format!("the server refused with error {code}")),
        Err(RelayFailure::NothingArrived) => failed("there is a relay, but no packet came through"),
    }
}

/// Of packets that went there and back, the share that did not.
fn loss(relayed: &Relayed) -> f64 {
    1.0 - f64::from(relayed.returned) / f64::from(relayed.sent.max(1))
}

fn not_tried(name: RungName, why: &str) -> Rung {
    Rung { name, works: None, words: why.into(), milliseconds: None, loss: None }
}

fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 10_000.0).round() / 10.0
}

fn written(time: Duration) -> String {
    let milliseconds = milliseconds(time);
    if milliseconds < 10.0 { format!("{milliseconds:.1} ms") } else { format!("{milliseconds:.0} ms") }
}

/// What came from the network reaches a terminal: no control characters, not without end.
fn printable(words: &str) -> String {
    words.chars().filter(|c| !c.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests;
