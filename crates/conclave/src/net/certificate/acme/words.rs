//! What an authority's refusal means, and what to do about it.

/// How a failure goes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The authority cannot be reached from here.
    Unreachable,
    /// By itself.
    Passing,
    /// The authority looked, and did not find this server: somebody has to change something.
    NotVerified,
    /// By asking less.
    RateLimited,
    /// The authority does not issue this; somebody has to change something.
    Refused,
}

/// A failure in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) kind: Kind,
    /// A sentence for the log, without a full stop.
    pub(super) words: String,
}

/// A refusal as the authority puts it (RFC 8555, section 6.7; RFC 9457).
#[derive(Clone, Copy, Debug)]
pub(super) struct Refusal<'a> {
    /// The error's type: a URN.
    pub(super) code: &'a str,
    /// Its explanation, for people.
    pub(super) detail: &'a str,
}

const PREFIX: &str = "urn:ietf:params:acme:error:";
/// What is quoted of an authority's explanation, in characters.
const QUOTED: usize = 400;

/// What a refusal means. `name`: what it was about, if one name; `port`: where this program listens.
pub(super) fn explain(refusal: Refusal<'_>, name: Option<&str>, port: u16) -> Failure {
    let code = refusal.code.strip_prefix(PREFIX).unwrap_or(refusal.code);
    let said = quote(refusal.detail);
    let name = name.unwrap_or("the name");
    let forward = if port == 443 { String::new() } else { format!(", forward it to port {port} of this machine") };
    // Some authorities call it "unauthorized" when nobody answers.
    let code = if code == "unauthorized" && nobody_answered(refusal.detail) { "connection" } else { code };
    let (kind, words) = match code {
        "connection" => (
            Kind::NotVerified,
            format!(
                "the certificate authority got no answer at TCP port 443 of {name}: open that port in every firewall{forward}, \
                 and see that {name} points here{said}"
            ),
        ),
        "dns" => (
            Kind::NotVerified,
            format!("the certificate authority found no address for {name}: add an A or AAAA record for it{said}"),
        ),
        "unauthorized" | "tls" | "incorrectResponse" => (
            Kind::NotVerified,
            format!(
                "something else answered the certificate authority at TCP port 443 of {name}: either {name} points to \
                 another machine, or a proxy in front of this one ends TLS{said}"
            ),
        ),
        "caa" => (
            Kind::Refused,
            format!("a CAA record in the DNS of {name} forbids this certificate authority: add it there{said}"),
        ),
        "rejectedIdentifier" | "unsupportedIdentifier" => {
            (Kind::Refused, format!("the certificate authority issues nothing for {name}{said}"))
        }
        "rateLimited" => (
            Kind::RateLimited,
            format!("the certificate authority was asked too often; nothing can be done but wait{said}"),
        ),
        // What it says may quote the address, which is somebody's.
        "invalidContact" | "unsupportedContact" => {
            (Kind::Refused, "the certificate authority does not take the address in acme-contact".to_owned())
        }
        "externalAccountRequired" => {
            (Kind::Refused, format!("the certificate authority wants an account made with it beforehand{said}"))
        }
        "userActionRequired" => {
            (Kind::Refused, format!("the certificate authority wants its new terms of service agreed to{said}"))
        }
        _ => (Kind::Passing, format!("the certificate authority refused ({code}){said}")),
    };
    Failure { kind, words }
}

fn nobody_answered(detail: &str) -> bool {
    let detail = detail.to_lowercase();
    ["failed to connect", "connection refused", "timeout", "timed out", "no route to host"]
        .iter()
        .any(|words| detail.contains(words))
}

/// Whether the authority does not know the account any more, so that a new one is to be made.
pub(super) fn account_is_gone(code: &str) -> bool {
    code.strip_prefix(PREFIX) == Some("accountDoesNotExist")
}

/// The authority's own words. They reach a terminal: no control characters, not without end.
fn quote(detail: &str) -> String {
    let clean: String = detail.chars().filter(|c| !c.is_control()).take(QUOTED).collect();
    if clean.is_empty() { String::new() } else { format!(" (it says: {clean})") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(code: &str, port: u16) -> Failure {
        let code = format!("{PREFIX}{code}");
        explain(Refusal { code: &code, detail: "192.0.2.1: \u{1b}[31mrefused" }, Some("meet.example.org"), port)
    }

    #[test]
    fn each_cause_is_told_with_what_to_do() {
        for (code, kind, words) in [
            ("connection", Kind::NotVerified, "no answer at TCP port 443 of meet.example.org"),
            ("dns", Kind::NotVerified, "no address for meet.example.org"),
            ("unauthorized", Kind::NotVerified, "points to another machine"),
            ("caa", Kind::Refused, "CAA record"),
            ("rateLimited", Kind::RateLimited, "asked too often"),
            ("serverInternal", Kind::Passing, "serverInternal"),
        ] {
            let failure = said(code, 443);
            assert!(failure.kind == kind && failure.words.contains(words), "{code}: {failure:?}");
            assert!(failure.words.contains("(it says: 192.0.2.1: [31mrefused)"), "{failure:?}");
        }
    }

    #[test]
    fn nobody_is_told_from_somebody_else_whatever_the_authority_calls_it() {
        let explained =
            |detail| explain(Refusal { code: "urn:ietf:params:acme:error:unauthorized", detail }, None, 443);
        assert!(explained("Failed to connect to 192.0.2.1:443").words.contains("got no answer"));
        assert!(explained("Incorrect validation certificate").words.contains("something else answered"));
    }

    #[test]
    fn at_another_port_it_is_to_be_forwarded() {
        assert!(said("connection", 8443).words.contains("forward it to port 8443"));
        assert!(!said("connection", 443).words.contains("forward"));
    }

    #[test]
    fn a_refused_contact_is_not_quoted() {
        assert!(!said("invalidContact", 443).words.contains("192.0.2.1"));
    }

    #[test]
    fn a_lost_account_is_recognised() {
        assert!(account_is_gone("urn:ietf:params:acme:error:accountDoesNotExist"));
        assert!(!account_is_gone("urn:ietf:params:acme:error:unauthorized"));
    }
}
