//! One media section of an offer.

use std::fmt::Write;

use super::h264::{self, Disguise};
use super::{OfferRefused, Side};

/// ICE and DTLS parameters.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Transport<'a> {
    pub(super) ufrag: Option<&'a str>,
    pub(super) password: Option<&'a str>,
    pub(super) fingerprint: Option<&'a str>,
    pub(super) setup: Option<&'a str>,
}

impl<'a> Transport<'a> {
    pub(super) fn attribute(&mut self, name: &str, value: &'a str) {
        match name {
            "ice-ufrag" => self.ufrag = Some(value),
            "ice-pwd" => self.password = Some(value),
            // Some name one certificate by several digests (RFC 8122 section 5); every client has SHA-256.
            "fingerprint" => {
                let is_sha256 = |value: &str| value.get(..8).is_some_and(|hash| hash.eq_ignore_ascii_case("sha-256 "));
                if self.fingerprint.is_none() || is_sha256(value) {
                    self.fingerprint = Some(value);
                }
            }
            "setup" => self.setup = Some(value),
            _ => {}
        }
    }

    /// These, and what they lack of the others.
    pub(super) fn or(self, other: &Self) -> Self {
        Self {
            ufrag: self.ufrag.or(other.ufrag),
            password: self.password.or(other.password),
            fingerprint: self.fingerprint.or(other.fingerprint),
            setup: self.setup.or(other.setup),
        }
    }
}

#[derive(Debug)]
pub(super) struct Section<'a> {
    pub(super) kind: &'a str,
    pub(super) mid: Option<&'a str>,
    pub(super) transport: Transport<'a>,
    /// Of the layers that the client sends, in the order in which it prefers them.
    pub(super) rids: Vec<&'a str>,
    port: &'a str,
    protocol: &'a str,
    formats: Vec<&'a str>,
    direction: Option<&'a str>,
    bundle_only: bool,
    rtcp_mux: bool,
    pub(super) codecs: Vec<Codec<'a>>,
    /// What the engine is told as it is, in order.
    kept: Vec<(&'a str, &'a str)>,
}

/// A format with its name and parameters.
#[derive(Debug)]
pub(super) struct Codec<'a> {
    pub(super) format: &'a str,
    /// `VP8/90000`
    pub(super) encoding: &'a str,
    pub(super) parameters: &'a str,
}

impl Codec<'_> {
    pub(super) fn is(&self, name: &str) -> bool {
        self.encoding.split('/').next().is_some_and(|encoding| encoding.eq_ignore_ascii_case(name))
    }

    /// A parameter of `a=fmtp` (RFC 8866 section 6.15).
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        let pairs = self.parameters.split(';').filter_map(|pair| pair.trim().split_once('='));
        pairs.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }
}

impl<'a> Section<'a> {
    /// From `audio 9 UDP/TLS/RTP/SAVPF 111 63`.
    pub(super) fn read(line: &'a str) -> Option<Self> {
        let mut words = line.split(' ').filter(|word| !word.is_empty());
        let (kind, port, protocol) = (words.next()?, words.next()?, words.next()?);
        port.parse::<u16>().ok()?;
        let formats: Vec<_> = words.collect();
        (!formats.is_empty()).then(|| Self {
            kind,
            mid: None,
            transport: Transport::default(),
            rids: Vec::new(),
            port,
            protocol,
            formats,
            direction: None,
            bundle_only: false,
            rtcp_mux: false,
            codecs: Vec::new(),
            kept: Vec::new(),
        })
    }

    pub(super) fn attribute(&mut self, name: &'a str, value: &'a str) {
        match name {
            "mid" => self.mid = Some(value),
            "sendrecv" | "sendonly" | "recvonly" | "inactive" => self.direction = Some(name),
            "bundle-only" => self.bundle_only = true,
            "rtcp-mux" => self.rtcp_mux = true,
            "rtpmap" => {
                if let Some((format, encoding)) = value.split_once(' ') {
                    self.codecs.push(Codec { format, encoding, parameters: "" });
                }
            }
            "fmtp" => {
                if let Some((format, parameters)) = value.split_once(' ')
                    && let Some(codec) = self.codecs.iter_mut().find(|codec| codec.format == format)
                {
                    codec.parameters = parameters;
                }
            }
            "rid" => {
                // `q send …` (RFC 8851)
                let mut words = value.split(' ');
                if let (Some(rid), Some("send")) = (words.next(), words.next()) {
                    self.rids.push(rid);
                }
            }
            // The server sends no checks, and so has no use for the client's addresses.
            "candidate" | "end-of-candidates" | "remote-candidates" | "ice-options" => {}
            // The engine reads no more than it needs.
            "extmap" | "rtcp-fb" | "ssrc" | "ssrc-group" | "msid" | "rtcp-rsize" | "simulcast" => {
                self.kept.push((name, value));
            }
            _ => self.transport.attribute(name, value),
        }
    }

    /// Whether the client itself has no use for it (RFC 3264 section 6; RFC 9143 section 6).
    pub(super) fn is_rejected(&self) -> bool {
        self.port == "0" && !self.bundle_only
    }

    /// Whether media flows in it the way that this side wants. Without a word it flows both ways (RFC
    /// 8866 section 6.7), and both is more than enough: aiortc offers every track so.
    pub(super) fn flows(&self, side: Side, session: Option<&str>) -> bool {
        let direction = self.direction.or(session).unwrap_or("sendrecv");
        direction == "sendrecv" || direction == side.direction()
    }

    pub(super) fn is_media(&self) -> bool {
        matches!(self.kind, "audio" | "video")
    }

    pub(super) fn check_transport(&self) -> Result<(), OfferRefused> {
        // RFC 8829 section 5.1.2 wants the UDP form taken for the TCP form and the other way around.
        if !matches!(self.protocol, "UDP/TLS/RTP/SAVPF" | "TCP/TLS/RTP/SAVPF" | "RTP/SAVPF") {
            return Err(OfferRefused::Unacceptable("media is taken as UDP/TLS/RTP/SAVPF only"));
        }
        if self.rtcp_mux {
            return Ok(());
        }
        Err(OfferRefused::Unacceptable("RTP and RTCP are not on one port (a=rtcp-mux)"))
    }

    /// Whether it has a codec that is taken. For H.264: how the engine is to see it.
    pub(super) fn check_codecs(&self, side: Side) -> Result<Option<Disguise>, &'static str> {
        let offers = |name: &str| self.codecs.iter().any(|codec| codec.is(name));
        if self.kind == "audio" {
            return if offers("opus") { Ok(None) } else { Err("the audio section does not offer Opus") };
        }
        let h264 = h264::choose(&self.codecs, side);
        if h264.is_none() && !offers("VP8") {
            return Err("the video section offers neither VP8 nor H.264 in a mode that is taken");
        }
        Ok(h264)
    }

    /// Writes the section as the engine is to see it.
    pub(super) fn write(&self, text: &mut String, side: Side, transport: &Transport<'_>, h264: Option<&Disguise>) {
        let is_seen = |format: &str| self.is_seen(format, h264);
        let _ = write!(text, "m={} 9 UDP/TLS/RTP/SAVPF", self.kind);
        for format in self.formats.iter().filter(|format| is_seen(format)) {
            let _ = write!(text, " {format}");
        }
        let _ = write!(
            text,
            "\r\nc=IN IP4 0.0.0.0\r\na=mid:{}\r\na={}\r\na=rtcp-mux\r\na=ice-ufrag:{}\r\na=ice-pwd:{}\r\n\
             a=fingerprint:{}\r\na=setup:{}\r\n",
            self.mid.unwrap_or_default(),
            side.direction(),
            transport.ufrag.unwrap_or_default(),
            transport.password.unwrap_or_default(),
            transport.fingerprint.unwrap_or_default(),
            transport.setup.unwrap_or_default(),
        );
        for Codec { format, encoding, parameters } in self.codecs.iter().filter(|codec| is_seen(codec.format)) {
            let _ = write!(text, "a=rtpmap:{format} {encoding}\r\n");
            match h264.filter(|h264| h264.format == *format) {
                Some(_) => {
                    let _ = write!(text, "a=fmtp:{format} {}\r\n", h264::AS_THE_ENGINE_KNOWS_IT);
                }
                None if parameters.is_empty() => {}
                None => {
                    let _ = write!(text, "a=fmtp:{format} {parameters}\r\n");
                }
            }
        }
        for (name, value) in &self.kept {
            let is_of_unseen =
                *name == "rtcp-fb" && value.split(' ').next().is_some_and(|format| format != "*" && !is_seen(format));
            // A player that offers both ways sends nothing all the same.
            let is_of_sender = matches!(*name, "ssrc" | "ssrc-group" | "msid" | "simulcast") && side == Side::Play;
            if !is_of_unseen && !is_of_sender {
                let _ = match value.is_empty() {
                    true => write!(text, "a={name}\r\n"),
                    false => write!(text, "a={name}:{value}\r\n"),
                };
            }
        }
        if side == Side::Publish {
            for rid in &self.rids {
                let _ = write!(text, "a=rid:{rid} send\r\n");
            }
        }
    }

    /// Of several forms of H.264 the engine sees the chosen one, with its retransmission.
    fn is_seen(&self, format: &str, h264: Option<&Disguise>) -> bool {
        let Some(codec) = self.codecs.iter().find(|codec| codec.format == format) else { return false };
        let is_chosen = |format: &str| h264.is_some_and(|h264| h264.format == format);
        if codec.is("H264") {
            return is_chosen(format);
        }
        if codec.is("rtx") {
            let of = codec.parameter("apt");
            let of = self.codecs.iter().find(|other| Some(other.format) == of);
            return of.is_some_and(|of| !of.is("rtx") && self.is_seen(of.format, h264));
        }
        true
    }

    /// The answer of one who does not want it.
    pub(super) fn refused(&self) -> String {
        let mut text =
            format!("m={} 0 {} {}\r\nc=IN IP4 0.0.0.0\r\n", self.kind, self.protocol, self.formats.join(" "));
        if let Some(mid) = self.mid {
            let _ = write!(text, "a=mid:{mid}\r\n");
        }
        text.push_str("a=inactive\r\n");
        text
    }
}

impl Side {
    fn direction(self) -> &'static str {
        match self {
            Self::Publish => "sendonly",
            Self::Play => "recvonly",
        }
    }
}
