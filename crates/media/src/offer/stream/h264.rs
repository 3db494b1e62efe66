//! H.264 as encoders and players offer it (RFC 6184 section 8.1), and as the engine knows it.
//!
//! The engine speaks one form: constrained baseline, packetization mode 1, which every browser has.
//! What is forwarded is not decoded here, and browsers decode baseline, main and high whatever was
//! agreed on, so any of these is taken: the engine sees its own form in its place.

use super::Side;
use super::section::Codec;

/// RFC 6184 section 8.1.
pub(super) const AS_THE_ENGINE_KNOWS_IT: &str =
    "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f";

/// The form of H.264 that is taken, and as what it was offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Disguise {
    pub(super) format: String,
    offered: String,
}

impl Disguise {
    /// A section of the engine's answer, with the format as it was offered.
    pub(super) fn lift(&self, answer: &str) -> String {
        let start = format!("a=fmtp:{} ", self.format);
        let mut text = String::with_capacity(answer.len());
        for line in answer.split_inclusive("\r\n") {
            match line.strip_prefix(&start) {
                Some(_) => {
                    text.push_str(&start);
                    text.push_str(&self.offered);
                    text.push_str("\r\n");
                }
                None => text.push_str(line),
            }
        }
        text
    }
}

/// The form that suits best. A publisher may also send without fragments (packetization mode 0), which
/// is a part of mode 1; a player must take fragments.
pub(super) fn choose(codecs: &[Codec<'_>], side: Side) -> Option<Disguise> {
    let best = codecs.iter().filter(|codec| codec.is("H264")).filter_map(|codec| Some((rank(codec, side)?, codec)));
    let (_, codec) = best.min_by_key(|(rank, _)| *rank)?;
    let [mode, profile] = ["packetization-mode", "profile-level-id"].map(|name| codec.parameter(name));
    // RFC 6184 section 8.1: mode 0, and baseline of level 1 where nothing is said.
    let offered = format!(
        "level-asymmetry-allowed=1;packetization-mode={};profile-level-id={}",
        mode.unwrap_or("0"),
        profile.unwrap_or("42000a"),
    );
    Some(Disguise { format: codec.format.to_owned(), offered })
}

/// How well a form suits, the smallest best; none if it is not taken.
fn rank(codec: &Codec<'_>, side: Side) -> Option<(u8, u8)> {
    let mode = match (codec.parameter("packetization-mode").unwrap_or("0"), side) {
        ("1", _) => 0,
        ("0", Side::Publish) => 1,
        _ => return None,
    };
    let id = codec.parameter("profile-level-id").unwrap_or("42000a");
    let id = u32::from_str_radix(id, 16).ok().filter(|_| id.len() == 6)?;
    // Profile, and its constraints (H.264 section A.2).
    let profile = match (id >> 16, id >> 8 & 0xff) {
        (0x42, constraints) if constraints & 0x40 != 0 => 0,
        (0x42, _) => 1,
        (0x4d, _) => 2,
        (0x64, _) => 3,
        _ => return None,
    };
    Some((mode, profile))
}
