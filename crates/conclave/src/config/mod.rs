//! What the owner chose: command line over environment over file over default.

mod acme;
mod cli;
mod file;
mod network;
mod values;

use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use conclave_media::Algorithm;

pub use acme::{Acme, AcmeContact, AcmeDirectory, AcmeDomain};
pub use cli::unknown_variables;
pub use file::FileError;
pub use network::{IceUrl, Network, PublicAddress};
pub use values::{Days, FrameAncestor, LogFormat, Origin, SharedSecret, ValueError};

use crate::check;
use cli::{Check, Cli, Command};

/// Every option, decided.
#[derive(Clone, Debug)]
pub struct Config {
    /// Address of the TCP and the UDP port. Port 0 lets the system choose.
    pub listen: SocketAddr,
    /// Whether the owner named the address: an unnamed one falls back to IPv4 where there is no IPv6.
    pub listen_is_default: bool,
    /// Folder of everything that is kept.
    pub data: PathBuf,
    /// Addresses under which clients reach the port; empty: those of the interfaces.
    pub public_addresses: Vec<PublicAddress>,
    /// Whose word about clients counts.
    pub proxies: Proxies,
    /// Pages of these origins may open the WebSocket, besides the program's own.
    pub allowed_origins: Vec<Origin>,
    /// Who may show the page in a frame; empty: nobody.
    pub frame_ancestors: Vec<FrameAncestor>,
    /// Certificate chain and key (PEM); none: a self-signed certificate is made.
    pub tls_files: Option<TlsFiles>,
    /// Get the certificate by ACME; never together with files.
    pub acme: Option<Acme>,
    /// Other STUN and TURN servers for clients.
    pub external_ice: ExternalIce,
    /// Most that one relayed connection may carry in each direction, in Mbit/s.
    pub relay_mbits: u32,
    /// Threads that carry media.
    pub media_threads: NonZeroUsize,
    /// What decides how much each client is sent.
    pub qos_controller: Algorithm,
    /// Which log lines are written (`tracing` filter).
    pub log: String,
    /// How log lines are written.
    pub log_format: LogFormat,
    /// Most TCP connections at once.
    pub max_connections: u32,
    /// Most meetings at once.
    pub max_rooms: u32,
    /// Most participants in a mesh.
    pub mesh_limit: u32,
    /// How long a lost session can be resumed.
    pub resume_grace: Duration,
    /// Participants who have left that the administrator still sees, for an hour at most.
    pub remember_participants: u32,
    /// Rooms that nobody has entered for so long are forgotten, chat included.
    pub forget_rooms_after: Days,
}

/// Where the owner's certificate is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// PEM file with the certificate and those between it and the root.
    pub certificate: PathBuf,
    /// PEM file with the private key.
    pub key: PathBuf,
}

/// Reverse proxies and load balancers in front of the program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies {
    /// Where they are; nobody else's word counts.
    pub trusted: Vec<Network>,
    /// Their connections start with a PROXY protocol header.
    pub proxy_protocol: bool,
    /// They end TLS.
    pub end_tls: bool,
}

impl Proxies {
    /// Whether this address is one of theirs.
    pub fn trust(&self, ip: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(ip))
    }
}

/// STUN and TURN servers besides the program's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExternalIce {
    /// All of them.
    pub urls: Vec<IceUrl>,
    /// What credentials for the TURN servers are made from; there if any URL is of one.
    pub secret: Option<SharedSecret>,
}

/// Why the program does not start. Printed as it is; names the option and where it was set.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The command line or the environment.
    #[error("{0}")]
    CommandLine(#[from] clap::Error),
    /// The file.
    #[error(transparent)]
    File(#[from] FileError),
    /// Options that do not go together.
    #[error("{0}")]
    Conflict(&'static str),
}

/// What the program is asked to do.
#[derive(Clone, Debug)]
pub enum Invocation {
    /// `conclave serve`.
    Serve(Box<Config>),
    /// `conclave check`.
    Check {
        /// What, and how.
        options: check::Options,
        /// The report is for a program.
        json: bool,
    },
}

impl Invocation {
    /// From these arguments (the program's name first) and the environment.
    ///
    /// # Errors
    /// [`ConfigError`]; also for `--help` and `--version`, which clap answers as errors.
    pub fn from_args(args: impl IntoIterator<Item = OsString>) -> Result<Self, ConfigError> {
        match Cli::try_parse_from(args).map_err(cli::name_the_variable)?.command {
            Command::Serve(given) => {
                let file = match &given.config {
                    Some(path) => file::read(path)?,
                    None => file::File::default(),
                };
                Ok(Self::Serve(Box::new(Config::decide(*given, file)?)))
            }
            Command::Check(Check { url, insecure, json }) => {
                Ok(Self::Check { options: check::Options { target: url, insecure }, json })
            }
        }
    }
}

/// Default of [`Config::listen`].
const DEFAULT_LISTEN: &str = "[::]:8443";
/// Default of [`Config::relay_mbits`]: as much as one leg of the media plane may send.
const RELAY_MBITS: u32 = 25;
/// Participants who have left that the administrator still sees.
const REMEMBERED: u32 = 2_000;

/// Default of [`Config::media_threads`].
fn cores() -> NonZeroUsize {
    const MOST: NonZeroUsize = NonZeroUsize::new(64).expect("not zero");
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN).min(MOST)
}

impl Config {
    /// Whether browsers can be expected to trust the certificate: it is the owner's, an authority's,
    /// or that of a proxy.
    pub fn has_real_certificate(&self) -> bool {
        self.tls_files.is_some() || self.acme.is_some() || self.proxies.end_tls
    }

    /// Defaults with this data folder, on a free port of the loopback interface.
    pub fn for_tests(data: PathBuf) -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            listen_is_default: false,
            data,
            public_addresses: vec![IpAddr::from([127, 0, 0, 1]).into()],
            proxies: Proxies::default(),
            allowed_origins: Vec::new(),
            frame_ancestors: Vec::new(),
            tls_files: None,
            acme: None,
            external_ice: ExternalIce::default(),
            relay_mbits: RELAY_MBITS,
            media_threads: cores(),
            qos_controller: Algorithm::default(),
            log: "info".into(),
            log_format: LogFormat::Text,
            max_connections: 1_000,
            max_rooms: 100,
            mesh_limit: 4,
            resume_grace: Duration::from_secs(10),
            remember_participants: REMEMBERED,
            forget_rooms_after: Days::DEFAULT,
        }
    }

    fn decide(given: cli::Serve, file: file::File) -> Result<Self, ConfigError> {
        let listen = given.listen.or(file.listen);
        let tls_files =
            decide_tls_files(given.tls_certificate.or(file.tls_certificate), given.tls_key.or(file.tls_key))?;
        let proxies = Proxies {
            trusted: given.trusted_proxy.or(file.trusted_proxy).unwrap_or_default(),
            proxy_protocol: given.proxy_protocol.or(file.proxy_protocol).unwrap_or(false),
            end_tls: given.tls_at_proxy.or(file.tls_at_proxy).unwrap_or(false),
        }
        .checked()?;
        let acme = Acme::decide(
            given.acme_domain.or(file.acme_domain),
            given.acme_contact.or(file.acme_contact),
            given.acme_directory.or(file.acme_directory),
            given.acme_root.or(file.acme_root),
        )?;
        if acme.is_some() && tls_files.is_some() {
            return Err(ConfigError::Conflict(
                "acme-domain and tls-certificate are both set, but there is one certificate",
            ));
        }
        let external_ice = ExternalIce {
            urls: given.ice_server.or(file.ice_server).unwrap_or_default(),
            secret: given.ice_secret.or(file.ice_secret),
        }
        .checked()?;
        Ok(Self {
            listen: listen.unwrap_or_else(|| DEFAULT_LISTEN.parse().unwrap_or(SocketAddr::from(([0, 0, 0, 0], 8443)))),
            listen_is_default: listen.is_none(),
            data: given.data.or(file.data).unwrap_or_else(|| "conclave-data".into()),
            public_addresses: given.public_address.or(file.public_address).unwrap_or_default(),
            allowed_origins: given.allowed_origin.or(file.allowed_origin).unwrap_or_default(),
            frame_ancestors: given.frame_ancestor.or(file.frame_ancestor).unwrap_or_default(),
            tls_files,
            proxies,
            acme,
            external_ice,
            relay_mbits: given.relay_bitrate.or(file.relay_bitrate).map_or(RELAY_MBITS, |bounded| bounded.0),
            media_threads: given.media_threads.or(file.media_threads).map_or_else(cores, |bounded| {
                // At least one.
                NonZeroUsize::new(bounded.0 as usize).unwrap_or(NonZeroUsize::MIN)
            }),
            qos_controller: given
                .qos_controller
                .or(file.qos.and_then(|qos| qos.controller))
                .map_or_else(Algorithm::default, |named| named.0),
            log: given.log.or(file.log).map_or_else(|| "info".into(), |filter| filter.0),
            log_format: given.log_format.or(file.log_format).unwrap_or(LogFormat::Text),
            max_connections: given.max_connections.or(file.max_connections).map_or(10_000, |bounded| bounded.0),
            max_rooms: given.max_rooms.or(file.max_rooms).map_or(1_000, |bounded| bounded.0),
            mesh_limit: given.mesh_limit.or(file.mesh_limit).map_or(4, |bounded| bounded.0),
            resume_grace: Duration::from_secs(
                given.resume_grace.or(file.resume_grace).map_or(10, |bounded| u64::from(bounded.0)),
            ),
            remember_participants: given
                .remember_participants
                .or(file.remember_participants)
                .map_or(REMEMBERED, |bounded| bounded.0),
            forget_rooms_after: given.forget_rooms_after.or(file.forget_rooms_after).unwrap_or(Days::DEFAULT),
        })
    }
}

fn decide_tls_files(certificate: Option<PathBuf>, key: Option<PathBuf>) -> Result<Option<TlsFiles>, ConfigError> {
    match (certificate, key) {
        (Some(certificate), Some(key)) => Ok(Some(TlsFiles { certificate, key })),
        (None, None) => Ok(None),
        (Some(_), None) => Err(ConfigError::Conflict("tls-certificate is set, but tls-key is not")),
        (None, Some(_)) => Err(ConfigError::Conflict("tls-key is set, but tls-certificate is not")),
    }
}

impl Proxies {
    fn checked(self) -> Result<Self, ConfigError> {
        match &self {
            Self { trusted, proxy_protocol: true, .. } if trusted.is_empty() => {
                Err(ConfigError::Conflict("proxy-protocol is set, but trusted-proxy is not"))
            }
            Self { trusted, end_tls: true, .. } if trusted.is_empty() => {
                Err(ConfigError::Conflict("tls-at-proxy is set, but trusted-proxy is not"))
            }
            _ => Ok(self),
        }
    }
}

impl ExternalIce {
    fn checked(self) -> Result<Self, ConfigError> {
        let relays = self.urls.iter().any(IceUrl::is_turn);
        match (relays, self.secret.is_some()) {
            // A browser refuses a TURN server without a credential, and with it the whole list.
            (true, false) => Err(ConfigError::Conflict("ice-server names a TURN server, but ice-secret is not set")),
            (false, true) => Err(ConfigError::Conflict("ice-secret is set, but ice-server names no TURN server")),
            _ => Ok(self),
        }
    }
}

#[cfg(test)]
mod tests;
