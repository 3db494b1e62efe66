//! Reading.

use conclave_rtp::{ExtensionId, ExtensionIds};
use thiserror::Error;

use super::{Agreed, EXTENSIONS, Kind, PayloadTypes};
use crate::media::VideoCodec;

/// What a server says of itself.
#[derive(Clone, Debug, Default)]
pub struct RemoteDescription {
    /// ICE user name fragment.
    pub ufrag: String,
    /// ICE password.
    pub password: String,
    /// Name of the hash, and the certificate's hash.
    pub fingerprint: (String, Vec<u8>),
    /// Candidates, as `candidate:…`.
    pub candidates: Vec<String>,
    /// Whether it wants to be the DTLS client (`a=setup:active`).
    pub is_dtls_client: bool,
    /// Its media sections.
    pub sections: Vec<RemoteSection>,
}

/// One of its media sections.
#[derive(Clone, Debug, Default)]
pub struct RemoteSection {
    /// `audio`, `video` or `application`.
    pub media: String,
    /// The transport of the `m=` line.
    pub protocol: String,
    /// The formats of the `m=` line.
    pub formats: String,
    /// Its name.
    pub mid: String,
    /// Numbers and names of header extensions.
    pub extensions: Vec<(u8, String)>,
    /// Media and retransmission SSRCs that belong together (`a=ssrc-group:FID`).
    pub retransmissions: Vec<(u32, u32)>,
    rejected: bool,
    inactive: bool,
    /// Payload type, encoding name, parameters.
    codecs: Vec<(u8, String, String)>,
}

/// Why a description is of no use. The server's fault, or it is no WebRTC server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BadDescription {
    /// Without user name or password.
    #[error("the description has no ICE credentials")]
    NoIce,
    /// Without one.
    #[error("the description has no fingerprint")]
    NoFingerprint,
    /// Without a section that is in use.
    #[error("the description refuses every section")]
    NothingAgreed,
}

impl RemoteDescription {
    /// Reads an offer or an answer. Lines that are not needed are passed over.
    ///
    /// # Errors
    /// If what a connection cannot do without is missing.
    pub fn parse(sdp: &str) -> Result<Self, BadDescription> {
        let mut read = Self::default();
        for line in sdp.lines() {
            if let Some(line) = line.strip_prefix("m=") {
                read.sections.push(RemoteSection::begin(line));
            } else if let Some(attribute) = line.strip_prefix("a=") {
                let (name, value) = attribute.split_once(':').unwrap_or((attribute, ""));
                read.attribute(name, value.trim());
            }
        }
        if read.ufrag.is_empty() || read.password.is_empty() {
            return Err(BadDescription::NoIce);
        }
        if read.fingerprint.1.is_empty() {
            return Err(BadDescription::NoFingerprint);
        }
        if read.sections.iter().all(|section| section.rejected) {
            return Err(BadDescription::NothingAgreed);
        }
        Ok(read)
    }

    /// What both sides can do, by this description; of the video codecs the wanted one if possible.
    pub fn agreed(&self, wanted: Option<VideoCodec>) -> Agreed {
        let mut agreed = Agreed::default();
        for section in &self.sections {
            match section.codec(wanted) {
                Some((Kind::Audio, types)) => agreed.audio = agreed.audio.or(Some(types)),
                Some((Kind::Video(codec), types)) => agreed.video = agreed.video.or(Some((codec, types))),
                None => continue,
            }
            for (number, name) in &section.extensions {
                set(&mut agreed.extensions, name, ExtensionId::new(*number));
            }
        }
        agreed
    }

    fn attribute(&mut self, name: &str, value: &str) {
        // The transport is said for the session or in each section; all are on one (BUNDLE), so the first counts.
        match name {
            "ice-ufrag" if self.ufrag.is_empty() => self.ufrag = value.to_owned(),
            "ice-pwd" if self.password.is_empty() => self.password = value.to_owned(),
            "fingerprint" if self.fingerprint.1.is_empty() => {
                let (hash, digits) = value.split_once(' ').unwrap_or_default();
                let bytes = digits.split(':').map(|byte| u8::from_str_radix(byte.trim(), 16));
                self.fingerprint = (hash.to_owned(), bytes.collect::<Result<_, _>>().unwrap_or_default());
            }
            "setup" => self.is_dtls_client |= value == "active",
            "candidate" => {
                let candidate = format!("candidate:{value}");
                if !self.candidates.contains(&candidate) {
                    self.candidates.push(candidate);
                }
            }
            _ => {
                if let Some(section) = self.sections.last_mut() {
                    section.attribute(name, value);
                }
            }
        }
    }
}

impl RemoteSection {
    fn begin(line: &str) -> Self {
        let mut words = line.splitn(4, ' ');
        let mut word = || words.next().unwrap_or_default().to_owned();
        let (media, port, protocol, formats) = (word(), word(), word(), word());
        Self { media, protocol, formats, rejected: port == "0", ..Self::default() }
    }

    fn attribute(&mut self, name: &str, value: &str) {
        let (first, rest) = value.split_once(' ').unwrap_or((value, ""));
        match name {
            "mid" => value.clone_into(&mut self.mid),
            "inactive" => self.inactive = true,
            "extmap" => {
                // The number may be followed by a direction.
                let number = first.split('/').next().and_then(|number| number.parse().ok());
                self.extensions.extend(number.map(|number| (number, rest.trim().to_owned())));
            }
            "rtpmap" => {
                let name = rest.split('/').next().unwrap_or_default().to_ascii_lowercase();
                self.codecs.extend(first.parse().ok().map(|number| (number, name, String::new())));
            }
            "fmtp" => {
                let of = |codec: &&mut (u8, String, String)| first.parse() == Ok(codec.0);
                if let Some(codec) = self.codecs.iter_mut().find(of) {
                    rest.clone_into(&mut codec.2);
                }
            }
            "ssrc-group" if first == "FID" => {
                let mut ssrcs = rest.split(' ').filter_map(|ssrc| ssrc.parse().ok());
                self.retransmissions.extend(ssrcs.next().zip(ssrcs.next()));
            }
            _ => {}
        }
    }

    /// The codec of the section that bots know: the wanted one, or else the first. `None` if there is none, or the
    /// section is refused.
    pub fn codec(&self, wanted: Option<VideoCodec>) -> Option<(Kind, PayloadTypes)> {
        if self.rejected || self.inactive {
            return None;
        }
        let known = |name: &str, parameters: &str| match (self.media.as_str(), name) {
            ("audio", "opus") => Some(Kind::Audio),
            ("video", "vp8") => Some(Kind::Video(VideoCodec::Vp8)),
            ("video", "h264") if !parameters.contains("packetization-mode=0") => Some(Kind::Video(VideoCodec::H264)),
            _ => None,
        };
        let mut found =
            self.codecs.iter().filter_map(|(number, name, parameters)| Some((*number, known(name, parameters)?)));
        let first = found.clone().next()?;
        let (media, kind) =
            found.find(|(_, kind)| wanted.is_some_and(|wanted| *kind == Kind::Video(wanted))).unwrap_or(first);
        let apt = format!("apt={media}");
        let repairs = |parameters: &str| parameters.split(';').any(|parameter| parameter.trim() == apt);
        let rtx = self.codecs.iter().find(|(_, name, parameters)| name == "rtx" && repairs(parameters));
        Some((kind, PayloadTypes { media, rtx: rtx.map(|codec| codec.0) }))
    }
}

fn set(ids: &mut ExtensionIds, name: &str, number: Option<ExtensionId>) {
    let known = EXTENSIONS.iter().position(|(_, known)| *known == name);
    match known {
        Some(0) => ids.audio_level = number,
        Some(1) => ids.absolute_send_time = number,
        Some(2) => ids.transport_sequence = number,
        Some(3) => ids.mid = number,
        Some(4) => ids.rid = number,
        Some(5) => ids.repaired_rid = number,
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::{H264, Local, OPUS, Section, SentStream, VP8, write_answer, write_offer};
    use super::*;

    fn local() -> Local {
        let fingerprint = vec!["AB"; 32].join(":");
        let address = "192.0.2.7:4000".parse().expect("an address");
        Local { ufrag: "abcd".into(), password: "p".repeat(24), fingerprint, address }
    }

    fn offer() -> String {
        let stream = |ssrc, rtx| SentStream { ssrc, rtx, rid: None };
        let sections = [
            Section { mid: "0".into(), kind: Kind::Audio, sends: vec![stream(1, None)] },
            Section { mid: "1".into(), kind: Kind::Video(VideoCodec::H264), sends: vec![stream(2, Some(3))] },
            Section { mid: "2".into(), kind: Kind::Video(VideoCodec::H264), sends: vec![] },
        ];
        write_offer(&local(), &sections)
    }

    #[test]
    fn what_is_offered_can_be_read() {
        let read = RemoteDescription::parse(&offer()).expect("good");
        assert_eq!((read.ufrag.as_str(), read.fingerprint.1.len()), ("abcd", 32));
        assert_eq!(read.candidates, ["candidate:1 1 udp 2130706431 192.0.2.7 4000 typ host"]);
        assert!(!read.is_dtls_client);
        let agreed = read.agreed(None);
        assert_eq!((agreed.audio, agreed.video), (Some(OPUS), Some((VideoCodec::H264, H264))));
        assert_eq!(read.agreed(Some(VideoCodec::Vp8)).video, Some((VideoCodec::Vp8, VP8)));
        assert_eq!(agreed.extensions.transport_sequence, ExtensionId::new(3));
        assert_eq!(read.sections[1].retransmissions, [(2, 3)]);
    }

    #[test]
    fn the_answer_takes_what_bots_know_and_refuses_the_rest() {
        let mut sdp = offer();
        sdp.push_str("m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:3\r\n");
        let answer = write_answer(&local(), &RemoteDescription::parse(&sdp).expect("good"), None);
        let read = RemoteDescription::parse(&answer).expect("good");
        assert!(read.is_dtls_client);
        assert_eq!(
            read.sections.iter().map(|s| s.codec(None).is_some()).collect::<Vec<_>>(),
            [true, true, true, false]
        );
        assert!(answer.contains("m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\n"));
        assert!(answer.contains("a=group:BUNDLE 0 1 2\r\n"));
    }

    #[test]
    fn descriptions_without_a_transport_are_refused() {
        let refused = |sdp: &str| RemoteDescription::parse(sdp).expect_err("refused");
        assert_eq!(refused(""), BadDescription::NoIce);
        assert_eq!(refused("a=ice-ufrag:a\r\na=ice-pwd:b\r\n"), BadDescription::NoFingerprint);
        let bare = "a=ice-ufrag:a\r\na=ice-pwd:b\r\na=fingerprint:sha-256 AB:CD\r\n";
        assert_eq!(refused(bare), BadDescription::NothingAgreed);
        assert_eq!(refused(&format!("{bare}m=audio 0 UDP/TLS/RTP/SAVPF 0\r\n")), BadDescription::NothingAgreed);
    }
}
