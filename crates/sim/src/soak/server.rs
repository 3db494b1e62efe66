//! The server: a process of its own on loopback, and what is known of it from outside.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::SoakError;
use crate::measure::ProcessUse;
use crate::signal::{Bearer, Site, Trust, fetch};

/// A running server, ended when dropped.
pub(super) struct Server {
    child: Child,
    /// Its address, path `/`.
    pub(super) site: Site,
    metrics: Site,
    folder: TempDir,
}

/// What a server holds at one moment.
#[derive(Clone, Debug)]
pub(super) struct Holds {
    pub(super) process: ProcessUse,
    /// Open file descriptors.
    pub(super) descriptors: usize,
}

/// How long it may take to start.
const STARTING: Duration = Duration::from_secs(20);
/// Seconds after which somebody who vanished is given up: waves are short.
const RESUME_GRACE: &str = "1";
/// Participants who have left that it remembers for its administrator: fewer than one wave brings, so that from the first
/// wave on this is the same memory.
const REMEMBERED: &str = "10";

impl Server {
    /// Starts the program with so many media threads (its own choice without).
    pub(super) async fn start(program: &Path, media_threads: Option<u8>) -> Result<Self, SoakError> {
        let folder = tempfile::tempdir()?;
        // Nobody else is given this port so soon after.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let log = fs::File::create(folder.path().join("log"))?;
        let mut command = Command::new(program);
        command.args(["serve", "--log", "warn", "--resume-grace", RESUME_GRACE]);
        command.args(["--remember-participants", REMEMBERED]);
        command.args(["--listen", &format!("127.0.0.1:{port}"), "--public-address", "127.0.0.1"]);
        command.arg("--data").arg(folder.path().join("data"));
        if let Some(threads) = media_threads {
            command.args(["--media-threads", &threads.to_string()]);
        }
        let child = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn();
        let child = child.map_err(|error| SoakError::Program(program.to_owned(), error))?;
        let address = |path: &str| format!("https://127.0.0.1:{port}{path}").parse().map_err(io::Error::other);
        let mut server = Self { child, site: address("/")?, metrics: address("/metrics")?, folder };
        let deadline = Instant::now() + STARTING;
        while !server.site.listens(Trust::Anybody).await {
            if !server.runs() || Instant::now() >= deadline {
                return Err(SoakError::Silent(server.log()));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(server)
    }

    /// Its process.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has not ended.
    pub(super) fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// What it wrote.
    pub(super) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// The administrator's token.
    pub(super) fn token(&self) -> Result<Bearer, SoakError> {
        let token = fs::read_to_string(self.folder.path().join("data/admin-token"))?;
        let Ok(token) = token.trim().parse();
        Ok(token)
    }

    /// What it counts: every series by its name and labels.
    pub(super) async fn metrics(&self) -> Result<Metrics, SoakError> {
        Ok(Metrics::parse(&fetch(&self.metrics, Trust::Anybody, None).await?))
    }

    /// What it holds now.
    pub(super) fn holds(&self) -> Result<Holds, SoakError> {
        let pid = self.child.id();
        let process = ProcessUse::of(pid).ok_or_else(|| SoakError::Silent(self.log()))?;
        Ok(Holds { process, descriptors: fs::read_dir(format!("/proc/{pid}/fd"))?.count() })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server's metrics in the text format of Prometheus.
#[derive(Clone, Debug, Default)]
pub(super) struct Metrics(BTreeMap<String, f64>);

impl Metrics {
    fn parse(text: &str) -> Self {
        let series = text.lines().filter(|line| !line.starts_with('#'));
        let series = series.filter_map(|line| line.rsplit_once(' '));
        Self(series.filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?))).collect())
    }

    /// All series of this name, or those whose name and labels begin so, together.
    pub(super) fn sum(&self, name: &str) -> f64 {
        self.of(name).map(|(_, value)| value).sum()
    }

    /// The series of this name with their labels.
    pub(super) fn of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a str, f64)> {
        let is_of = move |series: &str| {
            let rest = series.strip_prefix(name);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('{') || name.contains('{'))
        };
        self.0.iter().filter(move |(series, _)| is_of(series)).map(|(series, value)| (series.as_str(), *value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_found_by_name_and_by_their_first_labels() {
        let text = "# HELP a b\na 1\na{x=\"1\",y=\"2\"} 2\na{x=\"2\"} 3.5\nab 10\nempty\n";
        let metrics = Metrics::parse(text);
        assert_eq!(
            (metrics.sum("a"), metrics.sum("a{x=\"1\""), metrics.sum("ab"), metrics.sum("b")),
            (6.5, 2.0, 10.0, 0.0)
        );
    }
}
