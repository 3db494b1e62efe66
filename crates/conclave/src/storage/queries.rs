//! The SQL.

use conclave_proto::{
    ChatKey, ChatMessage, ChatText, DisplayName, MessageId, ParticipantId, RoomName, RoomOptions, limits,
};
use conclave_room::{Digest, StoredMessage, StoredRoom};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Result, Row, named_params, params};

/// A room that has been made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomRecord {
    /// Its name.
    pub name: RoomName,
    /// What its owner chose.
    pub options: RoomOptions,
    /// Milliseconds since 1970-01-01 UTC.
    pub created_ms: u64,
    /// Milliseconds since 1970-01-01 UTC.
    pub used_ms: u64,
}

pub(super) fn room(db: &Connection, name: &RoomName) -> Result<Option<RoomRecord>> {
    db.prepare_cached("SELECT name, options, created_ms, used_ms FROM rooms WHERE name = ?1")?
        .query_row([name.as_str()], record)
        .optional()
}

pub(super) fn rooms(db: &Connection, after: Option<&RoomName>, limit: u32) -> Result<Vec<RoomRecord>> {
    db.prepare_cached("SELECT name, options, created_ms, used_ms FROM rooms WHERE name > ?1 ORDER BY name LIMIT ?2")?
        .query_map(params![after.map_or("", RoomName::as_str), limit], record)?
        .collect()
}

fn record(row: &Row<'_>) -> Result<RoomRecord> {
    Ok(RoomRecord {
        name: checked(row, 0, RoomName::parse)?,
        options: options(row, 1)?,
        created_ms: time(row, 2)?,
        used_ms: time(row, 3)?,
    })
}

pub(super) fn load(db: &Connection, name: &RoomName) -> Result<StoredRoom> {
    let found = db
        .prepare_cached("SELECT id, options, host FROM rooms WHERE name = ?1")?
        .query_row([name.as_str()], |row| {
            Ok((row.get::<_, i64>(0)?, options(row, 1)?, row.get::<_, Option<[u8; 32]>>(2)?))
        })
        .optional()?;
    let Some((id, options, host)) = found else { return Ok(StoredRoom::default()) };
    let mut chat = db
        .prepare_cached(
            "SELECT id, key, sender, participant, name, text, sent_ms FROM chat \
             WHERE room = ?1 ORDER BY number DESC LIMIT ?2",
        )?
        .query_map(params![id, limits::CHAT_HISTORY as i64], message)?
        .collect::<Result<Vec<_>>>()?;
    chat.reverse();
    Ok(StoredRoom { options: Some(options), host: host.map(Digest::from_bytes), chat })
}

fn message(row: &Row<'_>) -> Result<StoredMessage> {
    Ok(StoredMessage {
        message: ChatMessage {
            id: checked(row, 0, MessageId::parse)?,
            key: checked(row, 1, ChatKey::parse)?,
            participant: checked(row, 3, ParticipantId::parse)?,
            name: checked(row, 4, DisplayName::parse)?,
            text: checked(row, 5, ChatText::parse)?,
            sent_at_ms: time(row, 6)?,
        },
        sender: Digest::from_bytes(row.get(2)?),
    })
}

pub(super) fn create(db: &Connection, name: &RoomName, options: &RoomOptions, unix_ms: u64) -> Result<bool> {
    let made = db
        .prepare_cached(
            "INSERT INTO rooms (name, options, created_ms, used_ms) VALUES (?1, ?2, ?3, ?3) ON CONFLICT (name) DO NOTHING",
        )?
        .execute(params![name.as_str(), json(options)?, unix_ms as i64])?;
    Ok(made > 0)
}

pub(super) fn set_options(db: &Connection, name: &RoomName, options: &RoomOptions, unix_ms: u64) -> Result<()> {
    db.prepare_cached(
        "INSERT INTO rooms (name, options, created_ms, used_ms) VALUES (?1, ?2, ?3, ?3) \
         ON CONFLICT (name) DO UPDATE SET options = excluded.options, used_ms = excluded.used_ms",
    )?
    .execute(params![name.as_str(), json(options)?, unix_ms as i64])
    .map(drop)
}

pub(super) fn set_host(db: &Connection, name: &RoomName, host: &Digest) -> Result<()> {
    db.prepare_cached("UPDATE rooms SET host = ?2 WHERE name = ?1")?
        .execute(params![name.as_str(), host.as_bytes()])
        .map(drop)
}

pub(super) fn touch(db: &Connection, name: &RoomName, unix_ms: u64) -> Result<()> {
    db.prepare_cached("UPDATE rooms SET used_ms = ?2 WHERE name = ?1")?
        .execute(params![name.as_str(), unix_ms as i64])
        .map(drop)
}

pub(super) fn add_chat(db: &mut Connection, name: &RoomName, stored: &StoredMessage) -> Result<()> {
    let message = &stored.message;
    let transaction = db.transaction()?;
    transaction
        .prepare_cached(
            "INSERT INTO chat (room, id, key, sender, participant, name, text, sent_ms) \
             SELECT rooms.id, :id, :key, :sender, :participant, :name, :text, :sent FROM rooms WHERE rooms.name = :room \
             ON CONFLICT (room, sender, key) DO NOTHING",
        )?
        .execute(named_params! {
            ":room": name.as_str(),
            ":id": message.id.as_str(),
            ":key": message.key.as_str(),
            ":sender": stored.sender.as_bytes(),
            ":participant": message.participant.as_str(),
            ":name": message.name.as_str(),
            ":text": message.text.as_str(),
            ":sent": message.sent_at_ms as i64,
        })?;
    // What no newcomer would be shown any more is not kept.
    transaction
        .prepare_cached(
            "DELETE FROM chat WHERE room = (SELECT id FROM rooms WHERE name = ?1) AND number <= \
             (SELECT number FROM chat WHERE room = (SELECT id FROM rooms WHERE name = ?1) \
              ORDER BY number DESC LIMIT 1 OFFSET ?2)",
        )?
        .execute(params![name.as_str(), limits::CHAT_HISTORY as i64])?;
    transaction.commit()
}

pub(super) fn delete(db: &Connection, name: &RoomName) -> Result<bool> {
    Ok(db.prepare_cached("DELETE FROM rooms WHERE name = ?1")?.execute([name.as_str()])? > 0)
}

pub(super) fn forget_unused_since(db: &Connection, unix_ms: u64) -> Result<usize> {
    db.prepare_cached("DELETE FROM rooms WHERE used_ms < ?1")?.execute([unix_ms as i64])
}

fn json(options: &RoomOptions) -> Result<String> {
    serde_json::to_string(options).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

fn options(row: &Row<'_>, column: usize) -> Result<RoomOptions> {
    serde_json::from_str(row.get_ref(column)?.as_str()?)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, error.into()))
}

fn time(row: &Row<'_>, column: usize) -> Result<u64> {
    Ok(row.get::<_, i64>(column)?.max(0).unsigned_abs())
}

/// The database may have been changed by hand: its values are checked like any from outside.
fn checked<T, E: std::error::Error + Send + Sync + 'static>(
    row: &Row<'_>,
    column: usize,
    parse: fn(&str) -> std::result::Result<T, E>,
) -> Result<T> {
    parse(row.get_ref(column)?.as_str()?)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, error.into()))
}
