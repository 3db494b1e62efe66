//! What can be done about what does not work.

use std::net::IpAddr;

use super::super::measured::{Announced, Measured, PageFailure, RelayFailure, Relayed, SocketFailure, Trust};
use super::super::target::Target;
use super::loss;

/// A share of lost packets that people hear.
const AUDIBLE_LOSS: f64 = 0.05;

/// Most important first.
pub(super) fn advice(target: &Target, insecure: bool, measured: &Measured) -> Vec<String> {
    let mut advice = Vec::new();
    if let Some(words) = page(target, measured) {
        return vec![words];
    }
    if !insecure {
        advice.extend(certificate(target, measured));
    }
    if let Some(words) = socket(measured) {
        advice.push(words);
    }
    media(target, measured, &mut advice);
    let is_here = target.host == "localhost" || target.host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
    if is_here {
        advice.push(
            "This was the server's own machine: it says nothing about the firewalls before it. Run the same from elsewhere \
             with the address that people use."
                .into(),
        );
    }
    advice
}

fn page(target: &Target, measured: &Measured) -> Option<String> {
    let Target { host, port, .. } = target;
    Some(match &measured.page {
        Ok(page) if (200..300).contains(&page.status) => return None,
        Ok(page) if page.status >= 500 => format!(
            "Something answers with status {}: if it is a proxy before Conclave, see that it reaches Conclave, and that \
             Conclave runs.",
            page.status
        ),
        Ok(page) => format!(
            "Something answers with status {}, which Conclave does not do at its first page: is this its address?",
            page.status
        ),
        Err(PageFailure::NoAddress) => {
            format!("{host} cannot be found: check its spelling, and its A or AAAA record in DNS.")
        }
        Err(PageFailure::Refused) => format!(
            "The machine answers, but nothing listens at TCP port {port}: start Conclave, or see --listen for the right port."
        ),
        Err(PageFailure::NoAnswer) => {
            format!("Open TCP port {port} in every firewall before {host}, and check that {host} points to the server.")
        }
        Err(PageFailure::NotTls) => format!(
            "What answers at TCP port {port} does not speak TLS: it is another program, or plain HTTP, which browsers give no camera."
        ),
        Err(PageFailure::Other(_)) => format!("Check that it is Conclave that answers at TCP port {port} of {host}."),
    })
}

fn certificate(target: &Target, measured: &Measured) -> Option<String> {
    let host = &target.host;
    let certificate = measured.certificate.as_ref()?;
    Some(match &certificate.trust {
        Trust::Trusted => return None,
        Trust::Expired => "Renew the certificate; Conclave takes up new files by itself. With --acme-domain it renews it by itself.".into(),
        Trust::NotYetValid => "The certificate is not valid yet: check the clocks of the server and of this machine.".into(),
        Trust::OtherName => {
            format!("Get a certificate for {host}, or give people an address with one of the certificate's names.")
        }
        Trust::SelfSigned => {
            // Authorities issue for names that everybody can look up.
            let name = if host.contains('.') && host.parse::<IpAddr>().is_err() { host.as_str() } else { "NAME" };
            format!(
                "Browsers show a warning instead of the page. Get a certificate: --acme-domain {name}, or --tls-certificate and \
                 --tls-key. If that is meant to be so, check with --insecure."
            )
        }
        Trust::UnknownIssuer => {
            "Browsers trust it only where its issuer's root is installed. If the issuer is a public one, the file with the \
             certificate lacks those between it and the root: use the full chain."
                .into()
        }
        Trust::Other(_) => format!("Get a new certificate for {host}."),
    })
}

fn socket(measured: &Measured) -> Option<String> {
    Some(match measured.socket.as_ref().err()? {
        SocketFailure::NotTried => return None,
        SocketFailure::Status(403) => "The server or a proxy before it refuses WebSockets from here.".into(),
        SocketFailure::Status(404) => "This is not Conclave, or one too old to be checked.".into(),
        SocketFailure::Refused(_) => "Wait a minute and check again.".into(),
        SocketFailure::Status(_) | SocketFailure::NoAnswer | SocketFailure::Other(_) => {
            "The page works, but WebSockets do not: a proxy on the way has to pass on the headers Upgrade and Connection \
             (HTTP/1.1), and leave connections open that are silent for a while."
                .into()
        }
    })
}

fn media(target: &Target, measured: &Measured, advice: &mut Vec<String>) {
    let Some([udp, tcp, tls]) = &measured.relays else { return };
    let announced = &measured.announced;
    let port = announced.first().map_or(target.port, |announced| announced.address.port());
    let direct_udp = announced.iter().any(|announced| announced.udp.is_some());
    let direct_tcp = announced.iter().any(|announced| announced.tcp.is_some());
    let addresses = announced.iter().map(|announced| announced.address.to_string()).collect::<Vec<_>>().join(", ");

    if !direct_udp && !direct_tcp && [udp, tcp, tls].into_iter().all(Result::is_err) {
        advice.push(format!(
            "Only the page gets through, and no media: open UDP port {port} in every firewall before the server, and let what \
             stands before it pass TCP port {port} on as it is, without ending TLS."
        ));
        return refusals([udp, tcp, tls], advice);
    }
    let is_wrong_address = (!direct_udp && udp.is_ok()) || (!direct_tcp && tcp.is_ok());
    if is_wrong_address && !announced.is_empty() {
        advice.push(format!(
            "Clients are told that media goes to {addresses}, where nobody answers, though the server answers at {}. \
             Name the address that people reach with --public-address.",
            target.host
        ));
    }
    let nothing_but_tls = tls.is_ok() && !direct_udp && !direct_tcp && udp.is_err() && tcp.is_err();
    if nothing_but_tls {
        advice.push(format!(
            "Nothing but TLS gets through. Calls work over it, at the price of delay. If that is so from everywhere, open UDP \
             port {port} and TCP port {port} for all that comes, not for HTTPS alone."
        ));
    } else if !direct_udp && udp.is_err() {
        advice.push(format!(
            "UDP does not get through. If it does from other networks, this network blocks it; if it does from none, open UDP \
             port {port} in every firewall before the server. Until then media goes over TCP, and stutters where packets are lost."
        ));
    } else if tcp.is_err() && !direct_tcp {
        advice.push(format!(
            "TCP port {port} does not pass what is not HTTPS: see that nothing before the server looks into it. It matters to \
             people whose network blocks UDP."
        ));
    }
    if tls.is_err() && tls != &Err(RelayFailure::NotOffered) && target.is_tls {
        advice.push(
            "No relay over TLS: if a proxy ends TLS before Conclave, people whose network lets only TLS through have neither sound \
             nor picture. Let the proxy pass TCP on as it is."
                .into(),
        );
    }
    refusals([udp, tcp, tls], advice);
    if udp.as_ref().is_ok_and(|relayed| loss(relayed) > AUDIBLE_LOSS) {
        advice.push(
            "Packets are lost between here and the server: a crowded line or weak Wi-Fi. A cable helps, and so does less on \
             the same line."
                .into(),
        );
    }
    let families: Vec<_> = announced.iter().filter(|a| a.address.is_ipv6()).collect();
    if !families.is_empty() && families.iter().all(|a: &&Announced| a.udp.is_none()) && direct_udp {
        advice.push(
            "The server's IPv6 address gives no answer. If this network has no IPv6, that is why; otherwise open the port for \
             IPv6 too."
                .into(),
        );
    }
}

/// The same reason holds for every way.
fn refusals(relays: [&Result<Relayed, RelayFailure>; 3], advice: &mut Vec<String>) {
    let refused = relays.into_iter().find_map(|relayed| match relayed {
        Err(RelayFailure::Refused(code)) => Some(code),
        _ => None,
    });
    if let Some(code) = refused {
        advice.push(format!("The server refuses relays (error {code}): see its log, and how many it has already."));
    }
}
