//! `docs/protocol.md` is true: its examples are messages, and it leaves nothing out.

use std::collections::BTreeSet;
use std::path::Path;

use conclave_proto::{CheckReply, CheckRequest, ClientMessage, ServerMessage, parse_client_frame};

fn document() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/protocol.md");
    std::fs::read_to_string(path).expect("docs/protocol.md is there")
}

/// The examples of one direction.
fn examples(document: &str, direction: &str) -> Vec<String> {
    let fence = format!("```json {direction}\n");
    document.split(&fence).skip(1).map(|rest| rest.split("\n```").next().unwrap_or_default().to_owned()).collect()
}

/// The values of `type` (or another tag) in the declaration of a TypeScript type.
fn tags(ty: &str, tag: &str) -> BTreeSet<String> {
    let source = conclave_proto::typescript();
    let declaration = source.split(&format!("export type {ty} = ")).nth(1).expect("declared");
    let declaration = declaration.split(";\n").next().expect("ended");
    let start = format!("\"{tag}\": \"");
    declaration.split(&start).skip(1).map(|rest| rest.split('"').next().unwrap_or_default().to_owned()).collect()
}

/// The values of a type that is a choice of words.
fn words(ty: &str) -> BTreeSet<String> {
    let source = conclave_proto::typescript();
    let declaration = source.split(&format!("export type {ty} = ")).nth(1).expect("declared");
    declaration.split(';').next().expect("ended").split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn every_example_of_a_client_is_valid_and_every_message_has_one() {
    let mut shown = BTreeSet::new();
    for example in examples(&document(), "client") {
        let frame = parse_client_frame(&example).unwrap_or_else(|failure| panic!("{:?}: {example}", failure.error));
        shown.insert(frame.message.kind());
    }
    assert_eq!(shown, ClientMessage::KINDS.into_iter().collect());
}

#[test]
fn every_example_of_the_server_is_valid_and_every_reply_and_event_has_one() {
    let mut shown = BTreeSet::new();
    for example in examples(&document(), "server") {
        let message: ServerMessage =
            serde_json::from_str(&example).unwrap_or_else(|error| panic!("{error}: {example}"));
        let value = serde_json::to_value(&message).expect("JSON");
        for part in ["reply", "event"] {
            shown.extend(value[part]["type"].as_str().map(|kind| format!("{part} {kind}")));
        }
        // Nothing in an example that the server would not send.
        assert_eq!(value, serde_json::from_str::<serde_json::Value>(&example).expect("JSON"), "{example}");
    }
    let all =
        |ty, part: &str| tags(ty, "type").into_iter().map(|kind| format!("{part} {kind}")).collect::<BTreeSet<_>>();
    assert_eq!(shown, &all("Reply", "reply") | &all("Event", "event"));
}

#[test]
fn the_examples_of_the_check_are_valid_and_every_reply_has_one() {
    for example in examples(&document(), "check-client") {
        serde_json::from_str::<CheckRequest>(&example).unwrap_or_else(|error| panic!("{error}: {example}"));
    }
    let mut shown = BTreeSet::new();
    for example in examples(&document(), "check-server") {
        let reply: CheckReply = serde_json::from_str(&example).unwrap_or_else(|error| panic!("{error}: {example}"));
        let value = serde_json::to_value(&reply).expect("JSON");
        assert_eq!(value, serde_json::from_str::<serde_json::Value>(&example).expect("JSON"), "{example}");
        shown.extend(value["type"].as_str().map(str::to_owned));
    }
    assert_eq!(shown, tags("CheckReply", "type"));
}

#[test]
fn every_word_of_the_protocol_is_explained() {
    let document = document();
    for ty in ["ErrorCode", "LeaveReason", "Reaction", "PathState", "TopologyChoice", "TopologyReason", "Topology"] {
        let words = words(ty);
        assert!(words.len() > 1, "{ty}");
        for word in words {
            assert!(document.contains(&format!("`{word}`")), "{ty}: {word}");
        }
    }
    for kind in tags("PeerSignal", "kind") {
        assert!(document.contains(&format!("`{kind}`")), "{kind}");
    }
}
