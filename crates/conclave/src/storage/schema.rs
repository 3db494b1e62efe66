//! Opening and migrating.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior};

use super::StorageError;

/// Applied in order; `user_version` counts those that were. Never changed once released, only
/// added to.
const MIGRATIONS: &[&str] = &["
    CREATE TABLE rooms (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        options TEXT NOT NULL,
        host BLOB,
        created_ms INTEGER NOT NULL,
        used_ms INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX rooms_by_use ON rooms (used_ms);
    CREATE TABLE chat (
        number INTEGER PRIMARY KEY,
        room INTEGER NOT NULL REFERENCES rooms (id) ON DELETE CASCADE,
        id TEXT NOT NULL,
        key TEXT NOT NULL,
        sender BLOB NOT NULL,
        participant TEXT NOT NULL,
        name TEXT NOT NULL,
        text TEXT NOT NULL,
        sent_ms INTEGER NOT NULL,
        UNIQUE (room, sender, key)
    ) STRICT;
    CREATE INDEX chat_by_room ON chat (room, number);
"];

pub(super) fn open(path: &Path) -> Result<Connection, StorageError> {
    let failed = |error| StorageError::Database { path: path.to_owned(), error };
    let mut connection = Connection::open(path).map_err(failed)?;
    connection.busy_timeout(Duration::from_secs(5)).map_err(failed)?;
    for (pragma, value) in [
        ("journal_mode", "WAL"),
        // A crash of the machine may lose the last seconds of chat; the file stays whole.
        ("synchronous", "NORMAL"),
        ("foreign_keys", "ON"),
        ("secure_delete", "ON"),
    ] {
        connection.pragma_update(None, pragma, value).map_err(failed)?;
    }
    let known = MIGRATIONS.len() as i64;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    let found: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(failed)?;
    let Some(missing) = usize::try_from(found).ok().and_then(|found| MIGRATIONS.get(found..)) else {
        return Err(StorageError::Newer { path: path.to_owned(), found, known });
    };
    for migration in missing {
        transaction.execute_batch(migration).map_err(failed)?;
    }
    transaction.pragma_update(None, "user_version", known).map_err(failed)?;
    transaction.commit().map_err(failed)?;
    Ok(connection)
}
