//! Offers of real browsers, and of nobody in particular.

use conclave_media::LegOffer;
use conclave_proto::{ErrorCode, Mid, Sdp, SfuOffer, SourceMids, VideoCodec};

use crate::harness::{ALL_ON, LEG, ROOM, Server, id};

const CHROMIUM: &str = include_str!("../fixtures/chromium.sdp");
const FIREFOX: &str = include_str!("../fixtures/firefox.sdp");

fn mid(text: &str) -> Mid {
    Mid::try_from(text.to_owned()).expect("valid")
}

fn offer(sdp: &str) -> SfuOffer {
    SfuOffer {
        leg: LEG,
        sdp: Sdp::parse(sdp.to_owned()).expect("small enough"),
        sources: SourceMids { microphone: mid("0"), camera: mid("1"), screen: mid("2"), screen_audio: mid("3") },
        audio_slots: ["4", "5", "6"].map(mid).into(),
        video_slots: ["7", "8", "9", "10"].map(mid).into(),
        decodes: vec![VideoCodec::Vp8, VideoCodec::H264],
    }
}

/// The media sections of a description, the session's part first.
fn sections(sdp: &str) -> Vec<String> {
    let mut sections = vec![String::new()];
    for line in sdp.lines() {
        if line.starts_with("m=") {
            sections.push(String::new());
        }
        let last = sections.last_mut().expect("at least one");
        last.push_str(line);
        last.push('\n');
    }
    sections
}

async fn answer(server: &Server, who: &str, sdp: &str) -> Vec<String> {
    let answer = server.handle.offer(ROOM, id(who), LegOffer::Client(offer(sdp)), ALL_ON).await.expect("a good offer");
    sections(answer.sdp.as_str())
}

#[tokio::test]
async fn chromium_and_firefox_get_an_answer_for_every_section() {
    let server = Server::start();
    for (browser, sdp, has_h264) in [("chromium", CHROMIUM, true), ("firefox", FIREFOX, false)] {
        let answer = answer(&server, browser, sdp).await;
        assert_eq!(answer.len(), 12, "{browser}");
        assert!(answer[0].contains("a=ice-lite\n") && answer[0].contains("a=group:BUNDLE 0 1 2 3 4 5 6 7 8 9 10\n"));
        assert!(answer[1].contains("a=candidate:"), "the address, in the bundle's first section");
        for (i, section) in answer[1..].iter().enumerate() {
            let what = format!("{browser}, section {i}: {section}");
            assert!(section.contains("a=setup:passive\n") && section.contains("a=rtcp-mux\n"), "{what}");
            assert!(section.contains(if i < 4 { "a=recvonly\n" } else { "a=sendonly\n" }), "{what}");
            assert!(section.contains("sdes:mid\n") && section.contains("transport-wide-cc"), "{what}");
            assert!(!section.contains("abs-send-time") && !section.contains("toffset"), "{what}");
            let codecs: Vec<_> =
                section.lines().filter_map(|line| line.strip_prefix("a=rtpmap:")?.split(['/', ' ']).nth(1)).collect();
            if section.starts_with("m=audio") {
                assert_eq!(codecs, if has_h264 { &["opus", "red"][..] } else { &["opus"] }, "{what}");
                let preferred = section.lines().next().unwrap_or_default().split(' ').nth(3);
                assert!(section.contains(&format!("a=rtpmap:{} opus", preferred.unwrap_or_default())), "{what}");
                assert!(section.contains("ssrc-audio-level\n"), "{what}");
            } else if has_h264 {
                let parity = if i < 4 { &[][..] } else { &["flexfec-03"] };
                let expected = [&["VP8", "rtx", "AV1", "rtx", "H264", "rtx", "VP9", "rtx"], parity].concat();
                assert_eq!(codecs, expected, "{what}");
                assert!(section.contains("profile-level-id=42e01f") && section.contains("packetization-mode=1"));
            } else {
                let parity = if i < 4 { &[][..] } else { &["red", "ulpfec"] };
                assert_eq!(codecs, [&["VP8", "rtx", "AV1", "rtx", "VP9", "rtx"], parity].concat(), "{what}");
            }
            assert_eq!(section.contains("a=simulcast:recv l;m;h\n"), i == 1, "{what}");
            assert_eq!(section.contains("a=rid:l recv"), i == 1, "{what}");
        }
    }
    server.handle.shutdown().await;
}

#[tokio::test]
async fn reports_by_source_are_agreed_on_where_the_offer_names_no_other_kind() {
    let server = Server::start();
    let with_both = CHROMIUM.replace("a=rtcp-mux\r\n", "a=rtcp-mux\r\na=rtcp-fb:* ack ccfb\r\n");
    let only = with_both.lines().filter(|line| !line.ends_with(" transport-cc")).map(|line| format!("{line}\r\n"));
    let only: String = only.collect();
    for (who, sdp, is_by_source) in [("ada", CHROMIUM, false), ("bo", &with_both, false), ("cy", &only, true)] {
        for section in &answer(&server, who, sdp).await[1..] {
            assert_eq!(section.contains("a=rtcp-fb:* ack ccfb\n"), is_by_source, "{who}: {section}");
            assert_eq!(section.contains(" transport-cc\n"), !is_by_source, "{who}: {section}");
        }
    }
    server.handle.shutdown().await;
}

#[tokio::test]
async fn parity_has_a_source_of_its_own_or_comes_inside_red() {
    let server = Server::start();
    for (browser, sdp, has_flexfec) in [("chromium", CHROMIUM, true), ("firefox", FIREFOX, false)] {
        for section in answer(&server, browser, sdp).await.iter().skip(8) {
            let what = format!("{browser}: {section}");
            let ssrcs: Vec<_> = section.lines().filter_map(|line| line.strip_prefix("a=ssrc-group:FEC-FR ")).collect();
            assert_eq!(ssrcs.len(), usize::from(has_flexfec), "{what}");
            for ssrc in ssrcs.iter().flat_map(|ssrcs| ssrcs.split(' ')) {
                assert!(section.contains(&format!("a=ssrc:{ssrc} cname:")), "{what}");
            }
            // In the order of the offer, where what makes others better comes after all that is better by itself.
            let formats = section.lines().next().unwrap_or_default().split(' ').skip(3);
            let last = formats.last().unwrap_or_default();
            let named = if has_flexfec { "flexfec-03" } else { "VP8" };
            assert!(has_flexfec == section.contains(&format!("a=rtpmap:{last} {named}/90000\n")), "{what}");
        }
    }
    server.handle.shutdown().await;
}

#[tokio::test]
async fn payload_types_are_the_clients() {
    let server = Server::start();
    for (browser, sdp) in [("chromium", CHROMIUM), ("firefox", FIREFOX)] {
        let wanted = sections(sdp);
        for (i, section) in answer(&server, browser, sdp).await.iter().enumerate().skip(1) {
            for map in section.lines().filter(|line| line.starts_with("a=rtpmap:")) {
                assert!(wanted[i].contains(map), "{browser}, section {i}: {map}");
            }
        }
    }
    server.handle.shutdown().await;
}

#[tokio::test]
async fn garbage_is_refused_and_leaves_nothing_behind() {
    let mut server = Server::start();
    let pieces =
        ["v=0\r\n", "a=mid:0\r\n", "a=rtpmap:999 x/0\r\n", "a=fmtp:96 apt=96;apt=97\r\n", "a=extmap:300 x\r\n"];
    let mut table = vec![
        String::new(),
        "garbage".to_owned(),
        "v=0\r\n".to_owned(),
        "\0".repeat(1_000),
        "v=0\r\n".to_owned() + &"a=x\r\n".repeat(20_000),
        CHROMIUM.replace("a=ice-ufrag", "a=ice-ufrog"),
        CHROMIUM.replace("a=fingerprint:sha-256 ", "a=fingerprint:sha-256 ZZ"),
        CHROMIUM.replace("m=audio 9 ", "m=audio 99999999999999 "),
        CHROMIUM.replace("a=rtpmap:111 opus", "a=rtpmap:300 opus"),
        CHROMIUM.replace("apt=96", "apt=97"),
        CHROMIUM.replace("o=- ", "o= "),
        CHROMIUM.replace("a=extmap:4 ", "a=extmap:0 "),
    ];
    table.extend(pieces.iter().map(|piece| CHROMIUM.replace("t=0 0\r\n", &format!("t=0 0\r\n{piece}{piece}"))));
    table.extend(pieces.iter().map(|piece| CHROMIUM.replace("a=mid:1\r\n", &format!("a=mid:1\r\n{piece}"))));
    for sdp in &table {
        match server.handle.offer(ROOM, id("ada"), LegOffer::Client(offer(sdp)), ALL_ON).await {
            Err(error) => {
                assert_eq!(error.code, ErrorCode::BadSdp);
                assert!(!error.message.is_empty());
            }
            // Odd, and good enough.
            Ok(_) => server.handle.close_leg(ROOM, id("ada"), LEG),
        }
    }
    let ada = server.join("ada").await;
    server.event("connected", |event| matches!(event, conclave_media::MediaEvent::Connected { .. })).await;
    drop(ada);
    server.handle.shutdown().await;
}

#[tokio::test]
async fn a_hundred_sections_never_become_an_offer() {
    let many = format!("{CHROMIUM}{}", "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:x\r\n".repeat(100));
    assert_eq!(Sdp::parse(many), Err(ErrorCode::TooManySections));
}

#[tokio::test]
async fn a_bad_second_offer_does_not_end_the_leg() {
    let mut server = Server::start();
    let (ada, bob) = tokio::join!(server.join("ada"), server.join("bob"));
    let sound = server.shows(&ada.id, &bob.id, conclave_proto::SourceKind::Microphone).await;
    ada.receives(&sound, "bob", 5).await;
    let error =
        server.handle.offer(ROOM, id("ada"), LegOffer::Client(offer("v=0\r\n")), ALL_ON).await.expect_err("refused");
    assert_eq!(error.code, ErrorCode::BadSdp);
    ada.receives(&sound, "bob", 20).await;
    server.handle.shutdown().await;
}
