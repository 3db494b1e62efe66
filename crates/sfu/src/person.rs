//! A participant as the conference keeps it: its sources, and what is wished of them.

use std::time::Duration;

use conclave_proto::{LegNumber, MediaState, ParticipantId, PublishWish, SourceKind, VideoCodec};

use crate::layers::Asked;
use crate::rtp::{LayerIndex, Time};
use crate::speakers::Activity;
use crate::stream::LAYER_TIMEOUT;
use crate::table::Key;

/// How long a layer stays on after the last one who needed it: people scroll and come back.
const LINGER: Duration = Duration::from_secs(4);

/// Least time between two wishes for a source; a view that flickers does not reach the sender.
const WISH_INTERVAL: Duration = Duration::from_millis(250);

#[derive(Debug)]
pub(crate) struct Person {
    pub id: ParticipantId,
    pub media: MediaState,
    pub legs: Vec<Key>,
    pub sources: [Source; SourceKind::ALL.len()],
}

#[derive(Debug)]
pub(crate) struct Source {
    /// The leg that delivers it, with its number, and when it last did.
    pub feed: Option<Feed>,
    /// The slots that carry it: leg and position.
    pub slots: Vec<(Key, u8)>,
    /// How loud it is; sounds only.
    pub activity: Activity,
    /// What its sender is asked for; pictures only.
    pub wish: Wish,
    /// Among the sounds that something has arrived of.
    pub is_sounding: bool,
    /// Which of its layers arrived when it was last looked at; pictures only.
    pub live: [bool; LayerIndex::COUNT],
    /// When its streams last made the legs that show it allocate anew.
    pub changed_at: Option<Time>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Feed {
    pub leg: Key,
    number: LegNumber,
    last_packet: Time,
}

impl Person {
    pub fn new(now: Time, id: ParticipantId, media: MediaState) -> Self {
        let sources = std::array::from_fn(|_| Source {
            feed: None,
            slots: Vec::new(),
            activity: Activity::default(),
            wish: Wish::new(now),
            is_sounding: false,
            live: [false; LayerIndex::COUNT],
            changed_at: None,
        });
        Self { id, media, legs: Vec::new(), sources }
    }

    pub fn source(&self, kind: SourceKind) -> &Source {
        &self.sources[kind as usize]
    }

    pub fn source_mut(&mut self, kind: SourceKind) -> &mut Source {
        &mut self.sources[kind as usize]
    }
}

impl Source {
    /// Notes that a slot carries it. Returns the place in the list, by which the slot is taken out again.
    pub fn attach(&mut self, leg: Key, index: usize) -> usize {
        self.slots.push((leg, index as u8));
        self.slots.len() - 1
    }

    /// Takes the slot at a place out of the list. Returns the one that has that place now, if another does.
    pub fn detach(&mut self, place: usize) -> Option<(Key, u8)> {
        if place < self.slots.len() {
            self.slots.swap_remove(place);
        }
        self.slots.get(place).copied()
    }

    /// Notes that a leg delivered a packet. Returns whether the source is taken from another leg now:
    /// from a newer one at once, from an older one when the newer is silent.
    pub fn feed_from(&mut self, now: Time, leg: Key, number: LegNumber) -> bool {
        match &mut self.feed {
            Some(feed) if feed.leg == leg => {
                feed.last_packet = now;
                false
            }
            Some(feed) if number < feed.number && now.since(feed.last_packet) <= LAYER_TIMEOUT => false,
            _ => {
                self.feed = Some(Feed { leg, number, last_packet: now });
                true
            }
        }
    }
}

/// What becomes of a wish.
#[derive(Debug)]
pub(crate) enum Wished {
    /// It is to be told.
    Tell(PublishWish),
    /// It is as it was told.
    Unchanged,
    /// It has changed, but is told later.
    TooEarly,
}

/// What the sender of a source is asked for.
#[derive(Debug)]
pub(crate) struct Wish {
    needed_at: [Time; LayerIndex::COUNT],
    pub asked: [Asked; LayerIndex::COUNT],
    told: Option<PublishWish>,
    told_at: Option<Time>,
}

impl Wish {
    fn new(now: Time) -> Self {
        let asked = [Asked { on: true, since: now }; LayerIndex::COUNT];
        Self { needed_at: [now; LayerIndex::COUNT], asked, told: None, told_at: None }
    }

    /// The source was turned on: its layers are to be expected.
    pub fn turned_on(&mut self, now: Time) {
        self.needed_at = [now; LayerIndex::COUNT];
        self.asked.iter_mut().for_each(|asked| asked.since = now);
    }

    /// The participant has a new leg, which knows of no wish.
    pub fn retell(&mut self) {
        self.told = None;
        self.told_at = None;
    }

    /// What becomes of the wish now. `needed`: the layers that somebody needs.
    pub fn update(
        &mut self,
        now: Time,
        source: SourceKind,
        codec: VideoCodec,
        needed: [bool; LayerIndex::COUNT],
    ) -> Wished {
        for (at, needed) in self.needed_at.iter_mut().zip(needed) {
            if needed {
                *at = now;
            }
        }
        let has = |layer: usize| layer == 0 || source == SourceKind::Camera;
        let on = |layer: usize| has(layer) && (needed[layer] || now.since(self.needed_at[layer]) < LINGER);
        let wish = PublishWish { source, codec, layers: std::array::from_fn(on) };
        if self.told.as_ref() == Some(&wish) {
            return Wished::Unchanged;
        }
        if self.told_at.is_some_and(|at| now.since(at) < WISH_INTERVAL) {
            return Wished::TooEarly;
        }
        for (asked, on) in self.asked.iter_mut().zip(wish.layers) {
            if asked.on != on {
                *asked = Asked { on, since: now };
            }
        }
        self.told_at = Some(now);
        self.told = Some(wish.clone());
        Wished::Tell(wish)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Time {
        Time::since_start(Duration::from_millis(ms))
    }

    fn update(wish: &mut Wish, ms: u64, needed: [bool; 3]) -> Option<[bool; 3]> {
        match wish.update(at(ms), SourceKind::Camera, VideoCodec::Vp8, needed) {
            Wished::Tell(wish) => Some(wish.layers),
            Wished::Unchanged | Wished::TooEarly => None,
        }
    }

    #[test]
    fn a_layer_goes_on_at_once_and_off_after_a_while() {
        let mut wish = Wish::new(at(0));
        assert_eq!(update(&mut wish, 0, [false; 3]), Some([true; 3]), "at first everything");
        assert_eq!(update(&mut wish, 3_999, [true, false, false]), None);
        assert_eq!(update(&mut wish, 4_000, [true, false, false]), Some([true, false, false]));
        assert_eq!(update(&mut wish, 4_250, [true, true, false]), Some([true, true, false]));
        assert_eq!(update(&mut wish, 8_249, [false; 3]), None);
        assert_eq!(update(&mut wish, 8_250, [false; 3]), Some([false; 3]));
    }

    #[test]
    fn a_view_that_flickers_does_not_flood_the_sender() {
        let mut wish = Wish::new(at(0));
        let told = (0..10_000).step_by(10).filter(|ms| update(&mut wish, *ms, [ms % 20 == 0; 3]).is_some()).count();
        assert_eq!(told, 1);
    }

    #[test]
    fn a_screen_has_one_layer() {
        let mut wish = Wish::new(at(0));
        let Wished::Tell(told) = wish.update(at(0), SourceKind::Screen, VideoCodec::Vp8, [true; 3]) else {
            panic!("the first is told")
        };
        assert_eq!(told.layers, [true, false, false]);
    }

    #[test]
    fn a_newer_leg_takes_over_at_once_and_an_older_one_only_after_silence() {
        let mut table = crate::table::Table::default();
        let [old, new] = [table.insert(()), table.insert(())];
        let mut person = Person::new(at(0), ParticipantId::parse("p").expect("valid"), MediaState::default());
        let source = person.source_mut(SourceKind::Camera);
        assert!(source.feed_from(at(0), old, LegNumber(1)));
        assert!(source.feed_from(at(10), new, LegNumber(2)));
        assert!(!source.feed_from(at(20), old, LegNumber(1)));
        assert!(!source.feed_from(at(30), new, LegNumber(2)));
        assert!(source.feed_from(at(431), old, LegNumber(1)));
    }
}
