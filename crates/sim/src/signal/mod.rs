//! What brings bots and servers together: Conclave's own signalling, WHIP and WHEP, Janus.

mod conclave;
mod fetch;
mod http;
mod janus;
mod site;
mod whip;

use std::net::IpAddr;
use std::time::Duration;

use conclave_qos::Time;
use thiserror::Error;
use tokio::task::AbortHandle;

use crate::peer::{Bot, BotConfig, BotError};
use crate::swarm::{BotId, BotSocket, Swarm};

pub use conclave::{ConclaveRoom, Guest, Person, Seen};
pub use fetch::fetch;
pub use http::Bearer;
pub use janus::{Feed, JanusRoom};
pub use site::{BadSite, Site, Trust};
pub use whip::{WhipSession, WhipSite};

/// How long a server may take to answer.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Why a bot is not in.
#[derive(Debug, Error)]
pub enum SignalError {
    /// No connection, or it broke.
    #[error("no connection to the server: {0}")]
    Connection(#[from] std::io::Error),
    /// It took longer than [`PATIENCE`].
    #[error("the server did not answer in time")]
    Late,
    /// The server said no.
    #[error("the server refused: {0}")]
    Refused(String),
    /// The server said something that its protocol does not have.
    #[error("the server's answer is not understood: {0}")]
    Unknown(String),
    /// No media.
    #[error(transparent)]
    Bot(#[from] BotError),
}

/// A bot that has agreed with a server, and what keeps it there.
pub struct Joined {
    /// The bot.
    pub bot: BotId,
    /// When it began: a person's click.
    pub clicked: Time,
    /// When the answer was there.
    pub answered: Time,
    keeper: Keeper,
}

/// Ends the bot's signalling when dropped: the connection is closed, as when a browser is.
struct Keeper(Option<AbortHandle>);

impl Drop for Keeper {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

impl Joined {
    fn new(bot: BotId, clicked: Time, answered: Time, task: Option<AbortHandle>) -> Self {
        Self { bot, clicked, answered, keeper: Keeper(task) }
    }

    /// Whether something keeps the bot in: WHIP needs nothing.
    pub fn has_connection(&self) -> bool {
        self.keeper.0.is_some()
    }
}

/// A bot with a socket of its own, not yet connected.
fn prepare(swarm: &Swarm, address: IpAddr, config: BotConfig) -> Result<(Bot, BotSocket), SignalError> {
    let socket = swarm.socket(address, config.sink)?;
    let bot = Bot::new(config, swarm.epoch(), swarm.now(), socket.local()).map_err(BotError::from)?;
    Ok((bot, socket))
}

/// Waits no longer than [`PATIENCE`].
async fn in_time<T>(what: impl Future<Output = Result<T, SignalError>>) -> Result<T, SignalError> {
    tokio::time::timeout(PATIENCE, what).await.unwrap_or(Err(SignalError::Late))
}
