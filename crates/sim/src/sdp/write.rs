//! Writing.

use std::fmt::Write;

use super::{EXTENSIONS, Kind, Local, PayloadTypes, RemoteDescription, RemoteSection, Section, offered};
use crate::media::VideoCodec;

/// An offer as a browser makes it: everything on one transport (BUNDLE), the candidate inside.
pub fn write_offer(local: &Local, sections: &[Section]) -> String {
    let mids: Vec<_> = sections.iter().map(|section| section.mid.as_str()).collect();
    let mut sdp = head(&mids);
    for section in sections {
        let kinds = alternatives(section.kind);
        let numbers = kinds.iter().flat_map(|kind| offered(*kind).numbers()).collect::<Vec<_>>().join(" ");
        line(&mut sdp, format_args!("m={} 9 UDP/TLS/RTP/SAVPF {numbers}", section.kind.word()));
        transport(&mut sdp, local, "actpass");
        line(&mut sdp, format_args!("a=mid:{}", section.mid));
        for (number, name) in EXTENSIONS.iter().filter(|(_, name)| fits(section.kind, name)) {
            line(&mut sdp, format_args!("a=extmap:{number} {name}"));
        }
        line(&mut sdp, format_args!("a={}", if section.sends.is_empty() { "recvonly" } else { "sendonly" }));
        line(&mut sdp, format_args!("a=rtcp-mux\r\na=rtcp-rsize"));
        for kind in kinds {
            codec(&mut sdp, *kind, offered(*kind));
        }
        streams(&mut sdp, section);
    }
    sdp
}

/// An answer to a server that offers what it has: everything that a bot knows is received, all else refused.
pub fn write_answer(local: &Local, offer: &RemoteDescription, wanted: Option<VideoCodec>) -> String {
    let taken: Vec<_> = offer.sections.iter().filter(|section| section.codec(wanted).is_some()).collect();
    let mids: Vec<_> = taken.iter().map(|section| section.mid.as_str()).collect();
    let mut sdp = head(&mids);
    for section in &offer.sections {
        match section.codec(wanted) {
            Some((kind, types)) => accept(&mut sdp, local, section, kind, types),
            None => {
                line(&mut sdp, format_args!("m={} 0 {} {}", section.media, section.protocol, section.formats));
                line(&mut sdp, format_args!("c=IN IP4 0.0.0.0\r\na=mid:{}\r\na=inactive", section.mid));
            }
        }
    }
    sdp
}

/// A section offers the other video codec as well, last: some servers want every browser's codecs.
fn alternatives(kind: Kind) -> &'static [Kind] {
    const H264: Kind = Kind::Video(VideoCodec::H264);
    const VP8: Kind = Kind::Video(VideoCodec::Vp8);
    match kind {
        Kind::Audio => &[Kind::Audio],
        H264 => &[H264, VP8],
        VP8 => &[VP8, H264],
    }
}

fn accept(sdp: &mut String, local: &Local, section: &RemoteSection, kind: Kind, types: PayloadTypes) {
    let numbers = types.numbers().collect::<Vec<_>>().join(" ");
    line(sdp, format_args!("m={} 9 UDP/TLS/RTP/SAVPF {numbers}", kind.word()));
    transport(sdp, local, "active");
    line(sdp, format_args!("a=mid:{}", section.mid));
    for (number, name) in section.extensions.iter().filter(|(_, name)| EXTENSIONS.iter().any(|known| known.1 == name)) {
        line(sdp, format_args!("a=extmap:{number} {name}"));
    }
    line(sdp, format_args!("a=recvonly\r\na=rtcp-mux\r\na=rtcp-rsize"));
    codec(sdp, kind, types);
}

fn head(mids: &[&str]) -> String {
    format!(
        "v=0\r\no=- {} 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE {}\r\na=extmap-allow-mixed\r\na=msid-semantic: WMS\r\n",
        // Any number that fits 63 bits (RFC 8829 section 5.2.1).
        rand::random::<u32>(),
        mids.join(" "),
    )
}

fn transport(sdp: &mut String, local: &Local, setup: &str) {
    let Local { ufrag, password, fingerprint, address } = local;
    line(sdp, format_args!("c=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0"));
    // Priority of a host candidate by RFC 8445 section 5.1.2.
    line(sdp, format_args!("a=candidate:1 1 udp 2130706431 {} {} typ host", address.ip(), address.port()));
    line(sdp, format_args!("a=ice-ufrag:{ufrag}\r\na=ice-pwd:{password}"));
    line(sdp, format_args!("a=fingerprint:sha-256 {fingerprint}\r\na=setup:{setup}"));
}

fn fits(kind: Kind, extension: &str) -> bool {
    match kind {
        Kind::Audio => !extension.ends_with("stream-id"),
        Kind::Video(_) => !extension.ends_with("audio-level"),
    }
}

fn codec(sdp: &mut String, kind: Kind, types: PayloadTypes) {
    let PayloadTypes { media, rtx } = types;
    let name = match kind {
        Kind::Audio => "opus/48000/2",
        Kind::Video(VideoCodec::Vp8) => "VP8/90000",
        Kind::Video(VideoCodec::H264) => "H264/90000",
    };
    line(sdp, format_args!("a=rtpmap:{media} {name}\r\na=rtcp-fb:{media} transport-cc"));
    match kind {
        Kind::Audio => line(sdp, format_args!("a=fmtp:{media} minptime=10;useinbandfec=1")),
        Kind::Video(_) => {
            for feedback in ["ccm fir", "nack", "nack pli"] {
                line(sdp, format_args!("a=rtcp-fb:{media} {feedback}"));
            }
        }
    }
    if kind == Kind::Video(VideoCodec::H264) {
        let profile = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f";
        line(sdp, format_args!("a=fmtp:{media} {profile}"));
    }
    if let Some(rtx) = rtx {
        line(sdp, format_args!("a=rtpmap:{rtx} rtx/90000\r\na=fmtp:{rtx} apt={media}"));
    }
}

fn streams(sdp: &mut String, section: &Section) {
    let layers: Vec<_> = section.sends.iter().filter_map(|stream| stream.rid).collect();
    if !layers.is_empty() {
        // Layers are told by their names; their SSRCs are nobody's business (RFC 8853).
        for layer in &layers {
            line(sdp, format_args!("a=rid:{layer} send"));
        }
        return line(sdp, format_args!("a=simulcast:send {}", layers.join(";")));
    }
    for stream in &section.sends {
        line(sdp, format_args!("a=msid:load {}", section.mid));
        if let Some(rtx) = stream.rtx {
            line(sdp, format_args!("a=ssrc-group:FID {} {rtx}", stream.ssrc));
        }
        for ssrc in [Some(stream.ssrc), stream.rtx].into_iter().flatten() {
            line(sdp, format_args!("a=ssrc:{ssrc} cname:load"));
        }
    }
}

fn line(sdp: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = write!(sdp, "{text}\r\n");
}
