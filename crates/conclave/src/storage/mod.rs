//! What outlives a meeting: rooms and their chat, in SQLite, on a thread of its own.
//!
//! A meeting never waits for the disk: writes are queued, and only reads are awaited.

mod queries;
mod schema;

use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use conclave_proto::{ErrorCode, ProtocolError, RoomName, RoomOptions};
use conclave_room::{Digest, StoredMessage, StoredRoom};
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

pub use queries::RoomRecord;

use crate::metrics::STORAGE_FAILURES;

/// Writes and reads that may wait for the database. Each is small; more would mean that the disk
/// has been standing still for minutes.
const QUEUE: usize = 16_384;

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// Why the database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// SQLite refused.
    #[error("cannot use the database {path}: {error}", path = .path.display())]
    Database {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: rusqlite::Error,
    },
    /// It was written by a later version of this program.
    #[error("the database {path} is of version {found}, but this program knows versions up to {known}", path = .path.display())]
    Newer {
        /// Which file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The program's.
        known: i64,
    },
    /// No thread.
    #[error("cannot start the database's thread: {0}")]
    Thread(std::io::Error),
}

/// The database. Cheap to clone.
#[derive(Clone)]
pub struct Storage {
    jobs: mpsc::Sender<Job>,
}

/// The database's thread; [`StorageThread::finish`] waits until all that was queued is written.
pub struct StorageThread(JoinHandle<()>);

impl Storage {
    /// Opens the database in this folder and brings it to the current version.
    ///
    /// # Errors
    /// [`StorageError`].
    pub fn open(data: &Path) -> Result<(Self, StorageThread), StorageError> {
        let path = data.join("conclave.db");
        let mut connection = schema::open(&path)?;
        let (jobs, mut queue) = mpsc::channel::<Job>(QUEUE);
        let thread = std::thread::Builder::new()
            .name("storage".into())
            .spawn(move || {
                while let Some(job) = queue.blocking_recv() {
                    job(&mut connection);
                }
                // Leaves one file behind instead of three.
                let _ = connection.pragma_update(None, "wal_checkpoint", "TRUNCATE");
            })
            .map_err(StorageError::Thread)?;
        Ok((Self { jobs }, StorageThread(thread)))
    }

    /// What is known of a room; `None` if it has not been made.
    ///
    /// # Errors
    /// [`ErrorCode::Internal`] when the database fails.
    pub async fn room(&self, name: RoomName) -> Result<Option<RoomRecord>, ProtocolError> {
        self.read(move |db| queries::room(db, &name)).await
    }

    /// Everything that a meeting starts with.
    ///
    /// # Errors
    /// [`ErrorCode::Internal`] when the database fails.
    pub async fn load(&self, name: RoomName) -> Result<StoredRoom, ProtocolError> {
        self.read(move |db| queries::load(db, &name)).await
    }

    /// At most `limit` rooms whose names come after `after`, by name.
    ///
    /// # Errors
    /// [`ErrorCode::Internal`] when the database fails.
    pub async fn rooms(&self, after: Option<RoomName>, limit: u32) -> Result<Vec<RoomRecord>, ProtocolError> {
        self.read(move |db| queries::rooms(db, after.as_ref(), limit)).await
    }

    /// Makes a room unless it exists; says whether it was made.
    ///
    /// # Errors
    /// [`ErrorCode::Internal`] when the database fails.
    pub async fn create(&self, name: RoomName, options: RoomOptions, unix_ms: u64) -> Result<bool, ProtocolError> {
        self.read(move |db| queries::create(db, &name, &options, unix_ms)).await
    }

    /// Forgets a room and its chat; says whether it existed.
    ///
    /// # Errors
    /// [`ErrorCode::Internal`] when the database fails.
    pub async fn delete(&self, name: RoomName) -> Result<bool, ProtocolError> {
        self.read(move |db| queries::delete(db, &name)).await
    }

    /// Whether the database answers.
    pub async fn is_ready(&self) -> bool {
        self.read(|db| db.query_row("SELECT 1", [], |_| Ok(()))).await.is_ok()
    }

    /// Keeps a room's options, and makes the room if it does not exist.
    pub fn set_options(&self, name: RoomName, options: RoomOptions, unix_ms: u64) {
        self.write(move |db| queries::set_options(db, &name, &options, unix_ms));
    }

    /// Keeps the digest of a room's host token.
    pub fn set_host(&self, name: RoomName, host: Digest) {
        self.write(move |db| queries::set_host(db, &name, &host));
    }

    /// Keeps a chat message; one that is kept already changes nothing.
    pub fn add_chat(&self, name: RoomName, message: StoredMessage) {
        self.write(move |db| queries::add_chat(db, &name, &message));
    }

    /// Notes that somebody was in the room.
    pub fn touch(&self, name: RoomName, unix_ms: u64) {
        self.write(move |db| queries::touch(db, &name, unix_ms));
    }

    /// Forgets the rooms that nobody has used since then.
    pub fn forget_unused_since(&self, unix_ms: u64) {
        self.write(move |db| {
            let forgotten = queries::forget_unused_since(db, unix_ms)?;
            if forgotten > 0 {
                tracing::info!(forgotten, "unused rooms forgotten");
            }
            Ok(())
        });
    }

    /// Waits until everything queued so far is written.
    pub async fn flush(&self) {
        let _ = self.read(|_| Ok(())).await;
    }

    async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, ProtocolError> {
        let failed = || ProtocolError::new(ErrorCode::Internal, "the database does not answer");
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |db| {
            // The one who asked may have gone.
            let _ = answer.send(query(db));
        });
        self.jobs.send(job).await.map_err(|_| failed())?;
        answered.await.map_err(|_| failed())?.map_err(|error| {
            report(&error);
            failed()
        })
    }

    fn write(&self, query: impl FnOnce(&mut Connection) -> rusqlite::Result<()> + Send + 'static) {
        let job: Job = Box::new(move |db| {
            if let Err(error) = query(db) {
                report(&error);
            }
        });
        if self.jobs.try_send(job).is_err() {
            metrics::counter!(STORAGE_FAILURES).increment(1);
            tracing::error!("a write was lost: the database's queue is full");
        }
    }
}

impl StorageThread {
    /// Waits for the thread, which ends when every [`Storage`] has been dropped.
    pub async fn finish(self) {
        let _ = tokio::task::spawn_blocking(move || self.0.join()).await;
    }
}

/// SQLite's code says enough (disk full, corrupt); its sentence could quote values.
fn report(error: &rusqlite::Error) {
    metrics::counter!(STORAGE_FAILURES).increment(1);
    tracing::error!(code = ?error.sqlite_error_code(), "the database failed");
}

#[cfg(test)]
mod tests;
