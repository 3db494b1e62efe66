//! An encoded video in memory: H.264 byte streams (ITU-T H.264 annex B) and VP8 in IVF.

use std::ops::Range;

use thiserror::Error;

/// A codec that bots send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, clap::ValueEnum)]
pub enum VideoCodec {
    /// RFC 6184, constrained baseline, packetization mode 1.
    H264,
    /// RFC 7741.
    Vp8,
}

/// An encoded video.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clip {
    codec: VideoCodec,
    bytes: Vec<u8>,
    frames: Vec<Frame>,
}

/// One encoded picture of a [`Clip`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Whether decoding can begin with it.
    pub is_key: bool,
    /// Where its parts are: NAL units without start codes, or the one VP8 frame.
    units: Vec<Range<usize>>,
}

/// Why a file cannot be played. The file's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BadClip {
    /// Neither IVF with VP8 nor a byte stream of NAL units.
    #[error("neither VP8 in IVF nor an H.264 byte stream")]
    UnknownFormat,
    /// It ends within a frame.
    #[error("it ends within a frame")]
    Truncated,
    /// Without one, nobody could begin to decode.
    #[error("its first frame is not a key frame")]
    NoKeyFrame,
    /// There would be nothing to send after the key frame.
    #[error("it has fewer than two frames")]
    TooShort,
}

const IVF_HEADER: usize = 32;
const IVF_FRAME_HEADER: usize = 12;

impl Clip {
    /// The clip that comes with the program, of the height that fits best: 180, 360 or 720 lines.
    pub fn sample(codec: VideoCodec, height: u16) -> Self {
        macro_rules! clip {
            ($name:literal) => {
                include_bytes!(concat!("../../clips/", $name)).as_slice()
            };
        }
        let bytes = match (codec, height) {
            (VideoCodec::H264, ..=269) => clip!("180p.h264"),
            (VideoCodec::H264, 270..=539) => clip!("360p.h264"),
            (VideoCodec::H264, 540..) => clip!("720p.h264"),
            (VideoCodec::Vp8, ..=269) => clip!("180p.ivf"),
            (VideoCodec::Vp8, 270..=539) => clip!("360p.ivf"),
            (VideoCodec::Vp8, 540..) => clip!("720p.ivf"),
        };
        Self::parse(bytes.to_vec()).expect("the clips that come with the program are read by a test")
    }

    /// Reads a file.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, BadClip> {
        let (codec, frames) = if bytes.starts_with(b"DKIF") {
            (VideoCodec::Vp8, ivf_frames(&bytes)?)
        } else {
            (VideoCodec::H264, annex_b_frames(&bytes)?)
        };
        match frames.as_slice() {
            [first, _, ..] if first.is_key => Ok(Self { codec, bytes, frames }),
            [_, _, ..] => Err(BadClip::NoKeyFrame),
            _ => Err(BadClip::TooShort),
        }
    }

    /// What it is encoded with.
    pub fn codec(&self) -> VideoCodec {
        self.codec
    }

    /// Its frames, at least two, the first a key frame.
    pub fn frames(&self) -> &[Frame] {
        &self.frames
    }

    /// The parts of a frame of this clip.
    pub fn units<'a>(&'a self, frame: &'a Frame) -> impl Iterator<Item = &'a [u8]> + Clone {
        frame.units.iter().map(|unit| &self.bytes[unit.clone()])
    }

    /// The mean size of a frame that is no key frame, in bytes, at least 1.
    pub fn mean_frame(&self) -> usize {
        let (bytes, count) = self.frames.iter().filter(|frame| !frame.is_key).fold((0, 0), |(bytes, count), frame| {
            (bytes + frame.units.iter().map(Range::len).sum::<usize>(), count + 1)
        });
        (bytes / count.max(1)).max(1)
    }
}

fn ivf_frames(bytes: &[u8]) -> Result<Vec<Frame>, BadClip> {
    if bytes.get(8..12) != Some(b"VP80") {
        return Err(BadClip::UnknownFormat);
    }
    let mut frames = Vec::new();
    let mut at = IVF_HEADER;
    while at < bytes.len() {
        let header = bytes.get(at..at + IVF_FRAME_HEADER).ok_or(BadClip::Truncated)?;
        let size = u32::from_le_bytes([header[0], header[1], header[2], header[3]]) as usize;
        let start = at + IVF_FRAME_HEADER;
        let frame = bytes.get(start..start.saturating_add(size)).ok_or(BadClip::Truncated)?;
        // RFC 6386 section 9.1: the lowest bit of the first byte is 0 for a key frame.
        let Some(first) = frame.first() else { return Err(BadClip::Truncated) };
        let unit = start..start + size;
        at = unit.end;
        frames.push(Frame { is_key: first & 1 == 0, units: vec![unit] });
    }
    Ok(frames)
}

/// Kinds of NAL units (ITU-T H.264 table 7-1).
mod nal {
    pub(super) const SLICE: u8 = 1;
    pub(super) const IDR: u8 = 5;
    pub(super) const SEI: u8 = 6;
    pub(super) const DELIMITER: u8 = 9;
    pub(super) const FILLER: u8 = 12;
}

fn annex_b_frames(bytes: &[u8]) -> Result<Vec<Frame>, BadClip> {
    let mut frames: Vec<Frame> = Vec::new();
    // Parameter sets before the slice that they are for.
    let mut waiting = Vec::new();
    for unit in nal_units(bytes) {
        let Some(header) = bytes[unit.clone()].first() else { continue };
        match header & 0x1f {
            nal::SEI | nal::DELIMITER | nal::FILLER => {}
            kind @ (nal::SLICE | nal::IDR) => {
                // first_mb_in_slice is 0, written as the bit 1, in a picture's first slice (section 7.3.3).
                let begins = bytes[unit.clone()].get(1).is_some_and(|byte| byte & 0x80 != 0);
                match frames.last_mut() {
                    Some(frame) if !begins => frame.units.push(unit),
                    _ => {
                        let mut units = std::mem::take(&mut waiting);
                        units.push(unit);
                        frames.push(Frame { is_key: kind == nal::IDR, units });
                    }
                }
            }
            _ => waiting.push(unit),
        }
    }
    if frames.is_empty() { Err(BadClip::UnknownFormat) } else { Ok(frames) }
}

/// The NAL units of a byte stream, without start codes and trailing zeros (annex B.1).
fn nal_units(bytes: &[u8]) -> Vec<Range<usize>> {
    let starts: Vec<_> =
        bytes.windows(3).enumerate().filter(|(_, code)| *code == [0, 0, 1]).map(|(at, _)| at).collect();
    let ends = starts.iter().skip(1).copied().chain([bytes.len()]);
    let units = starts.iter().zip(ends).map(|(start, end)| {
        let start = start + 3;
        let zeros = bytes[start..end].iter().rev().take_while(|byte| **byte == 0).count();
        start..end - zeros
    });
    units.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_clip_of_the_program_has_two_seconds_with_one_key_frame() {
        for codec in [VideoCodec::H264, VideoCodec::Vp8] {
            for height in [180, 360, 720] {
                let clip = Clip::sample(codec, height);
                assert_eq!(clip.codec(), codec);
                assert_eq!(clip.frames().len(), 50);
                assert!(clip.frames()[0].is_key && clip.frames()[1..].iter().all(|frame| !frame.is_key));
                // SPS, PPS and the slice; VP8 has no such parts.
                let parts = if codec == VideoCodec::H264 { 3 } else { 1 };
                assert_eq!(clip.units(&clip.frames()[0]).count(), parts);
            }
        }
    }

    #[test]
    fn files_that_cannot_be_played_are_refused() {
        let refused = |bytes: &[u8]| Clip::parse(bytes.to_vec()).expect_err("refused");
        assert_eq!(refused(b""), BadClip::UnknownFormat);
        assert_eq!(refused(b"RIFF of something"), BadClip::UnknownFormat);
        assert_eq!(refused(b"DKIF\0\0\x20\0VP90"), BadClip::UnknownFormat);
        assert_eq!(refused(&[0, 0, 1, 0x65, 0x80]), BadClip::TooShort);
        assert_eq!(refused(&[0, 0, 1, 0x41, 0x80, 0, 0, 1, 0x65, 0x80]), BadClip::NoKeyFrame);
        let mut short = include_bytes!("../../clips/180p.ivf").to_vec();
        short.truncate(short.len() - 1);
        assert_eq!(refused(&short), BadClip::Truncated);
    }
}
