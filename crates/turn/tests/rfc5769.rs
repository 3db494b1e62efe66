//! The test vectors of RFC 5769: all four are read and verified; the one whose padding is zero, as
//! ours is, is also written.

use conclave_turn::stun::{Class, Integrity, Message, Method, Writer, attributes, decode_xor_address, long_term_key};

const REQUEST: &str = "\
    00010058 2112a442 b7e7a701 bc34d686 fa87dfae 80220010 \
    5354554e 20746573 7420636c 69656e74 00240004 6e0001ff \
    80290008 932ff9b1 51263b36 00060009 6576746a 3a683676 \
    59202020 00080014 9aeaa70c bfd8cb56 781ef2b5 b2d3f249 \
    c1b571a2 80280004 e57a3bcf";

const RESPONSE_V4: &str = "\
    0101003c 2112a442 b7e7a701 bc34d686 fa87dfae 8022000b \
    74657374 20766563 746f7220 00200008 0001a147 e112a643 \
    00080014 2b91f599 fd9e90c3 8c7489f9 2af9ba53 f06be7d7 \
    80280004 c07d4c96";

const RESPONSE_V6: &str = "\
    01010048 2112a442 b7e7a701 bc34d686 fa87dfae 8022000b \
    74657374 20766563 746f7220 00200014 0002a147 0113a9fa \
    a5d3f179 bc25f4b5 bed2b9d9 00080014 a382954e 4be67bf1 \
    1784c97c 8292c275 bfe3ed41 80280004 c8fb0b4c";

const REQUEST_LONG_TERM: &str = "\
    00010060 2112a442 78ad3433 c6ad72c0 29da412e 00060012 \
    e3839ee3 8388e383 aae38383 e382afe3 82b90000 0015001c \
    662f2f34 39396b39 35346436 4f4c3334 6f4c3946 53547679 \
    36347341 0014000b 6578616d 706c652e 6f726700 00080014 \
    f6702465 6dd64a3e 02b8e071 2e85c9a2 8ca89666";

/// The short-term password of the first three.
const PASSWORD: &[u8] = b"VOkJxbRl1RmTxUk/WvJxBt";

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("hexadecimal"))
        .collect()
}

/// Reads a vector and checks that a change of any of its bytes would be noticed.
fn verify(vector: &str, key: &[u8]) -> Vec<u8> {
    let packet = bytes(vector);
    let message = Message::parse(&packet).expect("well formed");
    assert_eq!(message.method(), Method::Binding);
    assert_eq!(message.integrity(), Some(Integrity::Sha1));
    assert!(message.is_authentic(key));
    assert!(!message.is_authentic(b"another key"));
    assert!(!message.has_wrong_fingerprint());
    for index in 0..packet.len() {
        let mut changed = packet.clone();
        changed[index] ^= 1;
        let noticed = Message::parse(&changed).is_ok_and(|message| {
            message.is_authentic(key)
                && !message.has_wrong_fingerprint()
                && message.attribute(attributes::FINGERPRINT).is_some()
        });
        assert!(!noticed, "byte {index} can be changed");
    }
    packet
}

#[test]
fn a_sample_request() {
    let packet = verify(REQUEST, PASSWORD);
    let message = Message::parse(&packet).expect("well formed");
    assert_eq!(message.class(), Class::Request);
    assert_eq!(message.attribute(attributes::SOFTWARE), Some(&b"STUN test client"[..]));
    assert_eq!(message.attribute(attributes::USERNAME), Some(&b"evtj:h6vY"[..]));
}

#[test]
fn a_sample_response_with_an_ipv4_address() {
    let packet = verify(RESPONSE_V4, PASSWORD);
    let message = Message::parse(&packet).expect("well formed");
    assert_eq!(message.class(), Class::Success);
    let mapped = message.attribute(attributes::XOR_MAPPED_ADDRESS).expect("present");
    assert_eq!(decode_xor_address(mapped, message.transaction()), "192.0.2.1:32853".parse().ok());
}

#[test]
fn a_sample_response_with_an_ipv6_address() {
    let packet = verify(RESPONSE_V6, PASSWORD);
    let message = Message::parse(&packet).expect("well formed");
    assert_eq!(message.class(), Class::Success);
    let mapped = message.attribute(attributes::XOR_MAPPED_ADDRESS).expect("present");
    let expected = "[2001:db8:1234:5678:11:2233:4455:6677]:32853".parse().ok();
    assert_eq!(decode_xor_address(mapped, message.transaction()), expected);
}

#[test]
fn a_sample_request_with_long_term_authentication() {
    let packet = bytes(REQUEST_LONG_TERM);
    let message = Message::parse(&packet).expect("well formed");
    // The password is given as SASLprep makes it.
    let (username, realm) = ("\u{30DE}\u{30C8}\u{30EA}\u{30C3}\u{30AF}\u{30B9}", "example.org");
    let key = long_term_key(username, realm, "TheMatrIX");
    assert!(message.is_authentic(&key));

    let mut writer = Writer::new(Class::Request, Method::Binding, message.transaction(), 0);
    writer
        .attribute(attributes::USERNAME, username.as_bytes())
        .attribute(attributes::NONCE, b"f//499k954d6OL34oL9FSTvy64sA")
        .attribute(attributes::REALM, realm.as_bytes())
        .integrity(Integrity::Sha1, &key);
    assert_eq!(writer.finish(), packet);
}
