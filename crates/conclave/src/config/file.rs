//! The TOML file.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::values::{Bounded, Days, FrameAncestor, LogFilter, LogFormat, Origin};

/// The same names as on the command line.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct File {
    pub listen: Option<SocketAddr>,
    pub data: Option<PathBuf>,
    pub public_address: Option<Vec<IpAddr>>,
    pub allowed_origin: Option<Vec<Origin>>,
    pub frame_ancestor: Option<Vec<FrameAncestor>>,
    pub tls_certificate: Option<PathBuf>,
    pub tls_key: Option<PathBuf>,
    pub log: Option<LogFilter>,
    pub log_format: Option<LogFormat>,
    pub max_connections: Option<Bounded<16, 1_000_000>>,
    pub max_rooms: Option<Bounded<1, 100_000>>,
    pub mesh_limit: Option<Bounded<2, 16>>,
    pub resume_grace: Option<Bounded<1, 300>>,
    pub forget_rooms_after: Option<Days>,
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
    for named in [&mut file.data, &mut file.tls_certificate, &mut file.tls_key].into_iter().flatten() {
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
            text: text.lines().nth(line - 1).unwrap_or_default().trim().to_owned(),
        }
    })
}
