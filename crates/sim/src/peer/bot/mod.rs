//! A bot: what it is, and how it agrees with a server on what is sent.

mod receive;
mod send;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use conclave_qos::{ArrivalLog, Time};
use conclave_rtp::srtp::{Inbound, Outbound};
use conclave_rtp::{Arena, Ssrc};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use thiserror::Error;

use super::incoming::Incoming;
use super::outgoing::{Outgoing, OutgoingConfig};
use super::report::BotReport;
use super::transport::{Transport, TransportError};
use crate::media::{Camera, CameraConfig, Microphone, Packets, VideoCodec};
use crate::sdp::{Agreed, BadDescription, Kind, RemoteDescription, Section, SentStream, write_answer, write_offer};

/// Now, by both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// For what happens here.
    pub time: Time,
    /// Since 1970, as the kernel stamps packets.
    pub wall: Duration,
}

/// Packets to send.
#[derive(Debug, Default)]
pub struct Outbox {
    /// RTP and RTCP, to [`Bot::remote`].
    pub media: Arena,
    /// STUN and DTLS.
    pub other: Vec<(SocketAddr, Vec<u8>)>,
}

/// What a bot sends.
#[derive(Clone, Debug)]
pub enum Sends {
    /// A voice, for this share of the time (0 to 1).
    Microphone {
        /// The section.
        mid: String,
        /// How much it speaks.
        talkative: f64,
    },
    /// A picture, in one layer or several.
    Camera {
        /// The section.
        mid: String,
        /// Names of layers, smallest first, none for a single one, and what each sends.
        layers: Vec<(Option<&'static str>, CameraConfig)>,
    },
    /// A section that is there and sends nothing yet.
    Nothing {
        /// The section.
        mid: String,
        /// What it would send.
        kind: Kind,
    },
}

/// What a bot is.
#[derive(Clone, Debug)]
pub struct BotConfig {
    /// Decides everything that is random in it.
    pub seed: u64,
    /// Its streams' numbers in stamps begin here; `None`: it does not stamp.
    pub stamps: Option<u32>,
    /// In the order of the sections.
    pub sends: Vec<Sends>,
    /// Sections that receive, when the bot offers: names and kinds.
    pub receives: Vec<(String, Kind)>,
    /// Decrypts everything, so that delays are known.
    pub sampled: bool,
    /// Its socket drops most media once [`Bot::begin_to_drop`] has been called.
    pub sink: bool,
}

/// Why a bot does not work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BotError {
    /// The description is of no use.
    #[error(transparent)]
    Description(#[from] BadDescription),
    /// The server does not take what the bot has to send.
    #[error("the server wants another codec than the bot sends")]
    AnotherCodec,
    /// There is no connection.
    #[error(transparent)]
    Transport(#[from] TransportError),
}

enum Source {
    Microphone {
        stream: usize,
        microphone: Box<Microphone>,
    },
    /// `wanted` by the server.
    Camera {
        stream: usize,
        camera: Camera,
        wanted: bool,
    },
}

/// One person's, or program's, connection to a server.
pub struct Bot {
    config: BotConfig,
    transport: Transport,
    remote: Option<SocketAddr>,
    srtp: Option<(Inbound, Outbound)>,
    agreed: Agreed,
    /// The codec that it sends or has offered first; what comes in is of it once that is agreed on.
    video: Option<VideoCodec>,
    sections: Vec<Section>,
    outgoing: Vec<Outgoing>,
    sources: Vec<Source>,
    pending_sources: Vec<(usize, PendingSource)>,
    /// Switched on by its person: the microphone, the camera.
    switched_on: (bool, bool),
    incoming: Vec<Incoming>,
    repairs: Vec<(u32, u32)>,
    /// Its socket drops most media now.
    drops: bool,
    arrivals: ArrivalLog,
    /// The last transport-wide sequence number, and when it came.
    last_arrival: Option<(u16, Time)>,
    stamps: Vec<(u32, u32)>,
    transport_sequence: u16,
    reporter: Ssrc,
    next_report: Time,
    /// When to look at what is missing; `None` while nothing is.
    next_repair: Option<Time>,
    transport_timeout: Time,
    /// Packets that the server asked for again.
    again: Vec<(Ssrc, u16)>,
    packets: Packets,
    payload: Vec<u8>,
    report: BotReport,
    random: ChaCha8Rng,
}

/// A source that begins when the connection is there.
enum PendingSource {
    Microphone(f64),
    Camera(CameraConfig),
}

/// Between sender and receiver reports (libwebrtc's for video).
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

impl Bot {
    /// A bot with a socket of its own, which is bound to `local`. Time counts from `epoch`.
    ///
    /// # Errors
    /// [`TransportError::NoCertificate`].
    pub fn new(config: BotConfig, epoch: Instant, now: Time, local: SocketAddr) -> Result<Self, TransportError> {
        let mut random = ChaCha8Rng::seed_from_u64(config.seed);
        let mut bot = Self {
            transport: Transport::new(epoch, now, local)?,
            remote: None,
            srtp: None,
            agreed: Agreed::default(),
            video: None,
            sections: Vec::new(),
            outgoing: Vec::new(),
            sources: Vec::new(),
            pending_sources: Vec::new(),
            switched_on: (true, true),
            incoming: Vec::new(),
            repairs: Vec::new(),
            drops: false,
            arrivals: ArrivalLog::new(),
            last_arrival: None,
            stamps: Vec::new(),
            transport_sequence: 0,
            reporter: Ssrc(random.random_range(1..u32::MAX)),
            next_report: now + REPORT_INTERVAL,
            next_repair: None,
            transport_timeout: now,
            again: Vec::new(),
            packets: Packets::default(),
            payload: Vec::new(),
            report: BotReport::default(),
            random,
            config,
        };
        bot.build_sections();
        Ok(bot)
    }

    fn build_sections(&mut self) {
        let mut stamp = self.config.stamps;
        for sends in self.config.sends.clone() {
            let (mid, kind, layers) = match sends {
                Sends::Microphone { mid, talkative } => {
                    (mid, Kind::Audio, vec![(None, Some(PendingSource::Microphone(talkative)))])
                }
                Sends::Camera { mid, layers } => {
                    let codec = layers.first().map_or(VideoCodec::Vp8, |(_, camera)| camera.clip.codec());
                    let pending = layers.into_iter().map(|(rid, camera)| (rid, Some(PendingSource::Camera(camera))));
                    (mid, Kind::Video(codec), pending.collect())
                }
                Sends::Nothing { mid, kind } => (mid, kind, vec![(None, None)]),
            };
            if let Kind::Video(codec) = kind {
                self.video = Some(codec);
            }
            let mut sent = Vec::new();
            for (rid, pending) in layers {
                let ssrc = self.random.random_range(1..u32::MAX);
                let rtx = (kind != Kind::Audio).then(|| self.random.random_range(1..u32::MAX));
                sent.push(SentStream { ssrc, rtx, rid });
                let Some(pending) = pending else { continue };
                self.pending_sources.push((self.outgoing.len(), pending));
                let config = OutgoingConfig {
                    ssrc,
                    rtx,
                    mid: mid.clone(),
                    rid,
                    stream: stamp,
                    clock: if kind == Kind::Audio { 48_000 } else { 90_000 },
                    first_sequence: self.random.random(),
                    first_timestamp: self.random.random(),
                };
                self.outgoing.push(Outgoing::new(config));
                stamp = stamp.map(|stamp| stamp + 1);
            }
            self.sections.push(Section { mid, kind, sends: sent });
        }
        for (mid, kind) in self.config.receives.clone() {
            if let Kind::Video(codec) = kind {
                self.video = Some(codec);
            }
            self.sections.push(Section { mid, kind, sends: Vec::new() });
        }
    }

    /// The offer.
    pub fn offer(&mut self) -> String {
        write_offer(&self.transport.local(), &self.sections)
    }

    /// Takes the answer to the offer and begins to connect.
    ///
    /// # Errors
    /// If the server's description is of no use.
    pub fn accept_answer(&mut self, sdp: &str) -> Result<(), BotError> {
        let remote = RemoteDescription::parse(sdp)?;
        self.begin(&remote, true)
    }

    /// Takes an offer, gives the answer and begins to connect.
    ///
    /// # Errors
    /// If the server's description is of no use.
    pub fn answer(&mut self, offer: &str) -> Result<String, BotError> {
        let remote = RemoteDescription::parse(offer)?;
        let answer = write_answer(&self.transport.local(), &remote, self.video);
        self.begin(&remote, false)?;
        Ok(answer)
    }

    fn begin(&mut self, remote: &RemoteDescription, offered: bool) -> Result<(), BotError> {
        self.agreed = remote.agreed(self.video);
        self.repairs.extend(remote.sections.iter().flat_map(|section| &section.retransmissions));
        if let Some((codec, _)) = self.agreed.video {
            let sends = self.pending_sources.iter().any(|(_, source)| matches!(source, PendingSource::Camera(_)));
            if sends && Some(codec) != self.video {
                return Err(BotError::AnotherCodec);
            }
            self.video = Some(codec);
        }
        for (stream, source) in &self.pending_sources {
            let types = match source {
                PendingSource::Microphone(_) => self.agreed.audio,
                PendingSource::Camera(_) => self.agreed.video.map(|(_, types)| types),
            };
            self.outgoing[*stream].agree(types, self.agreed.extensions);
        }
        self.transport.connect(remote, offered)?;
        Ok(())
    }

    /// Where media goes, once it is known.
    pub fn remote(&self) -> Option<SocketAddr> {
        self.remote
    }

    /// A sink's socket drops most media from now on. None of it counts as lost, and none is asked for.
    pub fn begin_to_drop(&mut self) {
        self.drops = self.config.sink;
    }

    /// What it has seen so far.
    pub fn report(&self) -> &BotReport {
        &self.report
    }

    /// Whether microphone and camera are on. A camera that comes back begins with a key frame.
    pub fn set_sending(&mut self, sound: bool, picture: bool) {
        let (_, had_picture) = std::mem::replace(&mut self.switched_on, (sound, picture));
        if picture && !had_picture {
            self.sources.iter_mut().for_each(|source| {
                if let Source::Camera { camera, .. } = source {
                    camera.request_key_frame();
                }
            });
        }
    }

    /// Which layers of the camera the server wants, smallest first. A layer that comes back begins with a key frame.
    pub fn set_wanted_layers(&mut self, wanted: &[bool]) {
        let cameras = self.sources.iter_mut().filter_map(|source| match source {
            Source::Camera { camera, wanted, .. } => Some((camera, wanted)),
            Source::Microphone { .. } => None,
        });
        let single = self.sections.iter().all(|section| section.sends.len() < 2);
        let any = wanted.iter().any(|wanted| *wanted);
        for (index, (camera, is_wanted)) in cameras.enumerate() {
            let now_wanted = if single { any } else { wanted.get(index).copied().unwrap_or(true) };
            if now_wanted && !*is_wanted {
                camera.request_key_frame();
            }
            *is_wanted = now_wanted;
        }
    }
}
