//! Offers of WHIP publishers and WHEP players (RFC 9725, draft-ietf-wish-whep): nobody says which
//! section is what, so it follows from their order, kind and direction.
//!
//! Encoders write descriptions in many ways, all of them legal. [`Plan::read`] takes one apart and
//! writes it anew in one way for the engine, with what is not taken left out; [`Plan::answer`] puts
//! what was left out back into the engine's answer, refused (RFC 3264 section 6).

use std::collections::HashSet;
use std::fmt::Write;

use conclave_proto::{Mid, Sdp, SourceKind, limits};
use conclave_sfu::SlotId;

use super::{Role, is_ice_text};

mod h264;
mod layers;
mod section;

use section::{Section, Transport};

/// Why an offer of a publisher or player is not taken. Its sender's fault either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OfferRefused {
    /// It is not a session description, or contradicts itself.
    #[error("{0}")]
    Malformed(&'static str),
    /// It is one, of something that this server does not do.
    #[error("{0}")]
    Unacceptable(&'static str),
}

/// Who makes an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// The client sends; the server receives.
    Publish,
    /// The client receives.
    Play,
}

/// Most pictures that one player is sent: a stage and those beside it.
const PLAYED_PICTURES: u8 = 4;

/// What is made of an offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) roles: Vec<(Mid, Role)>,
    /// The rids of the camera's layers, smallest first; empty: it has one encoding.
    pub(super) rids: Vec<String>,
    /// For the engine.
    pub(super) sdp: String,
    restore: Restore,
}

/// What becomes of a section.
enum Taken {
    /// It has a role; for H.264, the engine sees it like this.
    As(Option<h264::Disguise>),
    /// It is refused; without a reason if it wants nothing of us.
    Not(Option<&'static str>),
}

/// What the answer needs besides what the engine says.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Restore {
    bundled: bool,
    sections: Vec<Restored>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Restored {
    /// The engine answers it. An H.264 format that was described anew for the engine is answered as it
    /// was offered: profile and packetization mode are symmetric (RFC 6184 section 8.2.2).
    Taken(Option<h264::Disguise>),
    /// It is refused, in these lines.
    Refused(String),
}

impl Plan {
    pub(super) fn read(sdp: &Sdp, side: Side) -> Result<Self, OfferRefused> {
        let offer = Offer::read(sdp.as_str())?;
        let transport = offer.transport()?;
        let mut mids = HashSet::new();
        for mid in offer.sections.iter().filter_map(|section| section.mid) {
            if !mids.insert(mid) {
                return Err(OfferRefused::Malformed("two media sections have the same mid"));
            }
        }
        let mut plan = Self {
            roles: Vec::new(),
            rids: Vec::new(),
            sdp: String::new(),
            restore: Restore { bundled: !offer.bundle.is_empty(), sections: Vec::new() },
        };
        let mut media = String::new();
        let mut reasons = Vec::new();
        for section in &offer.sections {
            match plan.take(&offer, section, side)? {
                Taken::As(disguise) => {
                    section.write(&mut media, side, &transport, disguise.as_ref());
                    plan.restore.sections.push(Restored::Taken(disguise));
                }
                Taken::Not(reason) => {
                    reasons.extend(reason);
                    plan.restore.sections.push(Restored::Refused(section.refused()));
                }
            }
        }
        if plan.roles.is_empty() {
            return Err(OfferRefused::Unacceptable(reasons.first().copied().unwrap_or(match side {
                Side::Publish => "the offer sends nothing (a=sendonly)",
                Side::Play => "the offer receives nothing (a=recvonly)",
            })));
        }
        plan.sdp = plan.session_part(&offer) + &media;
        Ok(plan)
    }

    /// Gives a section its role. What it carries may be refused by itself; a transport that is not ours is
    /// a reason to refuse the offer, lest somebody streams sound and wonders where the picture is.
    fn take(&mut self, offer: &Offer<'_>, section: &Section<'_>, side: Side) -> Result<Taken, OfferRefused> {
        use OfferRefused::Unacceptable;
        if section.is_rejected() || !section.is_media() || !section.flows(side, offer.direction) {
            return Ok(Taken::Not(None));
        }
        section.check_transport()?;
        let mid = section.mid.and_then(|mid| Mid::try_from(mid.to_owned()).ok());
        let mid = mid.ok_or(Unacceptable("every media section has a mid of 1 to 16 token characters (a=mid)"))?;
        let is_alone = offer.sections.len() == 1 && offer.bundle.is_empty();
        if !is_alone && !offer.bundle.contains(&mid.as_str()) {
            return Err(Unacceptable("the media sections are not bundled (a=group:BUNDLE)"));
        }
        let disguise = match section.check_codecs(side) {
            Ok(disguise) => disguise,
            Err(reason) => return Ok(Taken::Not(Some(reason))),
        };
        let Some(role) = self.next_role(section.kind, side) else { return Ok(Taken::Not(None)) };
        if !section.rids.is_empty() && side == Side::Publish {
            if role != Role::Source(SourceKind::Camera) {
                return Err(Unacceptable("only the first picture may have simulcast layers"));
            }
            let rids = layers::smallest_first(&section.rids);
            self.rids = rids.ok_or(Unacceptable("there are at most 3 simulcast layers, each with a rid of its own"))?;
        }
        self.roles.push((mid, role));
        Ok(Taken::As(disguise))
    }

    fn next_role(&self, kind: &str, side: Side) -> Option<Role> {
        let have = |role: Role| self.roles.iter().any(|(_, other)| *other == role);
        let mut candidates: Box<dyn Iterator<Item = Role>> = match (side, kind) {
            (Side::Publish, "audio") => {
                Box::new([SourceKind::Microphone, SourceKind::ScreenAudio].map(Role::Source).into_iter())
            }
            (Side::Publish, _) => Box::new([SourceKind::Camera, SourceKind::Screen].map(Role::Source).into_iter()),
            (Side::Play, "audio") => {
                Box::new((0..limits::AUDIO_SLOTS as u8).map(|slot| Role::Slot(SlotId::Audio(slot))))
            }
            (Side::Play, _) => Box::new((0..PLAYED_PICTURES).map(|slot| Role::Slot(SlotId::Video(slot)))),
        };
        candidates.find(|role| !have(*role))
    }

    fn session_part(&self, offer: &Offer<'_>) -> String {
        let mut text = String::from("v=0\r\n");
        let _ = write!(text, "o={}\r\ns=-\r\nt=0 0\r\na=group:BUNDLE", offer.origin);
        for (mid, _) in &self.roles {
            let _ = write!(text, " {}", mid.as_str());
        }
        text.push_str("\r\na=msid-semantic: WMS *\r\n");
        text
    }

    /// The answer for whoever offered, of the engine's answer to [`Self::sdp`].
    pub(super) fn answer(&self, engine: &str) -> String {
        let mut parts = engine.split_inclusive("\r\n").fold(vec![String::new()], |mut parts, line| {
            if line.starts_with("m=") {
                parts.push(String::new());
            }
            if let Some(part) = parts.last_mut() {
                part.push_str(line);
            }
            parts
        });
        let mut taken = parts.split_off(1).into_iter();
        let mut text = parts.pop().unwrap_or_default();
        if !self.restore.bundled {
            // An answer groups only what the offer did (RFC 9143 section 7.3).
            let kept = text.split_inclusive("\r\n").filter(|line| !line.starts_with("a=group:BUNDLE"));
            text = kept.collect();
        }
        for section in &self.restore.sections {
            match section {
                Restored::Refused(lines) => text.push_str(lines),
                Restored::Taken(disguise) => {
                    let answered = taken.next().unwrap_or_default();
                    match disguise {
                        Some(disguise) => text.push_str(&disguise.lift(&answered)),
                        None => text.push_str(&answered),
                    }
                }
            }
        }
        text
    }
}

/// An offer, taken apart.
#[derive(Debug, Default)]
struct Offer<'a> {
    origin: &'a str,
    bundle: Vec<&'a str>,
    ice_lite: bool,
    direction: Option<&'a str>,
    transport: Transport<'a>,
    sections: Vec<Section<'a>>,
}

impl<'a> Offer<'a> {
    fn read(text: &'a str) -> Result<Self, OfferRefused> {
        let malformed = OfferRefused::Malformed;
        let mut lines = text.lines();
        if lines.next() != Some("v=0") {
            return Err(malformed("not a session description: it does not start with v=0"));
        }
        let mut offer = Self::default();
        for line in lines.filter(|line| !line.is_empty()) {
            let Some((kind, value)) = line.split_once('=').filter(|(kind, _)| kind.len() == 1) else {
                return Err(malformed("a line is not of the form type=value"));
            };
            if value.chars().any(char::is_control) {
                return Err(malformed("a line holds control characters"));
            }
            match kind {
                "m" => {
                    let section = Section::read(value).ok_or(malformed("a media line (m=) is not complete"))?;
                    offer.sections.push(section);
                }
                "o" => offer.origin = value,
                "a" => {
                    let (name, value) = value.split_once(':').unwrap_or((value, ""));
                    match offer.sections.last_mut() {
                        Some(section) => section.attribute(name, value),
                        None => offer.attribute(name, value),
                    }
                }
                _ => {}
            }
        }
        if offer.origin.split(' ').count() != 6 {
            return Err(malformed("the origin (o=) does not have its six parts"));
        }
        if offer.sections.is_empty() {
            return Err(malformed("the offer has no media section"));
        }
        Ok(offer)
    }

    fn attribute(&mut self, name: &'a str, value: &'a str) {
        match name {
            "group" => {
                if let Some(mids) = value.strip_prefix("BUNDLE") {
                    self.bundle = mids.split(' ').filter(|mid| !mid.is_empty()).collect();
                }
            }
            "ice-lite" => self.ice_lite = true,
            "sendrecv" | "sendonly" | "recvonly" | "inactive" => self.direction = Some(name),
            _ => self.transport.attribute(name, value),
        }
    }

    /// The one transport: that of the bundle's first section (RFC 9143 section 7.2), or of the only
    /// section.
    fn transport(&self) -> Result<Transport<'a>, OfferRefused> {
        let tagged = match self.bundle.first() {
            Some(first) => self.sections.iter().find(|section| section.mid == Some(first)),
            None => self.sections.first(),
        };
        let tagged = tagged.ok_or(OfferRefused::Malformed("the bundle names a mid that no media section has"))?;
        let transport = tagged.transport.or(&self.transport);
        let sound = |text: Option<&str>, least| text.is_some_and(|text| is_ice_text(text, least));
        if !sound(transport.ufrag, 4) || !sound(transport.password, 22) {
            return Err(OfferRefused::Malformed("the offer has no usable ICE credentials (a=ice-ufrag, a=ice-pwd)"));
        }
        if transport.fingerprint.is_none() {
            return Err(OfferRefused::Malformed("the offer has no DTLS fingerprint (a=fingerprint)"));
        }
        if self.ice_lite {
            return Err(OfferRefused::Unacceptable("the server is ICE-lite, so the client cannot be"));
        }
        match transport.setup {
            Some("actpass" | "active" | "passive") => Ok(transport),
            _ => Err(OfferRefused::Malformed("the offer does not say who is the DTLS client (a=setup:actpass)")),
        }
    }
}

#[cfg(test)]
mod tests;
