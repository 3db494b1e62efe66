//! The VP9 payload descriptor (RFC 9628 section 4.2), and the head of a key frame (VP9 bitstream
//! specification 0.7, section 6.2).

use crate::bits::Bits;
use crate::picture::{Counters, PictureId, Tl0};
use crate::rtp::{LayerIndex, Resolution};

/// Most pictures that a frame is predicted from (`P_DIFF`).
const MAX_REFERENCES: usize = 3;

/// A parsed payload descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Descriptor {
    pub counters: Counters,
    /// Spatial layer; those above the third count with the third.
    pub layer: LayerIndex,
    /// The spatial layer as it is numbered (`SID`), 0 to 7.
    pub spatial: u8,
    /// The frame is predicted from earlier pictures (`P`).
    pub inter_picture: bool,
    /// Which (`P_DIFF`), by how many pictures earlier; none where the descriptor does not say.
    pub earlier: [Option<u8>; MAX_REFERENCES],
    /// The frame is predicted from the layer below it in the same picture (`D`).
    pub inter_layer: bool,
    /// The packet is the first of its frame (`B`).
    pub starts: bool,
    /// The packet is the last of its frame (`E`).
    pub ends: bool,
    /// No frame of a higher spatial layer is predicted from this one (`Z`).
    pub unused_above: bool,
    /// What the stream says about its layers.
    pub structure: Option<Structure>,
    /// Where the descriptor ends.
    length: usize,
}

/// A scalability structure (section 4.2.1), as far as it tells of spatial layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Structure {
    /// The highest spatial layer.
    pub top: LayerIndex,
    /// Of each spatial layer.
    pub sizes: [Option<Resolution>; LayerIndex::COUNT],
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn number(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes([self.byte()?, self.byte()?]))
    }
}

impl Descriptor {
    /// Reads the descriptor of an RTP payload. `None` if it is cut short, describes nothing, or has
    /// references where it cannot (section 4.2: only with a picture id).
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let mut reader = Reader { bytes: payload, at: 0 };
        let first = reader.byte()?;
        let flag = |mask: u8| first & mask != 0;
        let (has_id, inter_picture, has_layers, flexible) = (flag(0x80), flag(0x40), flag(0x20), flag(0x10));
        let mut counters = Counters::default();
        if has_id {
            let id = PictureId::parse(payload, 1)?;
            counters.picture_id = Some(id);
            reader.at += usize::from(id.length());
        }
        let (mut spatial, mut inter_layer) = (0, false);
        if has_layers {
            let layers = reader.byte()?;
            spatial = layers >> 1 & 0x07;
            inter_layer = layers & 0x01 != 0;
            if !flexible {
                let at = reader.at as u8;
                counters.tl0 = Some(Tl0 { value: reader.byte()?, at });
            }
        }
        let mut earlier = [None; MAX_REFERENCES];
        if flexible && inter_picture {
            if !has_id {
                return None;
            }
            for count in 0.. {
                let reference = reader.byte()?;
                *earlier.get_mut(count)? = Some(reference >> 1);
                if reference & 0x01 == 0 {
                    break;
                }
            }
        }
        let structure = if flag(0x02) { Some(Structure::parse(&mut reader)?) } else { None };
        let descriptor = Self {
            counters,
            layer: LayerIndex::new(spatial).unwrap_or(LayerIndex::HIGH),
            spatial,
            inter_picture,
            earlier,
            inter_layer,
            starts: flag(0x08),
            ends: flag(0x04),
            unused_above: flag(0x01),
            structure,
            length: reader.at,
        };
        (descriptor.length < payload.len()).then_some(descriptor)
    }

    /// The picture's size in its lowest spatial layer, if this packet begins a key frame: one after
    /// which nothing is predicted from what went before it, in no layer.
    pub fn keyframe(&self, payload: &[u8]) -> Option<Resolution> {
        if !self.starts || self.inter_picture || self.layer != LayerIndex::LOW {
            return None;
        }
        let mut bits = Bits::new(payload.get(self.length..)?);
        if bits.take(2)? != 0b10 {
            return None;
        }
        let profile = bits.take(1)? | bits.take(1)? << 1;
        if profile == 3 {
            bits.skip(1)?;
        }
        let (shows_existing, is_inter) = (bits.flag()?, bits.flag()?);
        bits.skip(2)?;
        if shows_existing || is_inter || bits.take(24)? != 0x49_83_42 {
            return None;
        }
        if profile >= 2 {
            bits.skip(1)?;
        }
        const RGB: u32 = 7;
        let subsampling = usize::from(profile == 1 || profile == 3);
        if bits.take(3)? == RGB {
            bits.skip(subsampling)?;
        } else {
            bits.skip(1 + 3 * subsampling)?;
        }
        let (width, height) = (bits.take(16)? as u16, bits.take(16)? as u16);
        Some(Resolution { width: width.saturating_add(1), height: height.saturating_add(1) })
    }
}

impl Structure {
    fn parse(reader: &mut Reader<'_>) -> Option<Self> {
        let first = reader.byte()?;
        let spatial = first >> 5;
        let mut sizes = [None; LayerIndex::COUNT];
        let layer = |spatial| LayerIndex::new(spatial).unwrap_or(LayerIndex::HIGH);
        if first & 0x10 != 0 {
            for spatial in 0..=spatial {
                let (width, height) = (reader.number()?, reader.number()?);
                sizes[layer(spatial).index()] = Some(Resolution { width, height });
            }
        }
        if first & 0x08 != 0 {
            for _ in 0..reader.byte()? {
                let references = usize::from(reader.byte()? >> 2 & 0x03);
                reader.at += references;
            }
        }
        Some(Self { top: layer(spatial), sizes })
    }
}

#[cfg(test)]
mod tests;
