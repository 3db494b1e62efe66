use conclave_proto::{ChatKey, ChatMessage, ChatText, DisplayName, MessageId, ParticipantId, ParticipantKey, limits};

use super::*;

fn name(text: &str) -> RoomName {
    RoomName::parse(text).expect("valid")
}

fn message(number: usize, key: &str) -> StoredMessage {
    StoredMessage {
        message: ChatMessage {
            id: MessageId::parse(&format!("m{number}")).expect("valid"),
            key: ChatKey::parse(key).expect("valid"),
            participant: ParticipantId::parse("p1").expect("valid"),
            name: DisplayName::parse("Ada").expect("valid"),
            text: ChatText::parse(&format!("line\n{number}")).expect("valid"),
            sent_at_ms: number as u64,
        },
        sender: Digest::of_key(&ParticipantKey::parse("browser").expect("valid")),
    }
}

#[tokio::test]
async fn rooms_and_chat_come_back_after_a_restart() {
    let data = tempfile::tempdir().expect("folder");
    let options = RoomOptions { capacity: 7, ..RoomOptions::default() };
    let host = Digest::from_bytes([3; 32]);
    let (storage, thread) = Storage::open(data.path()).expect("opens");
    storage.set_options(name("r"), options.clone(), 5);
    storage.set_host(name("r"), host);
    storage.add_chat(name("r"), message(1, "k1"));
    drop(storage);
    thread.finish().await;

    let (storage, _thread) = Storage::open(data.path()).expect("opens again");
    let stored = storage.load(name("r")).await.expect("reads");
    assert_eq!(stored, StoredRoom { options: Some(options), host: Some(host), chat: vec![message(1, "k1")] });
    assert_eq!(storage.load(name("other")).await.expect("reads"), StoredRoom::default());
}

#[tokio::test]
async fn chat_history_is_bounded_and_a_message_is_kept_once() {
    let data = tempfile::tempdir().expect("folder");
    let (storage, _thread) = Storage::open(data.path()).expect("opens");
    for room in ["r", "other"] {
        storage.set_options(name(room), RoomOptions::default(), 1);
    }
    storage.add_chat(name("other"), message(1, "k1"));
    for number in 0..limits::CHAT_HISTORY + 10 {
        storage.add_chat(name("r"), message(number, &format!("k{number}")));
    }
    storage.add_chat(name("r"), message(9_999, "k209"));
    let chat = storage.load(name("r")).await.expect("reads").chat;
    assert_eq!(chat.len(), limits::CHAT_HISTORY);
    assert_eq!((chat[0].clone(), chat[199].clone()), (message(10, "k10"), message(209, "k209")));
    assert_eq!(storage.load(name("other")).await.expect("reads").chat.len(), 1);
}

#[tokio::test]
async fn creating_twice_keeps_the_first_and_deleting_takes_the_chat_along() {
    let data = tempfile::tempdir().expect("folder");
    let (storage, _thread) = Storage::open(data.path()).expect("opens");
    let options = RoomOptions { locked: true, ..RoomOptions::default() };
    assert!(storage.create(name("r"), options.clone(), 1).await.expect("made"));
    assert!(!storage.create(name("r"), RoomOptions::default(), 2).await.expect("kept"));
    storage.add_chat(name("r"), message(1, "k1"));
    assert_eq!(storage.room(name("r")).await.expect("reads").map(|room| room.options), Some(options));
    assert!(storage.delete(name("r")).await.expect("deleted"));
    assert!(!storage.delete(name("r")).await.expect("gone"));
    assert_eq!(storage.load(name("r")).await.expect("reads"), StoredRoom::default());
}

#[tokio::test]
async fn rooms_are_listed_by_name_in_pages_and_forgotten_when_unused() {
    let data = tempfile::tempdir().expect("folder");
    let (storage, _thread) = Storage::open(data.path()).expect("opens");
    for (room, used) in [("b", 10), ("a", 20), ("c", 30)] {
        storage.create(name(room), RoomOptions::default(), used).await.expect("made");
    }
    let names = |rooms: Vec<RoomRecord>| rooms.iter().map(|room| room.name.as_str().to_owned()).collect::<Vec<_>>();
    assert_eq!(names(storage.rooms(None, 2).await.expect("reads")), ["a", "b"]);
    assert_eq!(names(storage.rooms(Some(name("b")), 2).await.expect("reads")), ["c"]);
    storage.touch(name("b"), 25);
    storage.forget_unused_since(25);
    assert_eq!(names(storage.rooms(None, 9).await.expect("reads")), ["b", "c"]);
}

#[test]
fn a_database_of_a_later_version_is_left_alone() {
    let data = tempfile::tempdir().expect("folder");
    let file = Connection::open(data.path().join("conclave.db")).expect("opens");
    file.pragma_update(None, "user_version", 99).expect("set");
    drop(file);
    let error = Storage::open(data.path()).err().expect("refused");
    assert!(matches!(error, StorageError::Newer { found: 99, .. }), "{error}");
}

#[test]
fn a_file_that_is_no_database_is_named() {
    let data = tempfile::tempdir().expect("folder");
    std::fs::write(data.path().join("conclave.db"), "this is not a database, but it is long enough").expect("written");
    let error = Storage::open(data.path()).err().expect("refused").to_string();
    assert!(error.contains("conclave.db"), "{error}");
}
