//! Servers, by what one has to do to get into them.

use std::sync::Arc;

use tokio::sync::watch;

use super::LoadError;
use super::scenario::Scenario;
use crate::peer::{BotConfig, Sends};
use crate::sdp::Kind;
use crate::signal::{
    Bearer, ConclaveRoom, Feed, JanusRoom, Joined, Person, SignalError, Site, Trust, WhipSession, WhipSite,
};
use crate::swarm::Swarm;

/// A server to load.
#[derive(Clone, Debug)]
pub enum Target {
    /// Conclave by its own signalling.
    Conclave {
        /// Its address.
        site: Site,
        /// Which certificates are taken.
        trust: Trust,
        /// A token, if it asks for one.
        bearer: Option<Bearer>,
        /// The room, made if it is not there; further ones have a number behind this.
        room: String,
    },
    /// Any server by WHIP and WHEP.
    Whip {
        /// Where publishers go.
        whip: Option<Site>,
        /// Where subscribers go.
        whep: Option<Site>,
        /// Which certificates are taken.
        trust: Trust,
        /// The token of both.
        bearer: Option<Bearer>,
    },
    /// Janus's videoroom.
    Janus {
        /// Its WebSocket.
        site: Site,
        /// Which certificates are taken.
        trust: Trust,
        /// The room, which is made; further ones have the next numbers.
        room: u64,
    },
}

/// Some bots of a run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub(super) sends: bool,
    pub(super) watches: bool,
    /// Number of the first.
    pub(super) first: usize,
    pub(super) count: usize,
}

/// A target with what a run needs to know of it.
pub(super) enum Opened {
    Conclave(Box<ConclaveRoom>),
    Whip { publish: Option<WhipSite>, play: Option<WhipSite> },
    Janus { room: JanusRoom, feeds: Vec<Feed> },
}

/// One who is in, by one bot or two.
pub(super) struct Entered {
    pub(super) bots: Vec<Joined>,
    pub(super) watches: bool,
    session: Option<WhipSession>,
    feed: Option<Feed>,
}

impl Entered {
    fn one(bot: Joined, watches: bool) -> Self {
        Self { bots: vec![bot], watches, session: None, feed: None }
    }

    pub(super) async fn leave(self) {
        if let Some(session) = self.session {
            // The measurement is over.
            let _ = session.end().await;
        }
    }
}

impl Target {
    pub(super) async fn open(&self, scenario: &Scenario, number: usize) -> Result<Opened, LoadError> {
        match self.clone() {
            Self::Conclave { site, trust, bearer, room } => Ok(Opened::Conclave(Box::new(ConclaveRoom {
                address: site.local_address().await?,
                site,
                trust,
                bearer,
                room: if number == 0 { room } else { format!("{room}-{number}") },
                capacity: (scenario.publishers + scenario.subscribers).clamp(2, 5_000) as u32,
                stage: watch::Sender::new(Vec::new()),
            }))),
            Self::Whip { whip, whep, trust, bearer } => {
                let endpoint = async |site: Option<Site>| -> Result<_, LoadError> {
                    let Some(site) = site else { return Ok(None) };
                    let address = site.local_address().await?;
                    Ok(Some(WhipSite { site, trust, bearer: bearer.clone(), address }))
                };
                Ok(Opened::Whip { publish: endpoint(whip).await?, play: endpoint(whep).await? })
            }
            Self::Janus { site, trust, room } => {
                let room = room + number as u64;
                let room = JanusRoom { address: site.local_address().await?, site, trust, room };
                room.create(scenario.publishers, scenario.codec()).await?;
                Ok(Opened::Janus { room, feeds: Vec::new() })
            }
        }
    }
}

impl Opened {
    pub(super) async fn enter(
        &self,
        swarm: &Arc<Swarm>,
        scenario: &Scenario,
        part: Part,
        number: usize,
    ) -> Result<Entered, SignalError> {
        match self {
            Self::Conclave(room) => {
                let bot = room.join(swarm, person(scenario, part, number)).await?;
                Ok(Entered::one(bot, part.watches))
            }
            Self::Whip { publish, play } => {
                let (site, config) =
                    if part.sends { (publish, publisher(scenario, number)) } else { (play, player(scenario, number)) };
                let Some(site) = site else {
                    return Err(SignalError::Refused("no URL was given for these bots".to_owned()));
                };
                let (bot, session) = site.join(swarm, config).await?;
                Ok(Entered { session: Some(session), ..Entered::one(bot, part.watches) })
            }
            Self::Janus { room, .. } if part.sends => {
                let (bot, feed) = room.publish(swarm, publisher(scenario, number)).await?;
                Ok(Entered { feed: Some(feed), ..Entered::one(bot, false) })
            }
            Self::Janus { room, feeds } => {
                let shown = &feeds[..feeds.len().min(scenario.tiles.max(1))];
                let bot = room.subscribe(swarm, player(scenario, number), shown).await?;
                Ok(Entered::one(bot, true))
            }
        }
    }

    /// Lets those who send watch each other, where that takes a connection of its own.
    pub(super) async fn meet(
        &self,
        swarm: &Arc<Swarm>,
        scenario: &Scenario,
        entered: &mut [Entered],
    ) -> Result<(), SignalError> {
        let Self::Janus { room, feeds } = self else { return Ok(()) };
        if !scenario.publishers_watch {
            return Ok(());
        }
        for (number, one) in entered.iter_mut().enumerate() {
            let Some(own) = one.feed else { continue };
            let others = feeds.iter().filter(|feed| **feed != own).copied().take(scenario.tiles.max(1));
            let others: Vec<_> = others.collect();
            if !others.is_empty() {
                one.bots.push(room.subscribe(swarm, player(scenario, number), &others).await?);
                one.watches = true;
            }
        }
        Ok(())
    }

    /// Remembers who can be watched from now on.
    pub(super) fn note(&mut self, entered: &[Entered]) {
        if let Self::Janus { feeds, .. } = self {
            feeds.extend(entered.iter().filter_map(|one| one.feed));
        }
    }
}

fn person(scenario: &Scenario, part: Part, number: usize) -> Person {
    Person {
        number,
        camera: if part.sends { scenario.camera_in("1") } else { None },
        codec: scenario.codec(),
        talkative: scenario.talkative.filter(|_| part.sends),
        hears: part.watches,
        tiles: if part.watches && scenario.camera.is_some() { scenario.tiles.min(25) } else { 0 },
        tile_size: scenario.tile_size,
        seed: scenario.seed_of(number),
        stamps: scenario.stamps_of(number),
        sampled: part.watches && scenario.is_sampled(number - part.first),
        sink: scenario.sink && part.watches,
    }
}

fn publisher(scenario: &Scenario, number: usize) -> BotConfig {
    let microphone = scenario.talkative.map(|talkative| Sends::Microphone { mid: "0".to_owned(), talkative });
    BotConfig {
        seed: scenario.seed_of(number),
        stamps: scenario.stamps_of(number),
        sends: microphone.into_iter().chain(scenario.camera_in("1")).collect(),
        receives: Vec::new(),
        sampled: false,
        sink: false,
    }
}

fn player(scenario: &Scenario, number: usize) -> BotConfig {
    let audio = scenario.talkative.map(|_| ("0".to_owned(), Kind::Audio));
    let video = scenario.camera.as_ref().map(|plan| ("1".to_owned(), Kind::Video(plan.codec)));
    BotConfig {
        // Another one than the publisher of the same number has.
        seed: !scenario.seed_of(number),
        stamps: None,
        sends: Vec::new(),
        receives: audio.into_iter().chain(video).collect(),
        sampled: scenario.is_sampled(number.saturating_sub(scenario.publishers)),
        sink: scenario.sink,
    }
}
