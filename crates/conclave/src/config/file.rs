//! The TOML file.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::acme::{AcmeContact, AcmeDirectory, AcmeDomain};
use super::network::{IceUrl, Network, PublicAddress};
use super::values::{Bounded, Controller, Days, FrameAncestor, LogFilter, LogFormat, Origin, SharedSecret};

/// The same names as on the command line.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct File {
    pub listen: Option<SocketAddr>,
    pub data: Option<PathBuf>,
    pub public_address: Option<Vec<PublicAddress>>,
    pub trusted_proxy: Option<Vec<Network>>,
    pub proxy_protocol: Option<bool>,
    pub tls_at_proxy: Option<bool>,
    pub allowed_origin: Option<Vec<Origin>>,
    pub frame_ancestor: Option<Vec<FrameAncestor>>,
    pub tls_certificate: Option<PathBuf>,
    pub tls_key: Option<PathBuf>,
    pub acme_domain: Option<Vec<AcmeDomain>>,
    pub acme_contact: Option<Vec<AcmeContact>>,
    pub acme_directory: Option<AcmeDirectory>,
    pub acme_root: Option<PathBuf>,
    pub ice_server: Option<Vec<IceUrl>>,
    pub ice_secret: Option<SharedSecret>,
    pub relay_bitrate: Option<Bounded<1, 1_000>>,
    pub media_threads: Option<Bounded<1, 64>>,
    pub qos: Option<Qos>,
    pub log: Option<LogFilter>,
    pub log_format: Option<LogFormat>,
    pub max_connections: Option<Bounded<16, 1_000_000>>,
    pub max_rooms: Option<Bounded<1, 100_000>>,
    pub mesh_limit: Option<Bounded<2, 16>>,
    pub resume_grace: Option<Bounded<1, 300>>,
    pub remember_participants: Option<Bounded<0, 100_000>>,
    pub forget_rooms_after: Option<Days>,
}

/// What begins with `qos.`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Qos {
    pub controller: Option<Controller>,
}

/// What is wrong with the file. Names the line.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("cannot read {path}: {error}", path = .path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A line is wrong.
    #[error("{path}, line {line}: {message}\n  {text}", path = .path.display())]
    Wrong {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// What is wrong.
        message: String,
        /// The line.
        text: String,
    },
}

/// Reads a file. Paths in it are relative to its folder.
pub(super) fn read(path: &Path) -> Result<File, FileError> {
    let text = std::fs::read_to_string(path).map_err(|error| FileError::Unreadable { path: path.to_owned(), error })?;
    let mut file = parse(path, &text)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    for named in
        [&mut file.data, &mut file.tls_certificate, &mut file.tls_key, &mut file.acme_root].into_iter().flatten()
    {
        *named = folder.join(&*named);
    }
    Ok(file)
}

pub(super) fn parse(path: &Path, text: &str) -> Result<File, FileError> {
    toml::from_str(text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start).min(text.len());
        let line = text.as_bytes()[..start].iter().filter(|byte| **byte == b'\n').count() + 1;
        FileError::Wrong {
            path: path.to_owned(),
            line,
            message: error.message().to_owned(),
            text: shown(text.lines().nth(line - 1).unwrap_or_default().trim()),
        }
    })
}

/// A line as it may be shown: without the secret that somebody mistyped.
fn shown(line: &str) -> String {
    if line.starts_with("ice-secret") { "ice-secret = ***".into() } else { line.to_owned() }
}
