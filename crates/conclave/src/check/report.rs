//! What a check found, for people and for programs.

use std::fmt;

use serde::Serialize;

/// What a check found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// The server.
    pub url: String,
    /// The result in one word.
    pub verdict: Verdict,
    /// The same in a sentence.
    pub summary: String,
    /// Each way, from the page to the last resort.
    pub rungs: Vec<Rung>,
    /// What can be done, most important first.
    pub advice: Vec<String>,
}

/// The result in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Every rung works.
    Works,
    /// Meetings work, though not by every way.
    Partly,
    /// Meetings do not work from here.
    Fails,
}

impl Verdict {
    /// For the shell.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Works => 0,
            Self::Partly => 1,
            Self::Fails => 2,
        }
    }
}

/// What was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RungName {
    /// The page over HTTPS.
    Page,
    /// The server's certificate.
    Certificate,
    /// The WebSocket.
    Websocket,
    /// Media over UDP to the addresses that clients are told.
    Udp,
    /// Media over TCP to them.
    Tcp,
    /// A relay over UDP.
    TurnUdp,
    /// A relay over TCP.
    TurnTcp,
    /// A relay over TLS.
    TurnTls,
}

impl RungName {
    fn label(self) -> &'static str {
        match self {
            Self::Page => "Page",
            Self::Certificate => "Certificate",
            Self::Websocket => "WebSocket",
            Self::Udp => "Media, UDP",
            Self::Tcp => "Media, TCP",
            Self::TurnUdp => "Relay, UDP",
            Self::TurnTcp => "Relay, TCP",
            Self::TurnTls => "Relay, TLS",
        }
    }
}

/// One way, and whether it is open.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rung {
    /// Which.
    pub name: RungName,
    /// None: it could not be tried.
    pub works: Option<bool>,
    /// What was seen.
    pub words: String,
    /// Of a round trip, or of the whole page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub milliseconds: Option<f64>,
    /// Share of packets lost there and back, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss: Option<f64>,
}

impl fmt::Display for Report {
    /// For a terminal, without colours.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n", self.url)?;
        for rung in &self.rungs {
            let word = match rung.works {
                Some(true) => "works",
                Some(false) => "FAILS",
                None => "-",
            };
            writeln!(f, "  {:<12} {word:<6} {}", rung.name.label(), rung.words)?;
        }
        writeln!(f, "\n{}", self.summary)?;
        for advice in &self.advice {
            writeln!(f, "\n- {advice}")?;
        }
        Ok(())
    }
}
