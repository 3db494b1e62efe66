//! Connectivity checks of ICE: STUN binding requests that name who shall answer them.

use std::net::SocketAddr;

use conclave_turn::stun::{Class, Message, Method, Writer, attributes};

/// What a STUN message is to the SFU.
#[derive(Debug)]
pub(crate) enum Stun<'a> {
    /// A connectivity check.
    Check(Check<'a>),
    /// A question for the asker's own address.
    Binding(Message<'a>),
    /// Anything else: TURN's, if anybody's.
    Other,
}

/// A connectivity check (RFC 8445 section 7.2). What it says is a claim until [`Check::is_genuine`].
#[derive(Debug)]
pub(crate) struct Check<'a> {
    message: Message<'a>,
    /// The receiver's half of the USERNAME (RFC 8445 section 7.2.2).
    pub(crate) recipient: &'a str,
    /// Whether its sender has chosen this path (USE-CANDIDATE, RFC 8445 section 7.1.2).
    pub(crate) nominates: bool,
}

const BINDING_REQUEST: [u8; 2] = [0, 1];
/// RFC 8445 section 16.1.
const USE_CANDIDATE: u16 = 0x0025;

/// Reads a STUN message.
pub(crate) fn read(contents: &[u8]) -> Stun<'_> {
    // Most STUN messages are TURN's Send indications, which shall not be walked through here.
    if !contents.starts_with(&BINDING_REQUEST) {
        return Stun::Other;
    }
    let Ok(message) = Message::parse(contents) else { return Stun::Other };
    match message.attribute(attributes::USERNAME) {
        None => Stun::Binding(message),
        Some(username) => match std::str::from_utf8(username).ok().and_then(|username| username.split_once(':')) {
            Some((recipient, _)) => {
                let nominates = message.attribute(USE_CANDIDATE).is_some();
                Stun::Check(Check { message, recipient, nominates })
            }
            None => Stun::Other,
        },
    }
}

impl Check<'_> {
    /// Whether it was made with the recipient's password (RFC 8489 section 9.1).
    pub(crate) fn is_genuine(&self, password: &str) -> bool {
        self.message.is_authentic(password.as_bytes())
    }
}

/// The answer to a binding request: the address that it came from (RFC 8489 section 6.3.1).
pub(crate) fn answer(request: &Message<'_>, from: SocketAddr) -> Vec<u8> {
    const LENGTH: usize = 64;
    let mut writer = Writer::new(Class::Success, Method::Binding, request.transaction(), LENGTH);
    writer.xor_address(attributes::XOR_MAPPED_ADDRESS, from).fingerprint();
    writer.finish()
}

#[cfg(test)]
mod tests {
    use conclave_turn::stun::{Integrity, TransactionId};

    use super::*;

    const ID: TransactionId = TransactionId(*b"transaction!");

    fn request(attributes: &[(u16, &[u8])], password: Option<&str>) -> Vec<u8> {
        let mut writer = Writer::new(Class::Request, Method::Binding, ID, 128);
        for (kind, value) in attributes {
            writer.attribute(*kind, value);
        }
        if let Some(password) = password {
            writer.integrity(Integrity::Sha1, password.as_bytes());
        }
        writer.fingerprint();
        writer.finish()
    }

    #[test]
    fn a_check_names_its_recipient_and_is_genuine_with_its_password_only() {
        let software: (u16, &[u8]) = (attributes::SOFTWARE, b"agent");
        let username: (u16, &[u8]) = (attributes::USERNAME, b"server:client");
        for (nominating, attributes) in
            [(false, vec![software, username]), (true, vec![software, username, (USE_CANDIDATE, b"")])]
        {
            let bytes = request(&attributes, Some("secret"));
            let Stun::Check(check) = read(&bytes) else { panic!("a check") };
            assert_eq!((check.recipient, check.nominates), ("server", nominating));
            assert!(check.is_genuine("secret") && !check.is_genuine("other"));
        }
        let unsigned = request(&[username], None);
        let Stun::Check(check) = read(&unsigned) else { panic!("a check") };
        assert!(!check.is_genuine("secret"));
    }

    #[test]
    fn what_was_added_behind_the_integrity_does_not_count() {
        let mut writer = Writer::new(Class::Request, Method::Binding, ID, 128);
        writer.attribute(attributes::USERNAME, b"server:client").integrity(Integrity::Sha1, b"secret");
        writer.attribute(USE_CANDIDATE, b"");
        let bytes = writer.finish();
        let Stun::Check(check) = read(&bytes) else { panic!("a check") };
        assert!(!check.nominates);
    }

    #[test]
    fn a_damaged_check_names_nobody() {
        let good = request(&[(attributes::USERNAME, b"server:client")], Some("secret"));
        for length in 0..good.len() {
            assert!(matches!(read(&good[..length]), Stun::Other), "cut to {length}");
        }
        for (i, damage) in [(0, 1), (1, 2), (3, 255), (4, 0), (23, 255)] {
            let mut bad = good.clone();
            bad[i] = damage;
            assert!(matches!(read(&bad), Stun::Other), "byte {i}");
        }
        for username in [&b"no colon"[..], &[0xff, b':', 0xfe]] {
            assert!(matches!(read(&request(&[(attributes::USERNAME, username)], None)), Stun::Other));
        }
    }

    #[test]
    fn a_question_for_the_own_address_is_answered_with_it() {
        let bytes = request(&[], None);
        let Stun::Binding(message) = read(&bytes) else { panic!("a binding request") };
        let from = "192.0.2.1:9".parse().expect("an address");
        let bytes = answer(&message, from);
        let answer = Message::parse(&bytes).expect("well formed");
        assert_eq!((answer.class(), answer.method(), answer.transaction()), (Class::Success, Method::Binding, ID));
        let mapped = answer.attribute(attributes::XOR_MAPPED_ADDRESS).expect("an address");
        assert_eq!(conclave_turn::stun::decode_xor_address(mapped, ID), Some(from));
        assert!(!answer.has_wrong_fingerprint());
    }
}
