//! No message of one participant makes an output for another that is invalid or oversized
//! (threat 11).

use conclave_proto::{ServerMessage, TopologyChoice, limits, parse_client_frame};
use conclave_room::Input;

use crate::stage::Stage;

/// What the room adds around the largest message that it passes on, in bytes.
const ENVELOPE: usize = 4 * 1024;

/// Texts that have broken programs before.
fn payloads() -> Vec<String> {
    let mut payloads: Vec<String> = [
        "<script>alert(1)</script>",
        "\"},{\"type\":\"room-ended\"}",
        "\\\\\\\"",
        "\u{202E}gnp.exe",
        "\u{0}\u{1}\u{1f}\u{7f}\u{85}",
        "\u{2028}\u{2029}",
        "Z\u{351}\u{36b}\u{343}algo",
        "👩‍👩‍👧‍👦🏳️‍🌈",
        "\u{FFFE}\u{FFFF}\u{FFFD}",
        "%s%n%x{{7*7}}${7*7}",
        "a=candidate:0 1 udp 1 0.0.0.0 9 typ host\r\nm=video 9 X 0",
    ]
    .map(str::to_owned)
    .to_vec();
    for unit in ["a", "é", "語", "😀", "\u{1}", "\"", "\\", "\n", "\u{301}"] {
        for count in [64, 128, 4_000, 20_000, 60_000, 190_000] {
            payloads.push(unit.repeat(count));
        }
    }
    payloads
}

/// Every message that carries a text to others, with this text in every place for one.
fn frames(text: &str, to: &str, generation: u32) -> Vec<String> {
    let text = serde_json::to_string(text).unwrap();
    let signal = |signal: String| {
        format!(r#"{{"id":1,"type":"signal","body":{{"to":"{to}","generation":{generation},"signal":{signal}}}}}"#)
    };
    let candidate = |candidate: &str, mid: &str, ufrag: &str| {
        signal(format!(r#"{{"kind":"candidate","candidate":{candidate},"mid":{mid},"ufrag":{ufrag}}}"#))
    };
    vec![
        format!(r#"{{"id":1,"type":"set-name","body":{{"name":{text}}}}}"#),
        format!(r#"{{"id":1,"type":"chat","body":{{"key":"k","text":{text}}}}}"#),
        format!(r#"{{"id":1,"type":"chat","body":{{"key":{text},"text":"x"}}}}"#),
        format!(r#"{{"id":1,"type":"react","body":{{"reaction":{text}}}}}"#),
        signal(format!(r#"{{"kind":"offer","sdp":{text}}}"#)),
        signal(format!(r#"{{"kind":"answer","sdp":{text}}}"#)),
        candidate(&text, "null", "null"),
        candidate("\"\"", &text, "null"),
        candidate("\"\"", "null", &text),
        format!(
            r#"{{"id":1,"type":"signal","body":{{"to":{text},"generation":1,"signal":{{"kind":"restart-wanted"}}}}}}"#
        ),
    ]
}

#[test]
fn whatever_is_taken_from_one_can_be_read_and_held_by_the_others() {
    let mut taken = 0;
    for text in payloads() {
        let mut stage = Stage::new(TopologyChoice::P2p);
        let ada = stage.join("Ada");
        let grace = stage.join("Grace");
        for json in frames(&text, grace.id.as_str(), stage.generation().0) {
            // What is larger never comes as far as the parser.
            if json.len() > limits::MESSAGE_BYTES {
                continue;
            }
            let Ok(frame) = parse_client_frame(&json) else { continue };
            stage.forget_events();
            stage.input(Input::Message { connection: ada.connection, request: frame.id, message: frame.message });
            for message in &stage.connections[&grace.connection].inbox {
                taken += 1;
                let sent = serde_json::to_string(message).unwrap();
                assert!(sent.len() <= json.len() + ENVELOPE, "{} bytes became {}", json.len(), sent.len());
                let read: ServerMessage = serde_json::from_str(&sent).expect("readable");
                assert_eq!(read, *message);
            }
        }
    }
    assert!(taken > 50, "{taken}");
}

#[test]
fn what_awaits_a_newcomer_is_bounded_whatever_was_said_and_whoever_is_there() {
    let mut stage = Stage::new(TopologyChoice::Sfu);
    let name = "😀".repeat(limits::NAME_CHARS);
    let people: Vec<_> = (0..99).map(|n| stage.join(&format!("P{n}"))).collect();
    for person in &people {
        let json = format!(r#"{{"id":1,"type":"set-name","body":{{"name":"{name}"}}}}"#);
        let frame = parse_client_frame(&json).expect("valid");
        stage.input(Input::Message { connection: person.connection, request: 1, message: frame.message });
    }
    for (n, unit) in ["\\\"", "\\\\", "\\n", "語", "😀"].iter().cycle().take(250).enumerate() {
        let text = unit.repeat(limits::CHAT_CHARS - 2);
        let json = format!(r#"{{"id":1,"type":"chat","body":{{"key":"k{n}","text":"x{text}x"}}}}"#);
        let frame = parse_client_frame(&json).expect("valid");
        stage.input(Input::Message { connection: people[0].connection, request: 1, message: frame.message });
    }
    let late = stage.join("Late");
    let sent = serde_json::to_string(&late.joined).unwrap();
    assert!(sent.len() < 1_280 * 1_024, "{}", sent.len());
}
