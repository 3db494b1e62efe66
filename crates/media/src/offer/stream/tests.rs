use super::*;

const AIORTC: &str = include_str!("../../../tests/fixtures/aiortc-publish.sdp");

fn sdp(text: &str) -> Sdp {
    Sdp::parse(text.to_owned()).expect("small enough")
}

fn publish(text: &str) -> Result<Plan, OfferRefused> {
    Plan::read(&sdp(text), Side::Publish)
}

fn play(text: &str) -> Result<Plan, OfferRefused> {
    Plan::read(&sdp(text), Side::Play)
}

const OPUS: &str = "a=rtpmap:111 opus/48000/2\r\n";
const VP8: &str = "a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack pli\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n";

fn h264(mode: &str, profile: &str) -> String {
    format!(
        "a=rtpmap:102 H264/90000\r\na=fmtp:102 level-asymmetry-allowed=1;packetization-mode={mode};profile-level-id={profile}\r\n"
    )
}

/// An offer of these sections: kind, direction, lines.
fn offer(sections: &[(&str, &str, &str)]) -> String {
    let mids: String = (0..sections.len()).map(|mid| format!(" {mid}")).collect();
    let mut text = format!("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE{mids}\r\n");
    for (mid, (kind, direction, lines)) in sections.iter().enumerate() {
        let formats: Vec<_> = lines.split("a=rtpmap:").skip(1).filter_map(|rest| rest.split(' ').next()).collect();
        text += &format!("m={kind} 9 UDP/TLS/RTP/SAVPF {}\r\nc=IN IP4 0.0.0.0\r\n", formats.join(" "));
        text += &format!("a=mid:{mid}\r\na={direction}\r\na=rtcp-mux\r\na=setup:actpass\r\n");
        text += "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\na=fingerprint:sha-256 AA\r\n";
        text += lines;
    }
    text
}

fn roles(plan: &Plan) -> Vec<(&str, Role)> {
    plan.roles.iter().map(|(mid, role)| (mid.as_str(), *role)).collect()
}

const MICROPHONE: Role = Role::Source(SourceKind::Microphone);
const CAMERA: Role = Role::Source(SourceKind::Camera);
const SCREEN: Role = Role::Source(SourceKind::Screen);

#[test]
fn sources_follow_from_order_and_kind_whatever_the_order_of_kinds() {
    let sections = [("video", "sendonly", VP8), ("audio", "sendonly", OPUS), ("video", "sendonly", VP8)];
    assert_eq!(roles(&publish(&offer(&sections)).expect("good")), [("0", CAMERA), ("1", MICROPHONE), ("2", SCREEN)]);
    for (section, role) in [(("audio", "sendonly", OPUS), MICROPHONE), (("video", "sendonly", VP8), CAMERA)] {
        assert_eq!(roles(&publish(&offer(&[section])).expect("good")), [("0", role)]);
    }
    let sections = [("audio", "recvonly", OPUS), ("video", "recvonly", VP8), ("audio", "recvonly", OPUS)];
    let slots = [SlotId::Audio(0), SlotId::Video(0), SlotId::Audio(1)].map(Role::Slot);
    assert_eq!(roles(&play(&offer(&sections)).expect("good")), [("0", slots[0]), ("1", slots[1]), ("2", slots[2])]);
}

#[test]
fn what_is_offered_both_ways_is_taken_one_way() {
    let both = offer(&[("audio", "sendrecv", OPUS), ("video", "sendrecv", VP8)]);
    let published = publish(&both).expect("good");
    assert_eq!(roles(&published), [("0", MICROPHONE), ("1", CAMERA)]);
    assert_eq!(published.sdp.matches("a=sendonly\r\n").count(), 2);
    assert_eq!(play(&both).expect("good").sdp.matches("a=recvonly\r\n").count(), 2);
    let silent = both.replace("a=sendrecv\r\n", "");
    assert_eq!(publish(&silent).expect("sendrecv is the default").sdp, published.sdp);
}

#[test]
fn sections_that_are_not_taken_are_refused_in_their_place() {
    let text = offer(&[
        ("application", "sendrecv", "a=rtpmap:5 x/1\r\n"),
        ("video", "sendonly", VP8),
        ("video", "recvonly", VP8),
        ("audio", "sendonly", "a=rtpmap:0 PCMU/8000\r\n"),
        ("audio", "sendonly", OPUS),
    ]);
    let plan = publish(&text).expect("good");
    assert_eq!(roles(&plan), [("1", CAMERA), ("4", MICROPHONE)]);
    assert_eq!(plan.sdp.matches("m=").count(), 2);
    assert!(plan.sdp.contains("a=group:BUNDLE 1 4\r\n"));
    let engine = "v=0\r\na=group:BUNDLE 1 4\r\nm=video 9 X 96\r\na=mid:1\r\nm=audio 9 X 111\r\na=mid:4\r\n";
    let answer = plan.answer(engine);
    let lines: Vec<_> = answer.lines().filter(|line| line.starts_with("m=") || line.starts_with("a=mid")).collect();
    assert_eq!(
        lines,
        [
            "m=application 0 UDP/TLS/RTP/SAVPF 5",
            "a=mid:0",
            "m=video 9 X 96",
            "a=mid:1",
            "m=video 0 UDP/TLS/RTP/SAVPF 96 97",
            "a=mid:2",
            "m=audio 0 UDP/TLS/RTP/SAVPF 0",
            "a=mid:3",
            "m=audio 9 X 111",
            "a=mid:4",
        ]
    );
}

#[test]
fn any_h264_that_browsers_decode_is_shown_to_the_engine_as_its_own_and_answered_as_offered() {
    for (mode, profile) in [("1", "42e01f"), ("1", "42001e"), ("1", "4d0028"), ("1", "640034"), ("0", "42c01f")] {
        let plan = publish(&offer(&[("video", "sendonly", &h264(mode, profile))])).expect("good");
        let own = format!("a=fmtp:102 {}\r\n", h264::AS_THE_ENGINE_KNOWS_IT);
        assert!(plan.sdp.contains(&own), "{profile}: {}", plan.sdp);
        let answer = plan.answer(&format!("v=0\r\na=group:BUNDLE 0\r\nm=video 9 X 102\r\n{own}"));
        let offered = format!("packetization-mode={mode};profile-level-id={profile}\r\n");
        assert!(answer.contains(&offered), "{answer}");
    }
    for (mode, profile) in [("1", "f4001f"), ("1", "58001f"), ("2", "42e01f"), ("1", "42e0"), ("1", "zzzzzz")] {
        let refused = publish(&offer(&[("video", "sendonly", &h264(mode, profile))]));
        assert!(matches!(refused, Err(OfferRefused::Unacceptable(_))), "{mode} {profile}");
    }
    let unfragmented = play(&offer(&[("video", "recvonly", &h264("0", "42e01f"))]));
    assert!(matches!(unfragmented, Err(OfferRefused::Unacceptable(_))), "a player must take fragments");
}

#[test]
fn ffmpegs_offer_is_taken_as_it_is() {
    let plan = publish(include_str!("../../../tests/fixtures/ffmpeg.sdp")).expect("good");
    assert_eq!(roles(&plan), [("0", MICROPHONE), ("1", CAMERA)]);
    // It says which SSRCs it sends, and its packets say no more than that.
    assert_eq!(plan.sdp.matches("a=ssrc:").count(), 4, "{}", plan.sdp);
}

#[test]
fn of_several_forms_of_h264_the_engine_sees_one() {
    let plan = publish(AIORTC).expect("good");
    assert!(plan.sdp.contains("UDP/TLS/RTP/SAVPF 97 98 101 102\r\n"), "{}", plan.sdp);
    assert!(!plan.sdp.contains(":99 ") && !plan.sdp.contains("apt=99"), "{}", plan.sdp);
    assert!(!plan.sdp.contains("sha-512") && !plan.sdp.contains("candidate"));
}

#[test]
fn simulcast_layers_are_sorted_by_what_their_names_say() {
    let with = |rids: &[&str]| {
        let lines: String = rids.iter().map(|rid| format!("a=rid:{rid} send\r\n")).collect();
        publish(&offer(&[("video", "sendonly", &format!("{VP8}{lines}a=simulcast:send {}\r\n", rids.join(";")))]))
    };
    for (rids, sorted) in [
        (&["h", "m", "l"][..], &["l", "m", "h"][..]),
        (&["f", "h", "q"], &["q", "h", "f"]),
        (&["h", "f"], &["h", "f"]),
        (&["high", "low"], &["low", "high"]),
        (&["1", "2", "3"], &["1", "2", "3"]),
        (&["only"], &["only"]),
    ] {
        let plan = with(rids).expect("good");
        assert_eq!(plan.rids, sorted);
        assert!(plan.sdp.contains("a=simulcast:send"), "{}", plan.sdp);
    }
    for rids in [&["1", "2", "3", "4"][..], &["a", "a"]] {
        assert!(matches!(with(rids), Err(OfferRefused::Unacceptable(_))), "{rids:?}");
    }
}

#[test]
fn the_transport_may_be_described_once_for_all() {
    let each = offer(&[("audio", "sendonly", OPUS), ("video", "sendonly", VP8)]);
    let transport =
        "a=setup:actpass\r\na=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\na=fingerprint:sha-256 AA\r\n";
    let session = each.replace(transport, "").replace("t=0 0\r\n", &format!("t=0 0\r\n{transport}"));
    assert_eq!(publish(&session).expect("good").sdp, publish(&each).expect("good").sdp);
    let (first, second) = each.split_once("m=video 9").expect("a second section");
    let bundle_only = format!("{first}m=video 0{}a=bundle-only\r\n", second.replace(transport, ""));
    assert_eq!(publish(&bundle_only).expect("good").sdp, publish(&each).expect("good").sdp);
}

#[test]
fn one_section_needs_no_bundle_and_gets_none() {
    let alone = offer(&[("audio", "sendonly", OPUS)]).replace("a=group:BUNDLE 0\r\n", "");
    let plan = publish(&alone).expect("good");
    let answer = plan.answer("v=0\r\na=group:BUNDLE 0\r\nm=audio 9 X 111\r\n");
    assert_eq!(answer, "v=0\r\nm=audio 9 X 111\r\n");
}

#[test]
fn each_fault_is_named_and_whether_it_is_one_of_form() {
    let good = offer(&[("audio", "sendonly", OPUS), ("video", "sendonly", VP8)]);
    let without =
        |start: &str| good.split_inclusive("\r\n").filter(|line| !line.starts_with(start)).collect::<String>();
    for (text, word) in [
        (String::new(), "v=0"),
        ("v=0\r\n".into(), "origin"),
        (without("m="), "no media section"),
        (without("a=ice-ufrag"), "ICE"),
        (without("a=ice-pwd"), "ICE"),
        (without("a=fingerprint"), "fingerprint"),
        (without("a=setup"), "DTLS client"),
        (good.replace("BUNDLE 0 1", "BUNDLE x"), "bundle"),
        (good.replace("a=mid:1", "a=mid:0"), "same mid"),
        (good.replace("m=video 9 ", "m=video 99999999 "), "media line"),
        (good.replace("t=0 0", "nonsense"), "type=value"),
        (good.replace("s=-", "s=\u{1}"), "control"),
    ] {
        match publish(&text) {
            Err(OfferRefused::Malformed(why)) => assert!(why.contains(word), "{why} should say {word}"),
            other => panic!("{word}: {other:?}"),
        }
    }
    for (text, word) in [
        (without("a=group"), "bundled"),
        (good.replace("a=mid:1\r\n", ""), "mid"),
        (good.replace("BUNDLE 0 1", "BUNDLE 0"), "bundled"),
        (without("a=rtcp-mux"), "rtcp-mux"),
        (good.replace("a=sendonly", "a=recvonly"), "sends nothing"),
        (good.replace("a=sendonly", "a=inactive"), "sends nothing"),
        (good.replace("opus", "opaque").replace("VP8", "VPX"), "Opus"),
        (good.replace("UDP/TLS/RTP/SAVPF", "RTP/AVP"), "SAVPF"),
        (good.replace("t=0 0\r\n", "t=0 0\r\na=ice-lite\r\n"), "ICE-lite"),
    ] {
        match publish(&text) {
            Err(OfferRefused::Unacceptable(why)) => assert!(why.contains(word), "{why} should say {word}"),
            other => panic!("{word}: {other:?}"),
        }
    }
}

#[test]
fn no_damage_to_a_good_offer_makes_it_panic_or_lets_a_line_in() {
    let bytes = AIORTC.as_bytes();
    for at in (0..bytes.len()).step_by(11) {
        for damage in [0, b'\n', b'\r', b':', b' ', 0xC3, b'9'] {
            let mut damaged = bytes.to_vec();
            damaged[at] = damage;
            let damaged = String::from_utf8_lossy(&damaged);
            for side in [Side::Publish, Side::Play] {
                let Ok(plan) = Plan::read(&sdp(&damaged), side) else { continue };
                let text = plan.sdp.clone() + &plan.answer(&plan.sdp);
                assert!(text.split("\r\n").all(|line| !line.contains(['\r', '\n'])), "{damaged}");
            }
        }
    }
}
