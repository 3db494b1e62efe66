//! Which layers of a source there are, and which of them a tile can use.

use std::time::Duration;

use conclave_proto::SourceKind;

use crate::estimate;
use crate::rtp::{Bitrate, LayerIndex, Resolution, Time};
use crate::stream::{LAYER_TIMEOUT, Lane, Stream, Streams};

/// How long after it was turned on a layer may take to arrive before it counts as absent.
const START_TIME: Duration = Duration::from_secs(3);

/// Least time between two changes of a picture that nothing forces.
const CHANGE_INTERVAL: Duration = Duration::from_secs(10);

/// After a picture fell to nothing, time until its smallest layer may come back: a still picture is
/// worse than one that comes and goes a little.
const RESUME_INTERVAL: Duration = Duration::from_millis(1_500);

/// After this long without a fall an estimate that grows is followed at once again.
const CALM: Duration = Duration::from_secs(60);

/// A tile is served by a layer of at least this share of its pixels, in percent: the difference to
/// the next layer, four times as many, would hardly be seen.
const ENOUGH_PIXELS_PERCENT: u64 = 60;

/// What a layer that has not been measured is taken to cost: somewhat more than browsers send.
fn nominal_rate(kind: SourceKind, layer: LayerIndex) -> Bitrate {
    match kind {
        SourceKind::Screen => Bitrate::kbps(600),
        _ => Bitrate::kbps([150, 500, 1_500][layer.index()]),
    }
}

/// What a source's sender is asked to send, as far as it decides whether a layer is to be expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    /// The layer is wished for.
    pub on: bool,
    /// Since when.
    pub since: Time,
}

/// What is known of a source's layers on the leg that delivers it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Layers {
    /// Arrives now.
    pub live: [bool; LayerIndex::COUNT],
    /// The stream that brings it; none if the source cannot have it.
    pub lanes: [Option<Lane>; LayerIndex::COUNT],
    /// What it costs; none if it does not arrive and is not to be expected.
    pub rates: [Option<Bitrate>; LayerIndex::COUNT],
}

impl Layers {
    /// Looks at a source's streams, leaving out what the receiver cannot decode.
    pub fn observe(
        now: Time,
        kind: SourceKind,
        streams: &Streams,
        asked: &[Asked; LayerIndex::COUNT],
        decodes: impl Fn(crate::Codec) -> bool,
    ) -> Self {
        let mut layers = Self { live: live(kind, streams), ..Self::default() };
        for layer in LayerIndex::ALL {
            let Some(lane) = lane_of(kind, streams, layer) else { continue };
            let (index, stream) = (layer.index(), &streams[lane.index()]);
            layers.lanes[index] = Some(lane);
            if stream.codec().is_some_and(|codec| !decodes(codec)) {
                layers.live[index] = false;
            }
            let expected = !asked[index].on || now.since(asked[index].since) < START_TIME;
            if layers.live[index] || expected {
                layers.rates[index] = Some(stream.rate_up_to(layer).unwrap_or(nominal_rate(kind, layer)));
            }
        }
        layers
    }

    /// The layer to forward where `allocated` was allocated: the best that arrives and is not larger,
    /// or else the smallest, if with it no more than `spare` is spent above what was allocated.
    pub fn choose(&self, allocated: LayerIndex, spare: Bitrate) -> Option<LayerIndex> {
        let live = |layer: &LayerIndex| self.live[layer.index()];
        let rate = |layer: LayerIndex| self.rates[layer.index()].unwrap_or_default();
        LayerIndex::ALL.into_iter().rev().find(|layer| *layer <= allocated && live(layer)).or_else(|| {
            let smallest = LayerIndex::ALL.into_iter().find(live)?;
            (rate(smallest).saturating_sub(rate(allocated)) <= spare).then_some(smallest)
        })
    }
}

/// The stream that brings a layer: each has its own, unless the first brings them all.
fn lane_of(kind: SourceKind, streams: &Streams, layer: LayerIndex) -> Option<Lane> {
    scalable(kind, streams).map(|(lane, _)| lane).or_else(|| Lane::new(kind, layer))
}

/// The source's stream, if one brings all layers and is not left over from before its sender changed to
/// one for each.
fn scalable(kind: SourceKind, streams: &Streams) -> Option<(Lane, &Stream)> {
    let lane = Lane::new(kind, LayerIndex::LOW)?;
    let stream = &streams[lane.index()];
    let arrival = stream.last_arrival()?;
    let newest =
        LayerIndex::ALL.into_iter().filter_map(|layer| streams[Lane::new(kind, layer)?.index()].last_arrival());
    let is_current = newest.max().is_none_or(|newest| newest.since(arrival) <= LAYER_TIMEOUT);
    (stream.is_scalable() && is_current).then_some((lane, stream))
}

/// Which layers arrive. One that is silent counts as arriving until another of the source has gone
/// on for [`LAYER_TIMEOUT`] without it: a source that is silent altogether leaves nothing to choose.
pub(crate) fn live(kind: SourceKind, streams: &Streams) -> [bool; LayerIndex::COUNT] {
    if let Some((_, stream)) = scalable(kind, streams)
        && let Some(newest) = stream.last_arrival()
    {
        return stream.layers().live(newest, LAYER_TIMEOUT);
    }
    let arrival = |layer| Lane::new(kind, layer).and_then(|lane| streams[lane.index()].last_arrival());
    let newest = LayerIndex::ALL.into_iter().filter_map(arrival).max();
    LayerIndex::ALL.map(|layer| match (arrival(layer), newest) {
        (Some(at), Some(newest)) => newest.since(at) <= LAYER_TIMEOUT,
        _ => false,
    })
}

/// The smallest layer that looks good in a tile of this size.
pub(crate) fn wanted(kind: SourceKind, streams: &Streams, width: u16, height: u16) -> LayerIndex {
    let known = |layer| match scalable(kind, streams) {
        Some((_, stream)) => stream.layers().size(layer),
        None => Lane::new(kind, layer).and_then(|lane| streams[lane.index()].resolution()),
    };
    // Each layer has half the width and height of the next; one of them tells the others.
    let measured = LayerIndex::ALL.into_iter().rev().find_map(|layer| Some((layer, known(layer)?)));
    let (reference, size) = measured.unwrap_or((LayerIndex::HIGH, Resolution { width: 1280, height: 720 }));
    let pixels = |layer: LayerIndex| {
        let size = known(layer)
            .map_or_else(|| (size.pixels() << (2 * layer.index())) >> (2 * reference.index()), Resolution::pixels);
        size.max(1)
    };
    let needed = u64::from(width) * u64::from(height) * ENOUGH_PIXELS_PERCENT / 100;
    LayerIndex::ALL.into_iter().find(|layer| pixels(*layer) >= needed).unwrap_or(LayerIndex::HIGH)
}

/// Keeps a picture from going up and down with every breath of the estimate: what the network does not force
/// happens at most once in [`CHANGE_INTERVAL`]. Only an estimate that has grown well beyond what it was, with
/// no fall for [`CALM`], is followed at once, so that a good connection is used from the beginning.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Steadiness {
    changed_at: Option<Time>,
    fell_at: Option<Time>,
    /// The estimate at that change.
    estimate: Bitrate,
}

impl Steadiness {
    /// Whether a picture may be changed without need.
    pub fn may_change(&self, now: Time) -> bool {
        self.changed_at.is_none_or(|at| now.since(at) >= CHANGE_INTERVAL)
    }

    /// Whether it may get more than it has.
    pub fn may_rise(&self, now: Time, estimate: Bitrate) -> bool {
        let calm = self.fell_at.is_none_or(|at| now.since(at) >= CALM);
        self.may_change(now) || calm && estimate::has_grown(self.estimate, estimate)
    }

    /// Whether a picture that is paused may get its smallest layer back.
    pub fn may_resume(&self, now: Time) -> bool {
        self.fell_at.is_none_or(|at| now.since(at) >= RESUME_INTERVAL)
    }

    /// The allocation changed because of the network.
    pub fn changed(&mut self, now: Time, from: Option<LayerIndex>, to: Option<LayerIndex>, estimate: Bitrate) {
        if to != from {
            self.changed_at = Some(now);
            self.estimate = estimate;
        }
        if to < from {
            self.fell_at = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::{Codec, RtpPacket, Timestamp};

    fn at(ms: u64) -> Time {
        Time::since_start(Duration::from_millis(ms))
    }

    fn arrive(streams: &mut Streams, layer: LayerIndex, ms: u64, sequence: u64) {
        let lane = Lane::new(SourceKind::Camera, layer).expect("a camera's");
        let packet = RtpPacket {
            sequence,
            timestamp: Timestamp(0),
            marker: true,
            codec: Codec::Vp8,
            payload: &[0x10, 0x01],
            audio_level: None,
            voice_activity: None,
            descriptor: None,
        };
        streams[lane.index()].receive(at(ms), &packet).expect("taken");
    }

    const ON: [Asked; 3] = [Asked { on: true, since: Time::since_start(Duration::ZERO) }; 3];

    #[test]
    fn a_layer_that_stops_while_others_go_on_is_absent() {
        let mut streams = Lane::new_streams();
        LayerIndex::ALL.into_iter().for_each(|layer| arrive(&mut streams, layer, 5_000, 1));
        assert_eq!(live(SourceKind::Camera, &streams), [true; 3]);
        arrive(&mut streams, LayerIndex::LOW, 5_401, 2);
        arrive(&mut streams, LayerIndex::MIDDLE, 5_300, 2);
        let layers = Layers::observe(at(5_401), SourceKind::Camera, &streams, &ON, |_| true);
        assert_eq!(layers.live, [true, true, false]);
        assert_eq!(layers.rates[2], None);
    }

    #[test]
    fn a_source_that_is_silent_altogether_keeps_its_layers() {
        let mut streams = Lane::new_streams();
        arrive(&mut streams, LayerIndex::LOW, 0, 1);
        let layers = Layers::observe(at(60_000), SourceKind::Camera, &streams, &ON, |_| true);
        assert_eq!(layers.live, [true, false, false]);
    }

    #[test]
    fn a_layer_that_was_turned_off_or_just_on_is_expected_but_not_for_ever() {
        let streams = Lane::new_streams();
        let mut asked = ON;
        asked[1].on = false;
        let later = Layers::observe(at(3_000), SourceKind::Camera, &streams, &asked, |_| true);
        assert_eq!(later.rates.map(|rate| rate.is_some()), [false, true, false]);
        let early = Layers::observe(at(2_999), SourceKind::Camera, &streams, &asked, |_| true);
        assert_eq!(early.rates.map(|rate| rate.is_some()), [true; 3]);
    }

    #[test]
    fn what_the_receiver_cannot_decode_does_not_arrive_for_it() {
        let mut streams = Lane::new_streams();
        arrive(&mut streams, LayerIndex::LOW, 5_000, 1);
        let layers = Layers::observe(at(5_000), SourceKind::Camera, &streams, &ON, |codec| codec == Codec::H264);
        assert_eq!(layers.live, [false; 3]);
    }

    #[test]
    fn the_best_arriving_layer_below_is_chosen_and_a_larger_one_only_within_what_is_spare() {
        let layers = Layers {
            live: [false, true, true],
            rates: [150, 500, 1_500].map(|kbps| Some(Bitrate::kbps(kbps))),
            ..Layers::default()
        };
        assert_eq!(layers.choose(LayerIndex::HIGH, Bitrate::ZERO), Some(LayerIndex::HIGH));
        assert_eq!(layers.choose(LayerIndex::LOW, Bitrate::kbps(400)), Some(LayerIndex::MIDDLE));
        assert_eq!(layers.choose(LayerIndex::LOW, Bitrate::kbps(300)), None);
    }

    #[test]
    fn a_tile_wants_the_layer_of_its_size() {
        let streams = Lane::new_streams();
        let wanted = |width, height| wanted(SourceKind::Camera, &streams, width, height);
        assert_eq!(wanted(200, 112), LayerIndex::LOW);
        assert_eq!(wanted(400, 225), LayerIndex::LOW);
        assert_eq!(wanted(640, 360), LayerIndex::MIDDLE);
        assert_eq!(wanted(1280, 720), LayerIndex::HIGH);
        assert_eq!(wanted(u16::MAX, u16::MAX), LayerIndex::HIGH);
        assert_eq!(wanted(0, 0), LayerIndex::LOW);
    }

    #[test]
    fn a_picture_changes_once_in_ten_seconds_unless_the_network_is_another() {
        let mut steadiness = Steadiness::default();
        let [low, high] = [Some(LayerIndex::LOW), Some(LayerIndex::HIGH)];
        let estimate = Bitrate::kbps(1_000);
        steadiness.changed(at(0), low, high, estimate);
        assert!(!steadiness.may_rise(at(9_999), Bitrate::kbps(1_300)) && !steadiness.may_change(at(9_999)));
        assert!(steadiness.may_rise(at(100), Bitrate::kbps(1_500)), "before the first fall");
        assert!(steadiness.may_rise(at(10_000), estimate) && steadiness.may_change(at(10_000)));
        steadiness.changed(at(20_000), high, low, estimate);
        assert!(!steadiness.may_rise(at(29_999), Bitrate::kbps(9_000)));
        assert!(steadiness.may_rise(at(30_000), estimate));
        steadiness.changed(at(30_000), low, low, estimate);
        assert!(steadiness.may_change(at(30_000)), "what stays is no change");
    }

    #[test]
    fn a_picture_that_fell_to_nothing_comes_back_small_before_it_may_rise() {
        let mut steadiness = Steadiness::default();
        let estimate = Bitrate::kbps(1_000);
        steadiness.changed(at(1_000), Some(LayerIndex::LOW), None, estimate);
        assert!(!steadiness.may_resume(at(2_499)));
        assert!(steadiness.may_resume(at(2_500)) && !steadiness.may_rise(at(2_500), estimate));
    }
}
