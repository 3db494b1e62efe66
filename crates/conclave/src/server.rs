//! Putting the parts together, and taking them apart again.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use conclave_media::{Announce, MediaConfig, MediaError, MediaHandle, MediaLimits, RelayConfig};
use conclave_room::RoomConfig;
use conclave_turn::TurnSecret;
use rustix::fs::{FlockOperation, flock};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::auth::{Auth, SecretFileError};
use crate::config::Config;
use crate::http::{self, App, AppState, Checks, Feeds, Page};
use crate::ice::IceServers;
use crate::monitor::Monitor;
use crate::net::{self, Acceptor, AcceptorParts, BindError, CertificateError, Certificates};
use crate::rooms::{Rooms, unix_ms};
use crate::signal::Signal;
use crate::storage::{Storage, StorageError, StorageThread};
use crate::streams::Streams;

/// When clients may come back after the server said that it stops.
const RETRY_AFTER: Duration = Duration::from_millis(1_500);
/// For each part of the way down. Together they stay below the 10 s after which service managers
/// lose patience.
const STOP: Duration = Duration::from_secs(3);
/// Between looks at unused rooms.
const CARE: Duration = Duration::from_secs(3_600);
/// Files besides connections: database, log, sockets.
const OTHER_FILES: u64 = 64;

/// Why the program does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data folder.
    #[error("cannot use the data folder {path}: {error}", path = .path.display())]
    Data {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// Another process uses the data folder.
    #[error("another Conclave uses the data folder {path}; stop it, or name another with --data", path = .0.display())]
    DataInUse(PathBuf),
    /// A secret in it.
    #[error(transparent)]
    Secret(#[from] SecretFileError),
    /// The database in it.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The certificate.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// TLS itself.
    #[error("TLS cannot be used: {0}")]
    Tls(#[from] rustls::Error),
    /// The port.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The media plane.
    #[error("the media plane did not start: {0}")]
    Media(#[from] MediaError),
    /// The runtime refused the socket.
    #[error("cannot use the TCP socket: {0}")]
    Socket(#[source] std::io::Error),
}

/// A running server. Dropped without [`Server::stop`], it goes on until the runtime ends.
pub struct Server {
    address: SocketAddr,
    certificates: Arc<Certificates>,
    app: App,
    acceptor: JoinHandle<()>,
    router: JoinHandle<()>,
    storage_thread: StorageThread,
    /// Locked as long as the data folder is in use.
    _lock: std::fs::File,
}

impl Server {
    /// Starts everything. When it returns, connections are served; when it fails, nothing runs.
    ///
    /// # Errors
    /// [`StartError`], in words for whoever starts the program.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let lock = lock_data_folder(&config)?;
        let auth = Auth::open(&config.data)?;
        let (storage, storage_thread) = Storage::open(&config.data)?;
        let local = net::local_addresses();
        let named: Vec<_> = config.public_addresses.iter().map(|address| address.ip).chain(local).collect();
        let certificates = Certificates::open(
            config.tls_files.as_ref(),
            config.acme.as_ref(),
            &config.data,
            &named,
            SystemTime::now(),
        )?;
        let tls = TlsAcceptor::from(certificates.server_config()?);
        let bound = net::bind(config.listen, config.listen_is_default, config.media_threads)?;
        let listener = TcpListener::from_std(bound.tcp).map_err(StartError::Socket)?;
        // Before anything counts: a counter that is made earlier counts for nobody.
        crate::metrics::recorder();
        let relay_secret = TurnSecret::random(&mut rand::rng());
        let announce = config.public_addresses.iter().map(|address| Announce { ip: address.ip, port: address.port });
        let (media, events) = conclave_media::start(MediaConfig {
            udp: bound.udp,
            announce: announce.collect(),
            relay: RelayConfig { secret: relay_secret.clone(), limits: relay_limits(config.relay_mbits) },
            controller: config.qos_controller,
            limits: MediaLimits::default(),
        })?;

        let room_config =
            RoomConfig { mesh_limit: config.mesh_limit, resume_grace: config.resume_grace, ..RoomConfig::default() };
        let ice = IceServers::new(relay_secret, media.announced(), &config.external_ice);
        let rooms = Rooms::new(room_config, config.max_rooms as usize, storage.clone(), media.clone(), ice.clone());
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let app = App::new(AppState {
            page: Page::new(&config.frame_ancestors),
            auth,
            storage,
            rooms: rooms.clone(),
            media,
            ice,
            signal: Signal::default(),
            streams: Streams::default(),
            checks: Checks::default(),
            monitor: Monitor::new(config.remember_participants),
            feeds: Feeds::default(),
            stop: stop.clone(),
            tasks: tasks.clone(),
            config,
        });
        let files = net::raise_file_limit().saturating_sub(OTHER_FILES);
        let acceptor = Acceptor::new(AcceptorParts {
            router: http::router(app.clone()),
            redirect: http::redirect_to_https(),
            tls,
            media: app.media.clone(),
            proxies: app.config.proxies.clone(),
            max_connections: usize::try_from(files).unwrap_or(usize::MAX).min(app.config.max_connections as usize),
            stop: stop.clone(),
            tasks,
        });
        let port = bound.address.port();
        tokio::spawn(stop.clone().run_until_cancelled_owned(certificates.clone().keep_fresh(port)));
        tokio::spawn(stop.clone().run_until_cancelled_owned(take_care(app.clone())));
        let monitor = app.monitor.clone().run(app.media.clone(), rooms.clone());
        tokio::spawn(stop.clone().run_until_cancelled_owned(monitor));
        Ok(Self {
            address: bound.address,
            certificates,
            acceptor: tokio::spawn(acceptor.run(listener)),
            router: tokio::spawn(rooms.route_media(events)),
            app,
            storage_thread,
            _lock: lock,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What whoever started the program wants to know, in plain words.
    pub fn announcement(&self) -> String {
        let config = &self.app.config;
        crate::announce::announcement(&crate::announce::Facts {
            address: self.address,
            local: net::local_addresses(),
            announced: self.app.media.announced().to_vec(),
            data: std::path::absolute(&config.data).unwrap_or_else(|_| config.data.clone()),
            origin: self.certificates.origin(),
            certificate: self.certificates.facts(),
            acme_names: config
                .acme
                .iter()
                .flat_map(|acme| &acme.domains)
                .map(|name| name.as_str().to_owned())
                .collect(),
            tls_at_proxy: config.proxies.end_tls,
            now: unix_ms() / 1_000,
        })
    }

    /// Tells everybody, lets them go, and ends. Takes a few seconds at most.
    pub async fn stop(self) {
        tracing::info!("stopping");
        self.app.stop.cancel();
        let late = |what| move |_| tracing::warn!(what, "did not end in time");
        let _ = timeout(STOP, self.app.rooms.stop(RETRY_AFTER)).await.map_err(late("meetings"));
        let _ = self.acceptor.await;
        self.app.tasks.close();
        let _ = timeout(STOP, self.app.tasks.wait()).await.map_err(late("connections"));
        let media: MediaHandle = self.app.media.clone();
        let _ = timeout(STOP, media.shutdown()).await.map_err(late("the media plane"));
        self.router.abort();
        let _ = timeout(STOP, self.app.storage.flush()).await.map_err(late("the database"));
        drop(self.app);
        let _ = timeout(STOP, self.storage_thread.finish()).await;
        tracing::info!("stopped");
    }
}

/// Voices alone make some 50 packets of 20 kbit/s each second; with several of them, packets are what
/// is bounded first.
const FEWEST_PACKETS: u64 = 1_000;
/// Media that is not voices: packets of 500 bytes on average.
const PACKETS_PER_MBIT: u64 = 250;

fn relay_limits(mbits: u32) -> conclave_turn::Limits {
    let mbits = u64::from(mbits);
    conclave_turn::Limits {
        bits_per_second: mbits * 1_000_000,
        packets_per_second: (mbits * PACKETS_PER_MBIT).max(FEWEST_PACKETS),
        ..conclave_turn::Limits::default()
    }
}

/// The folder, made if need be, for this process alone: two would overwrite each other's rooms.
fn lock_data_folder(config: &Config) -> Result<std::fs::File, StartError> {
    use std::os::unix::fs::DirBuilderExt;
    let path = &config.data;
    let failed = |error| StartError::Data { path: path.clone(), error };
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
    let lock =
        std::fs::OpenOptions::new().create(true).truncate(false).write(true).open(path.join("lock")).map_err(failed)?;
    match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(lock),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(StartError::DataInUse(path.clone())),
        Err(error) => Err(failed(error.into())),
    }
}

/// What has to be done now and then.
async fn take_care(app: App) {
    let mut often = tokio::time::interval(CARE);
    loop {
        often.tick().await;
        let days = u64::from(app.config.forget_rooms_after.0);
        app.storage.forget_unused_since(unix_ms().saturating_sub(days * 24 * 3_600 * 1_000));
    }
}
