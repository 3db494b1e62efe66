//! A leg as the conference keeps it.

use conclave_proto::{AudioSlot, LegNumber, MediaState, Mid, ParticipantId, Slots, SourceKind, VideoCodec, VideoSlot};

use crate::estimate::Estimate;
use crate::layers::Steadiness;
use crate::rewriter::Rewriter;
use crate::rtp::{Bitrate, Codec, LayerIndex, Time, Timestamp};
use crate::selector::{Selector, Verdict};
use crate::stream::{Incoming, Lane, Stream, Streams};
use crate::table::Key;
use crate::trials::Trials;

/// What is known of a leg when it is added.
#[derive(Clone, Debug)]
pub struct LegConfig {
    /// Whose it is. A participant can have more than one for a while: a source is taken from the
    /// newest that delivers it.
    pub participant: ParticipantId,
    /// The client's number for it; a higher number is a newer leg.
    pub number: LegNumber,
    /// Which sources are on.
    pub media: MediaState,
    /// What the client can decode; VP8 is taken as given.
    pub decodes: Vec<VideoCodec>,
    /// Receive-only audio sections, in order; [`crate::SlotId::Audio`] is a position in this list.
    pub audio_slots: Vec<Mid>,
    /// Receive-only video sections, in order; [`crate::SlotId::Video`] is a position in this list.
    pub video_slots: Vec<Mid>,
}

/// What a leg's congestion control should know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    /// What is sent to the leg now.
    pub sending: Bitrate,
    /// What would be sent if there were no limit. Worth probing for while it is more than the estimate.
    pub wanted: Bitrate,
}

/// A source of a participant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SourceId {
    pub person: Key,
    pub kind: SourceKind,
}

/// An incoming stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StreamId {
    pub leg: Key,
    pub lane: Lane,
}

#[derive(Debug)]
pub(crate) struct Leg {
    pub person: Key,
    pub number: LegNumber,
    pub connected: bool,
    pub decodes: Decodes,
    /// How many copies of earlier sounds go with each sound to it.
    pub copies: u8,
    /// What it sends.
    pub streams: Box<Streams>,
    /// The only participant whose sound it is sent; none: the loudest.
    pub hears: Option<ParticipantId>,
    /// What it is sent.
    pub audio: Vec<Slot<Listening>>,
    pub video: Vec<Slot<Showing>>,
    /// What it shows, most important first; bounded.
    pub view: Vec<conclave_proto::ViewItem>,
    pub estimate: Estimate,
    pub trials: Trials,
    /// What its sounds and pictures were allocated.
    pub allocated: Bitrate,
    /// The estimate by which that was done.
    pub estimated: Bitrate,
    pub demand: Demand,
    pub allocated_at: Time,
    // Work that is waiting, so that it is noted once.
    pub must_assign: bool,
    pub must_allocate: bool,
    pub must_tell_slots: bool,
}

/// A set of video codecs. VP8 is in every one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decodes(u8);

impl Decodes {
    pub fn new(codecs: &[VideoCodec]) -> Self {
        Self(codecs.iter().fold(1 << VideoCodec::Vp8 as u8, |set, codec| set | 1 << *codec as u8))
    }

    pub fn has(self, codec: VideoCodec) -> bool {
        self.0 & 1 << codec as u8 != 0
    }
}

/// An outgoing stream, and what it carries.
#[derive(Debug)]
pub(crate) struct Slot<T> {
    pub mid: Mid,
    pub rewriter: Rewriter,
    pub carries: Option<T>,
    pub released_at: Option<Time>,
}

/// A stream that goes through a slot now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Current {
    pub stream: StreamId,
    /// If the stream's is another, it began anew and has to be entered again.
    pub epoch: u32,
}

/// What a picture is to be taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub stream: StreamId,
    /// The source's layer: all of the stream, or of one that brings several, no more than this.
    pub layer: LayerIndex,
}

impl Target {
    /// How much of the stream is to be forwarded.
    pub fn level(&self, is_scalable: bool) -> LayerIndex {
        if is_scalable { self.layer } else { LayerIndex::HIGH }
    }
}

/// A sound in an audio slot.
#[derive(Debug)]
pub(crate) struct Listening {
    pub source: SourceId,
    /// In the source's list of slots.
    pub place: usize,
    pub current: Option<Current>,
}

/// A picture in a video slot.
#[derive(Debug)]
pub(crate) struct Showing {
    pub source: SourceId,
    /// In the source's list of slots.
    pub place: usize,
    /// The last timestamp in the slot before this picture.
    pub after: Option<Timestamp>,
    // From the view.
    pub width: u16,
    pub height: u16,
    pub priority: u8,
    pub position: usize,
    /// The view changed since the last allocation: what follows from it is no sign of the network.
    pub view_changed: bool,
    /// What the bandwidth allows; none when paused or when there is nothing.
    pub allocated: Option<LayerIndex>,
    /// What would be used if the sender sent it: more than is allocated where not the bandwidth but
    /// the sender is the limit.
    pub hoped: Option<LayerIndex>,
    /// Bandwidth allows nothing of what there is.
    pub paused: bool,
    pub steadiness: Steadiness,
    /// What is forwarded now.
    pub current: Option<Current>,
    /// What is to be forwarded as soon as a decoder can follow.
    pub target: Option<Target>,
    /// Which layers of a scalable stream are forwarded; none while nothing is, or if it is not one.
    pub selector: Option<Selector>,
    /// What was forwarded before that, or before the pause: what of it comes late still goes where it belongs.
    pub before: Option<(Current, Option<Selector>)>,
}

impl Showing {
    /// The source's layer that is forwarded now, by its stream.
    pub fn layer(&self, stream: &Stream) -> Option<LayerIndex> {
        let lane = self.current?.stream.lane;
        let selector = self.selector.as_ref().filter(|_| stream.is_scalable());
        Some(selector.map_or(lane.layer(), Selector::level))
    }

    /// Nothing new of the current stream is forwarded from here on.
    pub fn end_current(&mut self) {
        if let Some(current) = self.current.take() {
            self.before = Some((current, self.selector.take()));
        }
    }
}

/// Whether a packet of a stream is forwarded. `wanted`: how much of the stream is wanted now.
pub(crate) fn select(selector: Option<&mut Selector>, packet: &Incoming, wanted: Option<LayerIndex>) -> Verdict {
    let (Some(frame), Some(selector)) = (&packet.frame, selector) else { return Verdict::FORWARD };
    if let Some(top) = packet.lower_top {
        selector.cut_above(top);
    }
    selector.select(packet.sequence, packet.timestamp, frame, wanted.unwrap_or(selector.level()))
}

impl<T> Slot<T> {
    pub fn new(mid: Mid, random: u64) -> Self {
        Self { mid, rewriter: Rewriter::new(random), carries: None, released_at: None }
    }

    /// Ends what the slot carries.
    pub fn release(&mut self, now: Time) -> Option<T> {
        self.rewriter.stop();
        self.released_at = Some(now);
        self.carries.take()
    }
}

impl Leg {
    pub fn decodes(&self, codec: Codec) -> bool {
        codec.video().is_none_or(|codec| self.decodes.has(codec))
    }

    /// Whether it is sent any picture.
    pub fn shows(&self) -> bool {
        self.video.iter().any(|slot| slot.carries.is_some())
    }

    /// Whether it is sent any sound.
    pub fn hears(&self) -> bool {
        self.audio.iter().any(|slot| slot.carries.is_some())
    }

    /// Whether it shows something otherwise than when its bandwidth was last allocated.
    pub fn view_changed(&self) -> bool {
        self.video.iter().any(|slot| slot.carries.as_ref().is_some_and(|showing| showing.view_changed))
    }

    /// Whether the picture goes on only with a key frame of its target.
    pub fn waits_for(showing: &Showing, streams: &Streams) -> bool {
        showing.target.is_some_and(|target| {
            let stream = &streams[target.stream.lane.index()];
            let is_current = showing.current == Some(Current { stream: target.stream, epoch: stream.epoch() });
            let level = target.level(stream.is_scalable());
            !is_current || showing.selector.as_ref().is_some_and(|selector| selector.needs_switch(level))
        })
    }

    /// The protocol's word for what the slots carry. `name` gives a participant's identifier.
    pub fn slots(&self, name: impl Fn(Key) -> Option<ParticipantId>) -> Slots {
        let video = self.video.iter().filter_map(|slot| {
            let showing = slot.carries.as_ref()?;
            Some(VideoSlot {
                mid: slot.mid.clone(),
                participant: name(showing.source.person)?,
                source: showing.source.kind,
                after: showing.after.map(|timestamp| timestamp.0),
                paused: showing.paused,
            })
        });
        let audio = self.audio.iter().filter_map(|slot| {
            let source = slot.carries.as_ref()?.source;
            Some(AudioSlot { mid: slot.mid.clone(), participant: name(source.person)?, source: source.kind })
        });
        Slots { leg: self.number, video: video.collect(), audio: audio.collect() }
    }
}
