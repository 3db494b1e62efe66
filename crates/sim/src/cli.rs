//! The command line.

use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use conclave_qos::Bitrate;
use conclave_rtp::srtp::Profile;
use conclave_sim::compare::Comparison;
use conclave_sim::floor::{self, Floor};
use conclave_sim::load::{self, CameraPlan, Scenario, Target};
use conclave_sim::measure::Results;
use conclave_sim::media::{Clip, VideoCodec};
use conclave_sim::signal::{Bearer, Site, Trust};

/// Loads a WebRTC server with bots, and says what arrived, how late, and what it cost.
///
/// Send load only to servers of your own.
#[derive(Debug, Parser)]
#[command(name = "conclave-load", version, about)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Conclave by its own signalling: every bot is a participant
    Conclave {
        /// The server, as people open it
        #[arg(value_name = "URL")]
        url: Site,
        /// Room that the bots meet in; made if it is not there
        #[arg(long, default_value = "load")]
        room: String,
        #[command(flatten)]
        access: Access,
        #[command(flatten)]
        load: Load,
    },
    /// Any server by WHIP and WHEP
    Whip {
        /// Where publishers send their offers
        #[arg(long, value_name = "URL")]
        whip: Option<Site>,
        /// Where subscribers send theirs
        #[arg(long, value_name = "URL")]
        whep: Option<Site>,
        #[command(flatten)]
        access: Access,
        #[command(flatten)]
        load: Load,
    },
    /// Janus's videoroom
    Janus {
        /// Its WebSocket
        #[arg(value_name = "URL")]
        url: Site,
        /// Number of the room, which is made
        #[arg(long, default_value_t = 4_711)]
        room: u64,
        #[command(flatten)]
        access: Access,
        #[command(flatten)]
        load: Load,
    },
    /// What forwarding cannot cost less than: sealing and sending alone
    Floor {
        /// Protection of the packets
        #[arg(long, value_enum, default_value_t = Protection::Aes128Gcm)]
        profile: Protection,
        /// Receivers
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=5_000))]
        destinations: u16,
        /// Bytes of a payload
        #[arg(long, default_value_t = 1_170, value_parser = clap::value_parser!(u16).range(1..=1_300))]
        payload: u16,
        /// Packets that go to one receiver in one piece
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=40))]
        run: u8,
        /// Frames that each receiver gets in a second, instead of as many as can be sent
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        frames: Option<u32>,
        /// Processor time to spend, in seconds
        #[arg(long, default_value_t = 2.0, value_parser = seconds)]
        seconds: f64,
        /// Receivers that are there already and drop everything, instead of own ones
        #[arg(long, value_name = "ADDR:PORT", value_delimiter = ',')]
        to: Vec<SocketAddr>,
        /// Print the figure alone, in microseconds
        #[arg(long)]
        bare: bool,
    },
    /// Conclave, Janus and the floor under the same loads, one after the other
    ///
    /// Janus takes no loopback addresses: servers need a network namespace of their own. `make bench` makes one.
    Compare {
        /// Conclave's program
        #[arg(long, value_name = "FILE")]
        conclave: PathBuf,
        /// Janus's program; left out without it
        #[arg(long, value_name = "FILE")]
        janus: Option<PathBuf>,
        /// Network namespace to run servers in
        #[arg(long, value_name = "NAME")]
        namespace: Option<String>,
        /// The servers' address
        #[arg(long, default_value = "127.0.0.1")]
        server_address: IpAddr,
        /// The bots' address
        #[arg(long, default_value = "127.0.0.1")]
        bots_address: IpAddr,
        /// Runs of each case
        #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..=20))]
        runs: u8,
        /// One short run of each case with few bots: whether it works, not how well
        #[arg(long)]
        quick: bool,
        /// Only cases whose name has this in it; also "delay" and "shards"
        #[arg(long, default_value = "")]
        only: String,
        /// Append the figures to this file, one JSON object a line
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Protection {
    Aes128Gcm,
    Aes256Gcm,
    Aes128Sha1,
}

#[derive(Debug, Args)]
struct Access {
    /// Token that the server asks for
    #[arg(long, env = "CONCLAVE_LOAD_TOKEN", hide_env_values = true)]
    token: Option<Bearer>,
    /// Take any certificate
    #[arg(long)]
    insecure: bool,
}

impl Access {
    fn trust(&self) -> Trust {
        if self.insecure { Trust::Anybody } else { Trust::Public }
    }
}

#[derive(Debug, Args)]
struct Load {
    /// Rooms, each of which has all of these bots
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    rooms: u16,
    /// Bots that send
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(0..=5_000))]
    publishers: u16,
    /// Bots that only receive
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(0..=5_000))]
    subscribers: u16,
    /// Those who send receive as well
    #[arg(long)]
    meet: bool,
    /// Pictures that each watches at most
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=25))]
    tiles: u8,
    /// Codec of the pictures
    #[arg(long, value_enum, default_value_t = VideoCodec::H264)]
    codec: VideoCodec,
    /// Lines of the pictures
    #[arg(long, default_value_t = 360, value_parser = clap::value_parser!(u16).range(90..=1_080))]
    height: u16,
    /// Rate of the pictures in kbit/s
    #[arg(long, default_value_t = 350, value_parser = clap::value_parser!(u32).range(10..=50_000))]
    video_kbps: u32,
    /// Pictures a second
    #[arg(long, default_value_t = 25, value_parser = clap::value_parser!(u32).range(1..=120))]
    frames: u32,
    /// Three simulcast layers
    #[arg(long)]
    simulcast: bool,
    /// Send a file instead: H.264 byte stream, or VP8 in IVF
    #[arg(long, value_name = "FILE")]
    clip: Option<PathBuf>,
    /// Send frames as they are in the file, without stamps, so that people can watch them
    #[arg(long)]
    watchable: bool,
    /// No pictures
    #[arg(long)]
    no_video: bool,
    /// Share of the time that each publisher speaks, 0 to 1
    #[arg(long, default_value_t = 1.0)]
    talkative: f64,
    /// No sound
    #[arg(long)]
    no_audio: bool,
    /// Receivers let the kernel drop media, so that only the server is busy
    #[arg(long)]
    sink: bool,
    /// Measure delays at one receiver in so many
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..))]
    sample_every: u16,
    /// Seconds between the last join and the measurement
    #[arg(long, default_value_t = 2.0, value_parser = seconds)]
    warm_up: f64,
    /// Seconds of the measurement
    #[arg(long, default_value_t = 10.0, value_parser = seconds)]
    seconds: f64,
    /// Bots that join at the same time
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256))]
    joins_at_once: u16,
    /// Threads of bots
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=64))]
    threads: u8,
    /// Decides all that is random
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The server's process on this machine, to measure what it uses
    #[arg(long, value_name = "PID")]
    server_pid: Option<u32>,
    /// Append the figures to this file, one JSON object a line
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// What the figures are called there
    #[arg(long, default_value = "load")]
    case: String,
}

type Failure = Box<dyn Error + Send + Sync>;

impl Cli {
    /// Does what it was told.
    pub fn run(self) -> Result<(), Failure> {
        match self.command {
            Command::Conclave { url, room, access, load } => {
                load.run(&Target::Conclave { site: url, trust: access.trust(), bearer: access.token, room })
            }
            Command::Whip { whip, whep, access, load } => {
                load.run(&Target::Whip { whip, whep, trust: access.trust(), bearer: access.token })
            }
            Command::Janus { url, room, access, load } => {
                load.run(&Target::Janus { site: url, trust: access.trust(), room })
            }
            Command::Floor { profile, destinations, payload, run, frames, seconds, to, bare } => {
                let floor = Floor {
                    profile: profile.into(),
                    destinations: destinations.into(),
                    payload_bytes: payload.into(),
                    run: run.into(),
                    frames_per_second: frames,
                    time: Duration::from_secs_f64(seconds),
                };
                let cost = match to.as_slice() {
                    [] => floor::measure(&floor, [127, 0, 0, 1].into())?,
                    to => floor::send(&floor, to)?,
                };
                match bare {
                    true => println!("{:.4}", cost.per_packet()),
                    false => println!("{:.3} us for each of {} packets", cost.per_packet(), cost.packets),
                }
                Ok(())
            }
            Command::Compare { conclave, janus, namespace, server_address, bots_address, runs, quick, only, json } => {
                let comparison = Comparison {
                    load_program: std::env::current_exe()?,
                    conclave,
                    janus,
                    namespace,
                    server_address,
                    bots_address,
                    runs: if quick { 1 } else { runs.into() },
                    quick,
                    only,
                };
                let mut results = Results::to(json.as_deref())?;
                Ok(runtime()?.block_on(comparison.run(&mut results, |line| println!("{line}")))?)
            }
        }
    }
}

impl From<Protection> for Profile {
    fn from(protection: Protection) -> Self {
        match protection {
            Protection::Aes128Gcm => Self::AeadAes128Gcm,
            Protection::Aes256Gcm => Self::AeadAes256Gcm,
            Protection::Aes128Sha1 => Self::Aes128CmHmacSha1_80,
        }
    }
}

impl Load {
    fn run(&self, target: &Target) -> Result<(), Failure> {
        let scenario = self.scenario()?;
        let mut results = Results::to(self.json.as_deref())?;
        let outcome = runtime()?.block_on(load::run(target, &scenario, self.server_pid))?;
        println!("{}", self.case);
        print!("{}", outcome.table());
        for figure in outcome.figures() {
            results.keep("load", &self.case, &figure);
        }
        Ok(())
    }

    fn scenario(&self) -> Result<Scenario, Failure> {
        let clip =
            self.clip.as_ref().map(|path| -> Result<_, Failure> { Ok(Arc::new(Clip::parse(std::fs::read(path)?)?)) });
        let clip = clip.transpose()?;
        let plan = CameraPlan {
            codec: clip.as_ref().map_or(self.codec, |clip| clip.codec()),
            height: self.height,
            rate: (!self.watchable).then(|| Bitrate::kbps(self.video_kbps.into())),
            frames_per_second: self.frames,
            simulcast: self.simulcast,
            clip,
            ..CameraPlan::default()
        };
        Ok(Scenario {
            rooms: self.rooms.into(),
            publishers: self.publishers.into(),
            subscribers: self.subscribers.into(),
            publishers_watch: self.meet,
            tiles: self.tiles.into(),
            camera: (!self.no_video).then_some(plan),
            talkative: (!self.no_audio).then_some(self.talkative),
            stamps: !self.watchable,
            sample_every: self.sample_every.into(),
            sink: self.sink,
            warm_up: Duration::from_secs_f64(self.warm_up),
            duration: Duration::from_secs_f64(self.seconds),
            joins_at_once: self.joins_at_once.into(),
            threads: self.threads.into(),
            seed: self.seed,
            ..Scenario::default()
        })
    }
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

fn seconds(text: &str) -> Result<f64, String> {
    let longest = 3_600.0;
    text.parse().ok().filter(|time| (0.0..=longest).contains(time)).ok_or_else(|| format!("0 to {longest} seconds"))
}
