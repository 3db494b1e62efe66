//! What is said.

use conclave_proto::{ChatMessage, Event, MessageId, Reply, TopologyChoice, limits};
use conclave_room::{Departure, Input, StoredRoom};

use crate::stage::{Stage, chat, options};

fn said(events: &[Event]) -> Vec<ChatMessage> {
    events
        .iter()
        .filter_map(|event| match event {
            Event::Chat { message } => Some(message.clone()),
            _ => None,
        })
        .collect()
}

#[test]
fn a_message_comes_to_everybody_with_the_name_and_id_of_its_sender() {
    let mut stage = Stage::new(TopologyChoice::Auto);
    let ada = stage.join("Ada");
    let grace = stage.join("Grace");
    let Reply::ChatTaken { id } = stage.ok(&ada, chat("k1", "hello")) else { panic!("taken") };
    for person in [&ada, &grace] {
        let messages = said(&stage.events(person));
        assert_eq!(messages.len(), 1);
        assert_eq!((&messages[0].id, &messages[0].participant), (&id, &ada.id));
        assert_eq!((messages[0].name.as_str(), messages[0].text.as_str()), ("Ada", "hello"));
    }
    assert_eq!(stage.stored_chat.len(), 1);
}

#[test]
fn sending_again_is_harmless_also_after_a_rejoin() {
    let mut stage = Stage::new(TopologyChoice::Auto);
    let ada = stage.join("Ada");
    let Reply::ChatTaken { id: first } = stage.ok(&ada, chat("k1", "hello")) else { panic!("taken") };
    let Reply::ChatTaken { id: second } = stage.ok(&ada, chat("k1", "hello")) else { panic!("taken") };
    stage.disconnect(ada.connection, Departure::Goodbye);
    let ada = stage.join("Ada");
    let Reply::ChatTaken { id: third } = stage.ok(&ada, chat("k1", "hello")) else { panic!("taken") };
    assert!(first == second && second == third);
    assert_eq!(stage.stored_chat.len(), 1);
}

#[test]
fn a_restart_of_the_server_keeps_the_chat_and_what_was_taken() {
    let mut stage = Stage::new(TopologyChoice::Auto);
    let ada = stage.join("Ada");
    stage.ok(&ada, chat("k1", "hello"));
    let stored = StoredRoom {
        options: Some(options(TopologyChoice::Auto)),
        host: stage.stored_host,
        chat: stage.stored_chat.clone(),
    };
    let mut stage = Stage::with(stored);
    let ada = stage.join("Ada");
    assert_eq!(ada.joined.chat.len(), 1);
    stage.ok(&ada, chat("k1", "hello"));
    assert!(stage.stored_chat.is_empty(), "it was taken before the restart");
}

#[test]
fn two_people_may_use_the_same_key() {
    let mut stage = Stage::new(TopologyChoice::Auto);
    let ada = stage.join("Ada");
    let grace = stage.join("Grace");
    stage.ok(&ada, chat("1", "from Ada"));
    stage.ok(&grace, chat("1", "from Grace"));
    assert_eq!(said(&stage.events(&grace)).len(), 2);
}

#[test]
fn those_who_come_late_get_the_newest_messages_in_order() {
    let mut stage = Stage::new(TopologyChoice::Auto);
    let ada = stage.join("Ada");
    for n in 0..limits::CHAT_HISTORY + 5 {
        stage.ok(&ada, chat(&format!("k{n}"), &format!("{n}")));
    }
    let grace = stage.join("Grace");
    let texts: Vec<_> = grace.joined.chat.iter().map(|message| message.text.as_str().to_owned()).collect();
    let expected: Vec<_> = (5..limits::CHAT_HISTORY + 5).map(|n| n.to_string()).collect();
    assert_eq!(texts, expected);
}

#[test]
fn history_is_bounded_in_bytes_as_well() {
    let mut stage = Stage::new(TopologyChoice::Auto);
    let ada = stage.join("Ada");
    let long = "語".repeat(limits::CHAT_CHARS);
    for n in 0..100 {
        stage.ok(&ada, chat(&format!("k{n}"), &long));
    }
    let grace = stage.join("Grace");
    let bytes: usize = grace.joined.chat.iter().map(|message| message.text.as_str().len()).sum();
    assert!(bytes <= 512 * 1024 && !grace.joined.chat.is_empty(), "{bytes}");
}

#[test]
fn a_clock_that_goes_back_does_not_turn_the_order_around() {
    let mut stage = Stage::new(TopologyChoice::Auto);
    let ada = stage.join("Ada");
    stage.ok(&ada, chat("k1", "first"));
    let mut now = stage.time();
    now.unix_ms -= 60_000;
    stage
        .room
        .handle_input(now, Input::Message { connection: ada.connection, request: 99, message: chat("k2", "second") });
    stage.collect();
    let times: Vec<_> = stage.stored_chat.iter().map(|stored| stored.message.sent_at_ms).collect();
    assert!(times.is_sorted(), "{times:?}");
}

#[test]
fn identifiers_are_the_servers_and_never_the_same() {
    let mut stage = Stage::new(TopologyChoice::Auto);
    let ada = stage.join("Ada");
    let mut ids: Vec<MessageId> = Vec::new();
    for n in 0..50 {
        let Reply::ChatTaken { id } = stage.ok(&ada, chat(&format!("k{n}"), "x")) else { panic!("taken") };
        ids.push(id);
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 50);
}
