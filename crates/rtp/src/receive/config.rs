//! What a leg receives, as negotiated.

use crate::{ExtensionIds, PayloadType, Ssrc};

/// What a leg receives, and how it answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReceiverConfig {
    /// The source under which we report: any that none of our own streams uses.
    pub reporter: Ssrc,
    /// Our canonical name (RFC 3550 section 6.5.1); at most 255 bytes, and nothing personal.
    pub cname: Box<str>,
    /// The header extensions.
    pub extensions: ExtensionIds,
    /// The payload types. All sections of a bundle share them: a number means one thing (RFC 8843 section 9.1).
    pub payloads: Vec<ReceivePayload>,
    /// The sections that the peer sends.
    pub sections: Vec<ReceiveSection>,
}

/// What a payload type is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceivePayload {
    /// Its number.
    pub payload_type: PayloadType,
    /// What it carries.
    pub kind: PayloadKind,
    /// Units of its timestamps in a second; not 0.
    pub clock_rate: u32,
    /// What the peer wants to hear of it.
    pub feedback: Feedback,
}

/// What a payload type carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayloadKind {
    /// Media.
    Media,
    /// Repeated packets of another payload type (RFC 4588).
    Retransmission {
        /// Its `apt`.
        of: PayloadType,
    },
}

/// Which feedback was negotiated (RFC 4585 section 4.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Feedback {
    /// `nack`: missing packets may be asked for.
    pub nack: bool,
    /// `nack pli`: key frames may be asked for.
    pub pli: bool,
    /// `ccm fir`: key frames may be asked for this way; `pli` is preferred.
    pub fir: bool,
    /// `transport-cc`: arrivals are reported.
    pub transport_wide: bool,
}

/// A section of the description that the peer sends: one source of media, in one or several encodings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReceiveSection {
    /// Its name (RFC 8843).
    pub mid: Box<str>,
    /// The names of its encodings (RFC 8852), in the order of layers; empty where there is only one, without a name.
    pub rids: Vec<Box<str>>,
    /// Sources that the description names, in the order of layers; may be empty.
    pub sources: Vec<StreamSources>,
    /// The payload types that it may carry. They tell the section of a source that says nothing about it, where no
    /// other section carries them (RFC 8843 section 9.2).
    pub payloads: Vec<PayloadType>,
}

impl ReceiveSection {
    /// How many encodings it has.
    pub(super) fn layers(&self) -> usize {
        self.rids.len().max(self.sources.len()).max(1)
    }
}

/// The sources of one encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamSources {
    /// Media.
    pub media: Ssrc,
    /// Repeated packets, by the group `FID` (RFC 5576 section 4.2).
    pub retransmission: Option<Ssrc>,
}

/// Which stream of a leg: by its position in [`ReceiverConfig`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamIndex {
    /// Which of the sections.
    pub section: u16,
    /// Which of its encodings.
    pub layer: u8,
}

/// Payload types by their numbers.
#[derive(Debug)]
pub(super) struct PayloadTable([Option<ReceivePayload>; 128]);

impl PayloadTable {
    pub(super) fn new(payloads: &[ReceivePayload]) -> Self {
        let mut table = [None; 128];
        for payload in payloads {
            let clock_rate = payload.clock_rate.max(1);
            table[usize::from(payload.payload_type.get())] = Some(ReceivePayload { clock_rate, ..*payload });
        }
        Self(table)
    }

    pub(super) fn get(&self, payload_type: PayloadType) -> Option<&ReceivePayload> {
        self.0[usize::from(payload_type.get())].as_ref()
    }
}
