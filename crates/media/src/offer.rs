//! Reads a client's offer and decides whether the SFU takes it, before the WebRTC engine sees it.
//!
//! Only what the decision needs is read (RFC 8866, RFC 8829); the engine parses the rest. A page says
//! what each section is for; publishers and players of WHIP and WHEP do not, see `stream`.

mod stream;
mod streams;

use std::collections::HashSet;

use conclave_proto::{
    ErrorCode, LegNumber, MediaState, Mid, ParticipantId, ProtocolError, Sdp, SfuOffer, SourceKind, limits,
};
use conclave_sfu::{LayerIndex, SlotId};

pub(crate) use streams::SectionStreams;

pub use stream::OfferRefused;
use stream::{Plan, Side};

/// A leg, as whoever wants it describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LegOffer {
    /// A page's: it sends its sources and receives in slots.
    Client(SfuOffer),
    /// A WHIP publisher's (RFC 9725). Its first audio section is the microphone, the second the screen's
    /// sound; its first video section the camera, in layers if it has rids, the second the screen.
    Publish(Sdp),
    /// A WHEP player's (draft-ietf-wish-whep): up to 3 audio and 4 video slots, in the order of its
    /// sections.
    Play {
        /// The offer.
        sdp: Sdp,
        /// The only participant whose sound it gets; absent: the loudest.
        hears: Option<ParticipantId>,
    },
}

impl LegOffer {
    /// Publishers and players have one leg.
    pub const STREAM: LegNumber = LegNumber(1);

    /// The client's number for the leg.
    pub fn number(&self) -> LegNumber {
        match self {
            Self::Client(offer) => offer.leg,
            Self::Publish(_) | Self::Play { .. } => Self::STREAM,
        }
    }
}

/// Which sources a WHIP publisher's offer sends.
///
/// # Errors
/// [`OfferRefused`]: nothing of it is taken.
pub fn published(sdp: &Sdp) -> Result<MediaState, OfferRefused> {
    let plan = Plan::read(sdp, Side::Publish)?;
    let sends = |kind| plan.roles.iter().any(|(_, role)| *role == Role::Source(kind));
    Ok(MediaState {
        microphone: sends(SourceKind::Microphone),
        camera: sends(SourceKind::Camera),
        screen: sends(SourceKind::Screen),
        screen_audio: sends(SourceKind::ScreenAudio),
    })
}

/// How many pictures a WHEP player's offer receives.
///
/// # Errors
/// [`OfferRefused`]: nothing of it is taken.
pub fn played(sdp: &Sdp) -> Result<usize, OfferRefused> {
    let plan = Plan::read(sdp, Side::Play)?;
    Ok(plan.roles.iter().filter(|(_, role)| matches!(role, Role::Slot(SlotId::Video(_)))).count())
}

/// What a media section is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// The client sends this source in it.
    Source(SourceKind),
    /// The client receives in it.
    Slot(SlotId),
}

impl Role {
    fn is_audio(self) -> bool {
        match self {
            Self::Source(kind) => kind.is_audio(),
            Self::Slot(slot) => matches!(slot, SlotId::Audio(_)),
        }
    }
}

/// An offer that was found good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CheckedOffer {
    /// What each section in use is for.
    pub(crate) roles: Vec<(Mid, Role)>,
    /// The rids of the camera's layers, smallest first; empty: it has one encoding.
    rids: Vec<String>,
    /// The description for the engine: the client's, without its candidates. The server never sends
    /// checks (ICE-lite, RFC 8445 section 2.5), so it has no use for the client's addresses.
    pub(crate) sdp: String,
    plan: Option<Plan>,
}

impl CheckedOffer {
    /// What it says of the streams that the client sends in a section.
    pub(crate) fn streams_of(&self, mid: &str) -> SectionStreams {
        SectionStreams::read(&self.sdp, mid)
    }

    /// The camera's layer that a rid names.
    pub(crate) fn layer_of(&self, rid: &str) -> Option<LayerIndex> {
        let position = self.rids.iter().position(|known| known == rid)?;
        LayerIndex::new(u8::try_from(position).ok()?)
    }

    /// The sections that receive sound, as slots in their order.
    pub(crate) fn audio_slots(&self) -> Vec<Mid> {
        self.slots(|slot| matches!(slot, SlotId::Audio(_)))
    }

    /// The sections that receive pictures, as slots in their order.
    pub(crate) fn video_slots(&self) -> Vec<Mid> {
        self.slots(|slot| matches!(slot, SlotId::Video(_)))
    }

    fn slots(&self, is_wanted: impl Fn(SlotId) -> bool) -> Vec<Mid> {
        let slots = self.roles.iter().filter(|(_, role)| matches!(role, Role::Slot(slot) if is_wanted(*slot)));
        slots.map(|(mid, _)| mid.clone()).collect()
    }

    /// The answer for the client, of the engine's.
    pub(crate) fn answer(&self, engine: String) -> String {
        match &self.plan {
            Some(plan) => plan.answer(&engine),
            None => engine,
        }
    }
}

/// Checks an offer.
///
/// # Errors
/// What is wrong with it, for its sender's developer.
pub(crate) fn check(offer: &LegOffer) -> Result<CheckedOffer, ProtocolError> {
    let planned = |sdp, side| {
        let plan = Plan::read(sdp, side).map_err(|refused| {
            let (OfferRefused::Malformed(why) | OfferRefused::Unacceptable(why)) = refused;
            bad(why)
        })?;
        let (roles, rids, sdp) = (plan.roles.clone(), plan.rids.clone(), plan.sdp.clone());
        Ok(CheckedOffer { roles, rids, sdp, plan: Some(plan) })
    };
    match offer {
        LegOffer::Client(offer) => check_client(offer),
        LegOffer::Publish(sdp) => planned(sdp, Side::Publish),
        LegOffer::Play { sdp, .. } => planned(sdp, Side::Play),
    }
}

fn check_client(offer: &SfuOffer) -> Result<CheckedOffer, ProtocolError> {
    let description = Description::read(offer.sdp.as_str())?;
    description.check_transport()?;
    let roles = roles(offer)?;
    let mut mids = HashSet::new();
    for section in &description.sections {
        let Some(mid) = section.mid else { return Err(bad("every media section has a mid (a=mid)")) };
        if !mids.insert(mid) {
            return Err(bad("two media sections have the same mid"));
        }
        match roles.iter().find(|(named, _)| named.as_str() == mid) {
            Some((_, role)) => section.check(*role, &description)?,
            None if section.direction == Some("inactive") || description.is_rejected(section) => {}
            None => return Err(bad("a media section in use is neither a source nor a slot of the offer")),
        }
    }
    if roles.iter().any(|(mid, _)| !mids.contains(mid.as_str())) {
        return Err(bad("a source or slot names a mid that no media section has"));
    }
    let has_layers = description
        .sections
        .iter()
        .any(|section| section.mid == Some(offer.sources.camera.as_str()) && !section.send_rids.is_empty());
    let rids = if has_layers { LayerIndex::ALL.map(|layer| layer.rid().to_owned()).to_vec() } else { Vec::new() };
    Ok(CheckedOffer { roles, rids, sdp: without_candidates(offer.sdp.as_str()), plan: None })
}

fn bad(sentence: &'static str) -> ProtocolError {
    ProtocolError::new(ErrorCode::BadSdp, sentence)
}

/// Who is where, by the offer's own words.
fn roles(offer: &SfuOffer) -> Result<Vec<(Mid, Role)>, ProtocolError> {
    if offer.audio_slots.len() > limits::AUDIO_SLOTS {
        return Err(bad("an offer has at most 3 audio slots"));
    }
    if offer.video_slots.len() > limits::VIDEO_SLOTS {
        return Err(bad("an offer has at most 25 video slots"));
    }
    let mids = &offer.sources;
    let mut roles = vec![
        (mids.microphone.clone(), Role::Source(SourceKind::Microphone)),
        (mids.camera.clone(), Role::Source(SourceKind::Camera)),
        (mids.screen.clone(), Role::Source(SourceKind::Screen)),
        (mids.screen_audio.clone(), Role::Source(SourceKind::ScreenAudio)),
    ];
    // Both lists are shorter than 256.
    let audio = offer.audio_slots.iter().zip(0..).map(|(mid, i)| (mid.clone(), Role::Slot(SlotId::Audio(i))));
    let video = offer.video_slots.iter().zip(0..).map(|(mid, i)| (mid.clone(), Role::Slot(SlotId::Video(i))));
    roles.extend(audio.chain(video));
    let distinct: HashSet<&str> = roles.iter().map(|(mid, _)| mid.as_str()).collect();
    if distinct.len() != roles.len() {
        return Err(bad("a mid is named for two sources or slots"));
    }
    Ok(roles)
}

/// What is read of a description.
#[derive(Debug, Default)]
struct Description<'a> {
    bundle: Vec<&'a str>,
    ice_lite: bool,
    transport: Transport<'a>,
    sections: Vec<Section<'a>>,
}

/// ICE and DTLS parameters, of the session or of a section.
#[derive(Clone, Debug, Default)]
struct Transport<'a> {
    ufrag: Option<&'a str>,
    password: Option<&'a str>,
    fingerprint: bool,
    setup: Option<&'a str>,
}

#[derive(Debug, Default)]
struct Section<'a> {
    kind: &'a str,
    port: &'a str,
    mid: Option<&'a str>,
    direction: Option<&'a str>,
    rtcp_mux: bool,
    codecs: Vec<&'a str>,
    send_rids: Vec<&'a str>,
    transport: Transport<'a>,
}

impl<'a> Description<'a> {
    fn read(text: &'a str) -> Result<Self, ProtocolError> {
        let mut lines = text.lines();
        if lines.next() != Some("v=0") {
            return Err(bad("not a session description: it does not start with v=0"));
        }
        let mut description = Self::default();
        for line in lines {
            if let Some(media) = line.strip_prefix("m=") {
                if description.sections.len() >= limits::MEDIA_SECTIONS {
                    return Err(ProtocolError::new(
                        ErrorCode::TooManySections,
                        "a description has at most 40 media sections",
                    ));
                }
                let mut words = media.split(' ');
                let kind = words.next().unwrap_or_default();
                let port = words.next().unwrap_or_default();
                description.sections.push(Section { kind, port, ..Section::default() });
            } else if let Some(attribute) = line.strip_prefix("a=") {
                let (name, value) = attribute.split_once(':').unwrap_or((attribute, ""));
                match description.sections.last_mut() {
                    Some(section) => section.read(name, value),
                    None => description.read_session(name, value),
                }
            }
        }
        if description.sections.is_empty() {
            return Err(bad("the offer has no media section"));
        }
        Ok(description)
    }

    fn read_session(&mut self, name: &str, value: &'a str) {
        match name {
            "group" => {
                let mut words = value.split(' ');
                if words.next() == Some("BUNDLE") {
                    self.bundle = words.filter(|word| !word.is_empty()).collect();
                }
            }
            "ice-lite" => self.ice_lite = true,
            _ => self.transport.read(name, value),
        }
    }

    /// Whether the section was rejected or stopped (RFC 8829 section 5.2.1, RFC 9143 section 7.3.1).
    fn is_rejected(&self, section: &Section<'_>) -> bool {
        section.port == "0" && !section.mid.is_some_and(|mid| self.bundle.contains(&mid))
    }

    /// One bundled transport with ICE and DTLS, of which the server is the DTLS server.
    fn check_transport(&self) -> Result<(), ProtocolError> {
        let Some(first) = self.bundle.first() else {
            return Err(bad("the offer does not bundle its media sections (a=group:BUNDLE)"));
        };
        // The bundle's transport is described in its first section (RFC 9143 section 7.2), or for all
        // of them in the session's part.
        let Some(tagged) = self.sections.iter().find(|section| section.mid == Some(first)) else {
            return Err(bad("the bundle names a mid that no media section has"));
        };
        let (own, session) = (&tagged.transport, &self.transport);
        let ufrag = own.ufrag.or(session.ufrag);
        let password = own.password.or(session.password);
        let sound = |text: Option<&str>, least| text.is_some_and(|text| is_ice_text(text, least));
        if !sound(ufrag, 4) || !sound(password, 22) {
            return Err(bad("the offer has no usable ICE credentials (a=ice-ufrag, a=ice-pwd)"));
        }
        if self.ice_lite {
            return Err(bad("the server is ICE-lite, so the client cannot be"));
        }
        if !own.fingerprint && !session.fingerprint {
            return Err(bad("the offer has no DTLS fingerprint (a=fingerprint)"));
        }
        match own.setup.or(session.setup) {
            Some("actpass" | "active") => Ok(()),
            _ => Err(bad("the client must be able to be the DTLS client (a=setup:actpass)")),
        }
    }
}

impl<'a> Transport<'a> {
    fn read(&mut self, name: &str, value: &'a str) {
        match name {
            "ice-ufrag" => self.ufrag = Some(value),
            "ice-pwd" => self.password = Some(value),
            "fingerprint" => self.fingerprint = true,
            "setup" => self.setup = Some(value),
            _ => {}
        }
    }
}

impl<'a> Section<'a> {
    fn read(&mut self, name: &'a str, value: &'a str) {
        match name {
            "mid" => self.mid = Some(value),
            "sendrecv" | "sendonly" | "recvonly" | "inactive" => self.direction = Some(name),
            "rtcp-mux" => self.rtcp_mux = true,
            "rtpmap" => {
                // `96 VP8/90000`
                if let Some((_, encoding)) = value.split_once(' ') {
                    self.codecs.push(encoding.split('/').next().unwrap_or_default());
                }
            }
            "rid" => {
                // `l send …` (RFC 8851)
                let mut words = value.split(' ');
                if let (Some(rid), Some("send")) = (words.next(), words.next()) {
                    self.send_rids.push(rid);
                }
            }
            _ => self.transport.read(name, value),
        }
    }

    fn offers(&self, codec: &str) -> bool {
        self.codecs.iter().any(|offered| offered.eq_ignore_ascii_case(codec))
    }

    /// Whether the section can be what the offer says it is.
    fn check(&self, role: Role, description: &Description<'_>) -> Result<(), ProtocolError> {
        if self.kind != if role.is_audio() { "audio" } else { "video" } {
            return Err(bad("a source or slot names a media section of another kind"));
        }
        if !self.mid.is_some_and(|mid| description.bundle.contains(&mid)) || !self.rtcp_mux {
            return Err(bad("every media section in use is bundled and has a=rtcp-mux"));
        }
        match (role, self.direction) {
            (Role::Source(_), Some("sendonly")) | (Role::Slot(_), Some("recvonly")) => {}
            (Role::Source(_), _) => return Err(bad("a source's media section is sendonly")),
            (Role::Slot(_), _) => return Err(bad("a slot's media section is recvonly")),
        }
        if role.is_audio() && !self.offers("opus") {
            return Err(bad("an audio section does not offer Opus"));
        }
        if !role.is_audio() && !self.offers("VP8") {
            return Err(bad("a video section does not offer VP8"));
        }
        let known = |rid: &&str| LayerIndex::from_rid(rid).is_some();
        let layers_allowed = role == Role::Source(SourceKind::Camera) && self.send_rids.iter().all(known);
        if !layers_allowed && !self.send_rids.is_empty() {
            return Err(bad("only the camera has simulcast layers, and their rids are l, m and h"));
        }
        Ok(())
    }
}

/// Whether this is a user name fragment or password of `least` to 256 characters (RFC 8839 section 5.4).
fn is_ice_text(text: &str, least: usize) -> bool {
    (least..=256).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'+' || b == b'/')
}

fn without_candidates(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    for line in text.lines() {
        if !line.starts_with("a=candidate:") && line != "a=end-of-candidates" && !line.is_empty() {
            kept.push_str(line);
            kept.push_str("\r\n");
        }
    }
    kept
}

#[cfg(test)]
mod tests;
