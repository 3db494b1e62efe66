//! One room's legs, and everything that can happen to them.

use conclave_proto::{
    CodecPreference, LegNumber, MediaState, Mid, ParticipantId, PublishWish, Slots, SourceKind, VideoCodec, View,
};

use crate::rtp::{Bitrate, Forward, LayerIndex, LegId, RtpPacket, SlotId, Time};

/// What is known of a leg when it is added.
#[derive(Clone, Debug)]
pub struct LegConfig {
    /// Whose it is. A participant can have more than one for a while: the newest that delivers a
    /// source is the one it is taken from.
    pub participant: ParticipantId,
    /// The client's number for it; a higher number is a newer leg.
    pub number: LegNumber,
    /// Which sources are on.
    pub media: MediaState,
    /// What the client can decode; VP8 is taken as given.
    pub decodes: Vec<VideoCodec>,
    /// Receive-only audio sections, in order; [`SlotId::Audio`] is a position in this list.
    pub audio_slots: Vec<Mid>,
    /// Receive-only video sections, in order; [`SlotId::Video`] is a position in this list.
    pub video_slots: Vec<Mid>,
}

/// Why a leg was not added. All of these are the client's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddLegError {
    /// The room has as many legs as it may have.
    #[error("the room has as many legs as it may")]
    TooManyLegs,
    /// The participant has as many legs as it may have.
    #[error("the participant has as many legs as it may")]
    TooManyLegsOfParticipant,
    /// The participant has a leg of this number; [`Conference::update_leg`] changes it.
    #[error("the participant has a leg of this number")]
    NumberInUse,
    /// More slots than the protocol's limits allow.
    #[error("more slots than allowed")]
    TooManySlots,
}

/// What a conference wants done or told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Ask for a key frame (PLI, RFC 4585 section 6.3.1) on this incoming stream.
    RequestKeyframe {
        /// The leg that sends it.
        leg: LegId,
        /// The source.
        source: SourceKind,
        /// The encoding.
        layer: LayerIndex,
    },
    /// What the slots of a leg carry has changed.
    SlotsChanged {
        /// The leg.
        leg: LegId,
        /// Whose it is.
        participant: ParticipantId,
        /// All of its slots that are in use.
        slots: Slots,
    },
    /// Who speaks has changed; loudest first.
    Speakers(Vec<ParticipantId>),
    /// What is needed of a participant's source has changed.
    PublishWish {
        /// Whose source.
        participant: ParticipantId,
        /// Which codec and layers.
        wish: PublishWish,
    },
}

/// What a leg's congestion control should know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    /// What is sent to the leg now.
    pub sending: Bitrate,
    /// What would be sent if there were no limit. Worth probing for while it is more than the estimate.
    pub wanted: Bitrate,
}

/// The legs of one room. See the [crate's description](crate).
#[derive(Debug)]
pub struct Conference {}

impl Conference {
    /// An empty conference. The seed decides first sequence numbers and timestamps.
    pub fn new(_seed: u64) -> Self {
        Self {}
    }

    /// Takes a new leg in. Nothing is sent to it before [`Self::handle_connected`].
    ///
    /// # Errors
    /// See [`AddLegError`]; nothing has changed then.
    pub fn add_leg(&mut self, _now: Time, _config: LegConfig) -> Result<LegId, AddLegError> {
        Err(AddLegError::TooManyLegs)
    }

    /// The leg was described anew (more slots, an ICE restart). Slots whose `mid` stays where it was
    /// keep what they carry. Participant and number are not changed.
    ///
    /// # Errors
    /// [`AddLegError::TooManySlots`]; nothing has changed then.
    pub fn update_leg(&mut self, _now: Time, _leg: LegId, _config: LegConfig) -> Result<(), AddLegError> {
        Ok(())
    }

    /// The leg is connected: packets can be sent to it.
    pub fn handle_connected(&mut self, _now: Time, _leg: LegId) {}

    /// The leg is gone.
    pub fn remove_leg(&mut self, _now: Time, _leg: LegId) {}

    /// Whether nobody is here.
    pub fn is_empty(&self) -> bool {
        true
    }

    /// The room's codec preference changed.
    pub fn set_codec(&mut self, _now: Time, _preference: CodecPreference) {}

    /// A participant turned sources on or off. What is off is not forwarded, whatever arrives.
    pub fn handle_media_state(&mut self, _now: Time, _participant: &ParticipantId, _media: MediaState) {}

    /// A client says what it shows.
    pub fn handle_view(&mut self, _now: Time, _leg: LegId, _view: &View) {}

    /// Congestion control's estimate of what can be sent to a leg.
    pub fn handle_estimate(&mut self, _now: Time, _leg: LegId, _estimate: Bitrate) {}

    /// A client asks for a key frame in one of its video slots (PLI or FIR).
    pub fn handle_keyframe_request(&mut self, _now: Time, _leg: LegId, _slot: SlotId) {}

    /// A leg received a packet. Returns what to send; a packet that is not to be trusted, or that
    /// nobody wants, gives nothing. Not more than 1,500 bytes of payload are accepted.
    pub fn handle_rtp(
        &mut self,
        _now: Time,
        _leg: LegId,
        _source: SourceKind,
        _layer: LayerIndex,
        _packet: &RtpPacket<'_>,
    ) -> &[Forward] {
        &[]
    }

    /// The time of [`Self::poll_timeout`] has come (calling earlier or later is harmless).
    pub fn handle_timeout(&mut self, _now: Time) {}

    /// When [`Self::handle_timeout`] wants to be called; never while the conference is empty.
    pub fn poll_timeout(&self) -> Option<Time> {
        None
    }

    /// The next thing to do or tell.
    pub fn poll_output(&mut self) -> Option<Output> {
        None
    }

    /// What a leg's congestion control should know; changes often, so ask when it is needed (such
    /// as after each [`Self::handle_timeout`]).
    pub fn demand(&self, _leg: LegId) -> Demand {
        Demand::default()
    }
}
