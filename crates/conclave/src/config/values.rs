//! Values of options, checked when they are read. One parser serves command line, environment and
//! file.

use std::fmt;
use std::str::FromStr;

use conclave_media::{Algorithm, UnknownAlgorithm};
use serde::Deserialize;

/// Why a value was refused, and what would be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ValueError(String);

impl ValueError {
    pub(super) fn new(why: String) -> Self {
        Self(why)
    }
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Congestion control, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Controller(pub Algorithm);

impl FromStr for Controller {
    type Err = ValueError;
    fn from_str(name: &str) -> Result<Self, ValueError> {
        name.parse().map(Self).map_err(|error: UnknownAlgorithm| ValueError(error.to_string()))
    }
}

impl TryFrom<String> for Controller {
    type Error = ValueError;
    fn try_from(name: String) -> Result<Self, ValueError> {
        name.parse()
    }
}

/// An origin (RFC 6454): scheme, host and port, without a path.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Origin(String);

impl Origin {
    /// As browsers write it in the `Origin` header: in lower case, without a default port.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Origin {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let refused = || ValueError(format!("{text:?} is not an origin such as https://meet.example.org"));
        let lower = text.trim_end_matches('/').to_ascii_lowercase();
        let (scheme, authority) = lower.split_once("://").ok_or_else(refused)?;
        let default_port = match scheme {
            "https" => ":443",
            "http" => ":80",
            _ => return Err(refused()),
        };
        let authority: axum::http::uri::Authority = authority.parse().map_err(|_| refused())?;
        if authority.as_str().contains('@') || authority.host().contains('*') {
            return Err(refused());
        }
        let authority = authority.as_str();
        Ok(Self(format!("{scheme}://{}", authority.strip_suffix(default_port).unwrap_or(authority))))
    }
}

impl TryFrom<String> for Origin {
    type Error = ValueError;
    fn try_from(text: String) -> Result<Self, ValueError> {
        text.parse()
    }
}

/// A host source of the Content Security Policy directive `frame-ancestors`: `'self'` or an origin,
/// whose host may start with `*.`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct FrameAncestor(String);

impl fmt::Display for FrameAncestor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for FrameAncestor {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let refused = || ValueError(format!("{text:?} is neither 'self' nor an origin such as https://*.example.org"));
        if text == "self" || text == "'self'" {
            return Ok(Self("'self'".into()));
        }
        // The wildcard is CSP's alone; what remains must be an origin.
        let origin: Origin = text.replacen("://*.", "://", 1).parse().map_err(|_| refused())?;
        let wildcard = text.contains("://*.");
        Ok(Self(if wildcard { origin.as_str().replacen("://", "://*.", 1) } else { origin.as_str().to_owned() }))
    }
}

impl TryFrom<String> for FrameAncestor {
    type Error = ValueError;
    fn try_from(text: String) -> Result<Self, ValueError> {
        text.parse()
    }
}

/// A number of days, 1 to 36,500.
pub type Days = Bounded<1, 36_500>;

/// A number from `MIN` to `MAX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "i64")]
pub struct Bounded<const MIN: u32, const MAX: u32>(pub u32);

impl Days {
    /// After so long without anybody a room is forgotten, unless its owner says otherwise.
    pub const DEFAULT: Self = Self(90);
}

impl<const MIN: u32, const MAX: u32> TryFrom<i64> for Bounded<MIN, MAX> {
    type Error = ValueError;
    fn try_from(number: i64) -> Result<Self, ValueError> {
        match u32::try_from(number) {
            Ok(number) if (MIN..=MAX).contains(&number) => Ok(Self(number)),
            _ => Err(ValueError(format!("{number} is not between {MIN} and {MAX}"))),
        }
    }
}

impl<const MIN: u32, const MAX: u32> FromStr for Bounded<MIN, MAX> {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let number: i64 =
            text.parse().map_err(|_| ValueError(format!("{text:?} is not a whole number between {MIN} and {MAX}")))?;
        number.try_into()
    }
}

/// A secret shared with another program. Never printed.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct SharedSecret(String);

impl SharedSecret {
    /// The secret itself.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for SharedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedSecret(***)")
    }
}

impl FromStr for SharedSecret {
    type Err = ValueError;
    /// Only an empty one is refused: an error message quotes the value.
    fn from_str(text: &str) -> Result<Self, ValueError> {
        if text.is_empty() { Err(ValueError("the secret is empty".into())) } else { Ok(Self(text.to_owned())) }
    }
}

impl TryFrom<String> for SharedSecret {
    type Error = ValueError;
    fn try_from(text: String) -> Result<Self, ValueError> {
        text.parse()
    }
}

/// A filter of log lines: `info`, or `debug,conclave::http=trace`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct LogFilter(pub String);

impl FromStr for LogFilter {
    type Err = ValueError;
    fn from_str(text: &str) -> Result<Self, ValueError> {
        // EnvFilter reads any single word as a target, so a misspelt level would silence the log.
        let known = |level: &str| level.parse::<tracing::level_filters::LevelFilter>().is_ok();
        let words_are_levels =
            text.split(',').all(|part| part.split_once('=').map_or_else(|| known(part.trim()), |_| true));
        if !words_are_levels || tracing_subscriber::EnvFilter::try_new(text).is_err() {
            return Err(ValueError(format!(
                "{text:?} is not a level (error, warn, info, debug, trace, off) or a filter"
            )));
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for LogFilter {
    type Error = ValueError;
    fn try_from(text: String) -> Result<Self, ValueError> {
        text.parse()
    }
}
