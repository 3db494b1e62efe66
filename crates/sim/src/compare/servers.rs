//! Servers as processes, each with a folder of its own, ended when nobody needs them any more.

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use thiserror::Error;

use super::Comparison;
use super::inside::Inside;
use crate::load::Target;
use crate::signal::{Site, Trust};

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ServerKind {
    Conclave,
    /// It makes as many shards as it may use cores.
    ConclaveOnOneCore,
    Janus,
}

impl ServerKind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Conclave | Self::ConclaveOnOneCore => "conclave",
            Self::Janus => "janus",
        }
    }
}

/// Why a server does not run.
#[derive(Debug, Error)]
pub enum StartError {
    /// The system does not start it.
    #[error("{server} cannot be started: {error}")]
    System {
        /// Which one.
        server: &'static str,
        /// Why.
        error: io::Error,
    },
    /// It ends at once, or nobody can reach it.
    #[error("{server} does not listen: {output}")]
    Silent {
        /// Which one.
        server: &'static str,
        /// The end of what it had to say.
        output: String,
    },
}

/// A server that runs.
pub(super) struct Running {
    child: Child,
    target: Target,
    site: Site,
    folder: TempDir,
}

const CONCLAVE_PORT: u16 = 8443;
const JANUS_PORT: u16 = 8188;
const STARTING: Duration = Duration::from_secs(20);

impl Running {
    pub(super) async fn start(kind: ServerKind, comparison: &Comparison) -> Result<Self, StartError> {
        let system = |error| StartError::System { server: kind.name(), error };
        let folder = tempfile::tempdir().map_err(system)?;
        let (mut command, url) = match kind {
            ServerKind::Conclave | ServerKind::ConclaveOnOneCore => conclave(kind, comparison, folder.path()),
            ServerKind::Janus => janus(comparison, folder.path()).map_err(system)?,
        };
        let log = folder.path().join("log");
        let output = fs::File::create(&log).map_err(system)?;
        let errors = output.try_clone().map_err(system)?;
        let child = command.stdin(Stdio::null()).stdout(output).stderr(errors).spawn().map_err(system)?;
        let site: Site = url.parse().map_err(|error| system(io::Error::other(format!("{url}: {error}"))))?;
        let target = match kind {
            ServerKind::Janus => Target::Janus { site: site.clone(), trust: Trust::Anybody, room: 1 },
            _ => Target::Conclave { site: site.clone(), trust: Trust::Anybody, bearer: None, room: "bench".to_owned() },
        };
        let mut running = Self { child, target, site, folder };
        running.wait(kind, &log).await?;
        Ok(running)
    }

    async fn wait(&mut self, kind: ServerKind, log: &Path) -> Result<(), StartError> {
        let deadline = Instant::now() + STARTING;
        while !self.site.listens(Trust::Anybody).await {
            let ended = !matches!(self.child.try_wait(), Ok(None));
            if ended || Instant::now() >= deadline {
                let said = fs::read_to_string(log).unwrap_or_default();
                let start = said.char_indices().rev().nth(500).map_or(0, |(at, _)| at);
                return Err(StartError::Silent { server: kind.name(), output: said[start..].to_owned() });
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// What Conclave says of how long packets were in it.
    pub(super) async fn inside(&self) -> Option<Inside> {
        let token = fs::read_to_string(self.folder.path().join("data/admin-token")).ok()?;
        let bearer = token.trim().parse().ok()?;
        Inside::fetch(&self.site.join("metrics").ok()?, &bearer).await
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn target(&self) -> Target {
        self.target.clone()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn conclave(kind: ServerKind, comparison: &Comparison, folder: &Path) -> (Command, String) {
    let address = comparison.server_address;
    let listen = std::net::SocketAddr::new(address, CONCLAVE_PORT);
    let mut command = match kind {
        ServerKind::ConclaveOnOneCore => {
            let mut command = comparison.in_namespace(Path::new("taskset"));
            command.args(["--cpu-list", "0"]).arg(&comparison.conclave);
            command
        }
        _ => comparison.in_namespace(&comparison.conclave),
    };
    command.args(["serve", "--log", "warn", "--listen", &listen.to_string()]);
    command.args(["--public-address", &address.to_string(), "--data"]).arg(folder.join("data"));
    (command, format!("https://{listen}"))
}

/// Janus with its videoroom and WebSockets and nothing else.
fn janus(comparison: &Comparison, folder: &Path) -> io::Result<(Command, String)> {
    let Some(program) = &comparison.janus else { return Err(io::ErrorKind::NotFound.into()) };
    let address = comparison.server_address;
    let libraries = ["/usr/lib/x86_64-linux-gnu/janus", "/usr/lib/aarch64-linux-gnu/janus", "/usr/lib/janus"];
    let library = libraries.iter().map(Path::new).find(|path| path.join("plugins").exists());
    let library = library.ok_or_else(|| io::Error::other("Janus's plugins are in none of the usual places"))?;
    // An empty folder has no modules.
    let none = folder.join("none");
    fs::create_dir(&none)?;
    let others = |kind: &str, wanted: &str| -> io::Result<String> {
        let names =
            fs::read_dir(library.join(kind))?.flatten().map(|file| file.file_name().to_string_lossy().into_owned());
        let others: Vec<_> = names.filter(|name| name.ends_with(".so") && name != wanted).collect();
        Ok(others.join(","))
    };
    let general = format!(
        "general: {{ configs_folder = \"{folder}\"; plugins_folder = \"{library}/plugins\"; \
         transports_folder = \"{library}/transports\"; events_folder = \"{none}\"; loggers_folder = \"{none}\"; \
         debug_level = 2; debug_colors = false; }}\n\
         nat: {{ ice_enforce_list = \"{address}\"; }}\n\
         plugins: {{ disable = \"{plugins}\"; }}\n\
         transports: {{ disable = \"{transports}\"; }}\n",
        folder = folder.display(),
        library = library.display(),
        none = none.display(),
        plugins = others("plugins", "libjanus_videoroom.so")?,
        transports = others("transports", "libjanus_websockets.so")?,
    );
    fs::write(folder.join("janus.jcfg"), general)?;
    fs::write(folder.join("janus.plugin.videoroom.jcfg"), "general: {}\n")?;
    let sockets = format!("general: {{ json = \"compact\"; ws = true; ws_port = {JANUS_PORT}; wss = false; }}\n");
    fs::write(folder.join("janus.transport.websockets.jcfg"), sockets)?;
    let mut command = comparison.in_namespace(program);
    command.arg("--configs-folder").arg(folder).arg("--config").arg(folder.join("janus.jcfg"));
    Ok((command, format!("ws://{address}:{JANUS_PORT}/")))
}
