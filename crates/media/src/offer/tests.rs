use conclave_proto::{LegNumber, Sdp, SourceMids, VideoCodec};

use super::*;

const CHROMIUM: &str = include_str!("../../tests/fixtures/chromium.sdp");
const FIREFOX: &str = include_str!("../../tests/fixtures/firefox.sdp");

fn mid(text: &str) -> Mid {
    Mid::try_from(text.to_owned()).expect("valid")
}

/// An offer with the sections of the fixtures: four sources, three audio and four video slots.
fn offer(sdp: &str) -> SfuOffer {
    SfuOffer {
        leg: LegNumber(1),
        sdp: Sdp::parse(sdp.to_owned()).expect("small enough"),
        sources: SourceMids { microphone: mid("0"), camera: mid("1"), screen: mid("2"), screen_audio: mid("3") },
        audio_slots: ["4", "5", "6"].map(mid).into(),
        video_slots: ["7", "8", "9", "10"].map(mid).into(),
        decodes: vec![VideoCodec::Vp8, VideoCodec::H264],
    }
}

fn refusal(offer: &SfuOffer) -> String {
    let error = check_client(offer).expect_err("refused");
    assert_eq!(error.code, ErrorCode::BadSdp);
    error.message
}

#[test]
fn offers_of_real_browsers_are_good() {
    for sdp in [CHROMIUM, FIREFOX] {
        let checked = check_client(&offer(sdp)).expect("good");
        assert_eq!(checked.roles.len(), 11);
        assert_eq!(checked.layer_of("h"), Some(LayerIndex::HIGH));
    }
}

#[test]
fn candidates_do_not_reach_the_engine() {
    let line = "a=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\na=end-of-candidates\r\na=mid:0\r\n";
    let checked = check_client(&offer(&CHROMIUM.replace("a=mid:0\r\n", line))).expect("good");
    assert!(!checked.sdp.contains("candidate"));
    assert!(checked.sdp.contains("a=mid:0\r\n"));
}

#[test]
fn each_fault_is_named() {
    let without = |prefix: &str| {
        let kept = CHROMIUM.lines().filter(|line| !line.starts_with(prefix));
        kept.map(|line| format!("{line}\r\n")).collect::<String>()
    };
    let table = [
        (String::new(), "v=0"),
        ("garbage".to_owned(), "v=0"),
        ("v=0\r\n".to_owned(), "no media section"),
        (without("a=ice-ufrag"), "ICE"),
        (without("a=ice-pwd"), "ICE"),
        (CHROMIUM.replace("a=ice-ufrag:", "a=ice-ufrag:a:"), "ICE"),
        (without("a=fingerprint"), "fingerprint"),
        (without("a=setup"), "DTLS client"),
        (CHROMIUM.replace("a=setup:actpass", "a=setup:passive"), "DTLS client"),
        (without("a=group"), "bundle"),
        (CHROMIUM.replace("BUNDLE 0 ", "BUNDLE x "), "bundle"),
        (CHROMIUM.replace("BUNDLE 0 1 2", "BUNDLE 0 1"), "bundled"),
        (without("a=mid"), "mid"),
        (CHROMIUM.replace("a=mid:5\r", "a=mid:4\r"), "same mid"),
        (CHROMIUM.replace("a=mid:5\r", "a=mid:77\r"), "neither"),
        (without("a=rtcp-mux"), "rtcp-mux"),
        (CHROMIUM.replace("a=sendonly", "a=sendrecv"), "sendonly"),
        (CHROMIUM.replace("a=recvonly", "a=sendrecv"), "recvonly"),
        (CHROMIUM.replace("opus/48000/2", "opaque/48000/2"), "Opus"),
        (CHROMIUM.replace("VP8/90000", "VPX/90000"), "VP8"),
        (CHROMIUM.replace("a=rid:l send", "a=rid:x send"), "rids"),
        (CHROMIUM.replace("a=mid:0\r\n", "a=mid:0\r\na=rid:l send\r\n"), "simulcast"),
        (CHROMIUM.replace("t=0 0\r\n", "t=0 0\r\na=ice-lite\r\n"), "ICE-lite"),
    ];
    for (sdp, word) in table {
        let message = refusal(&offer(&sdp));
        assert!(message.contains(word), "{message:?} should say {word:?}");
    }
}

#[test]
fn what_the_offer_names_must_be_there_once_and_of_its_kind() {
    let mut missing = offer(CHROMIUM);
    missing.video_slots.push(mid("99"));
    assert!(refusal(&missing).contains("no media section has"));
    let mut twice = offer(CHROMIUM);
    twice.video_slots.push(mid("10"));
    assert!(refusal(&twice).contains("two sources or slots"));
    let mut kind = offer(CHROMIUM);
    kind.audio_slots[0] = mid("7");
    kind.video_slots[0] = mid("4");
    assert!(refusal(&kind).contains("another kind"));
    let mut audio = offer(CHROMIUM);
    audio.audio_slots.push(mid("x"));
    assert!(refusal(&audio).contains("3 audio slots"));
    let mut video = offer(CHROMIUM);
    video.video_slots = (0..26).map(|i| mid(&format!("v{i}"))).collect();
    assert!(refusal(&video).contains("25 video slots"));
}

#[test]
fn a_section_that_is_switched_off_needs_no_name() {
    let mut fewer = offer(CHROMIUM);
    fewer.video_slots.pop();
    assert!(refusal(&fewer).contains("neither"));
    let (head, tail) = CHROMIUM.split_once("a=mid:10\r\n").expect("the last section");
    fewer.sdp = Sdp::parse(format!("{head}a=mid:10\r\n{}", tail.replace("recvonly", "inactive"))).expect("small");
    assert!(check_client(&fewer).is_ok());
}

#[test]
fn no_damage_to_a_good_offer_makes_it_panic() {
    let bytes = FIREFOX.as_bytes();
    for at in (0..bytes.len()).step_by(61) {
        for damage in [0, b'\n', b':', 0xC3, b'9'] {
            let mut damaged = bytes.to_vec();
            damaged[at] = damage;
            // Good or not, there is an answer.
            let _ = check_client(&offer(&String::from_utf8_lossy(&damaged)));
        }
        if let Ok(cut) = std::str::from_utf8(&bytes[..at]) {
            let _ = check_client(&offer(cut));
        }
    }
}
