//! One room's legs, and everything that can happen to them.
//!
//! What happens is noted as work (a leg's slots must be assigned, its bandwidth allocated), and
//! [`Conference::settle`] does the work, in the order in which one follows from the other.

mod audio;
mod forward;
mod look;
mod video;
mod wishes;

pub use forward::HeldForwards;
pub use look::Carried;

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use conclave_proto::{
    CodecPreference, MediaState, ParticipantId, PublishWish, SLOT_PRIORITIES, Slots, SourceKind, VideoCodec, View,
    ViewItem, limits,
};

use crate::estimate::{self, Estimate};
use crate::layers::Steadiness;
use crate::leg::{Decodes, Demand, Leg, LegConfig, Slot, SourceId, StreamId};
use crate::person::Person;
use crate::rtp::{Bitrate, Forward, LayerIndex, LegId, SlotId, SlotReport, Time};
use crate::speakers::Ranking;
use crate::stream::{Lane, Streams};
use crate::table::{Key, Table};
use crate::trials::Trials;

/// Most legs of a room: everybody, each with an old and a new one.
const MAX_LEGS: usize = 2 * limits::CAPACITY as usize;

/// Most legs of a participant: an old one, a new one, and two more of a client in a hurry.
const MAX_LEGS_OF_PARTICIPANT: usize = 4;

/// How often the conference looks at what changes with time.
const TICK: Duration = Duration::from_millis(100);

/// In so many ticks every leg's bandwidth is allocated anew, because the rates of the streams have changed; in
/// each of them that of a part of the legs, so that no tick of a large room takes long.
const ALLOCATION_TURNS: usize = 5;

/// Every video codec, at the place of its number.
const VIDEO_CODECS: [VideoCodec; 4] = [VideoCodec::Vp8, VideoCodec::H264, VideoCodec::Vp9, VideoCodec::Av1];

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

/// The legs of one room. See the [crate's description](crate).
#[derive(Debug)]
pub struct Conference {
    people: Table<Person>,
    by_id: HashMap<ParticipantId, Key>,
    legs: Table<Leg>,
    preference: CodecPreference,
    /// The streams of a source that nothing has arrived of.
    nothing: Box<Streams>,
    ranking: Ranking<Key>,
    /// State of the generator of first numbers.
    random: u64,
    /// The latest time that was given.
    now: Time,
    ticked_at: Time,
    /// How many legs decode each codec, by its number.
    decoders: [usize; VIDEO_CODECS.len()],
    /// The codec that everybody's wish was made with.
    wished_codec: VideoCodec,
    /// Those who have a picture to send.
    publishers: Vec<Key>,
    /// The legs whose view names a participant, here or not.
    onlookers: HashMap<ParticipantId, Vec<Key>>,
    /// What is heard, by the number of a leg's audio slots.
    stages: [audio::Stage; limits::AUDIO_SLOTS],
    /// Sounds that are not silent.
    awake: Vec<SourceId>,
    /// Sounds that something has arrived of.
    sounding: Vec<SourceId>,
    /// Streams of which a key frame is waited for.
    awaited: Vec<StreamId>,
    /// The stream of which packets that were held go out now.
    replayed: Option<StreamId>,
    /// Counts the ticks.
    turn: usize,
    // Work, see the module's description.
    assign: Vec<Key>,
    allocate: Vec<Key>,
    wishes: Vec<SourceId>,
    late_wishes: Vec<SourceId>,
    must_listen: bool,
    /// Legs whose audio slots are new.
    listeners: Vec<Key>,
    /// Legs that hear one participant only, and whether their sounds may have come or gone.
    followers: Vec<Key>,
    must_follow: bool,
    // Results.
    outputs: VecDeque<Output>,
    slots_changed: VecDeque<Key>,
    /// Kept between packets, so that none of them allocates.
    forwards: Vec<Forward>,
    reports: Vec<SlotReport>,
}

impl Conference {
    /// An empty conference. The seed decides first sequence numbers and timestamps.
    pub fn new(seed: u64) -> Self {
        Self {
            people: Table::default(),
            by_id: HashMap::new(),
            legs: Table::default(),
            preference: CodecPreference::Auto,
            nothing: Box::new(Lane::new_streams()),
            ranking: Ranking::default(),
            random: seed,
            now: Time::default(),
            ticked_at: Time::default(),
            decoders: [0; VIDEO_CODECS.len()],
            wished_codec: VideoCodec::Vp8,
            publishers: Vec::new(),
            onlookers: HashMap::new(),
            stages: Default::default(),
            awake: Vec::new(),
            sounding: Vec::new(),
            awaited: Vec::new(),
            replayed: None,
            turn: 0,
            assign: Vec::new(),
            allocate: Vec::new(),
            wishes: Vec::new(),
            late_wishes: Vec::new(),
            must_listen: false,
            listeners: Vec::new(),
            followers: Vec::new(),
            must_follow: false,
            outputs: VecDeque::new(),
            slots_changed: VecDeque::new(),
            forwards: Vec::new(),
            reports: Vec::new(),
        }
    }

    /// Takes a new leg in. Nothing is sent to it before [`Self::handle_connected`].
    ///
    /// # Errors
    /// See [`AddLegError`]; nothing has changed then.
    pub fn add_leg(&mut self, now: Time, config: LegConfig) -> Result<LegId, AddLegError> {
        let now = self.advance(now);
        check_slots(&config)?;
        if self.legs.len() >= MAX_LEGS {
            return Err(AddLegError::TooManyLegs);
        }
        let known = self.by_id.get(&config.participant).copied();
        if let Some(person) = known.and_then(|key| self.people.get(key)) {
            if person.legs.len() >= MAX_LEGS_OF_PARTICIPANT {
                return Err(AddLegError::TooManyLegsOfParticipant);
            }
            let numbers = person.legs.iter().filter_map(|leg| self.legs.get(*leg)).map(|leg| leg.number);
            if numbers.into_iter().any(|number| number == config.number) {
                return Err(AddLegError::NumberInUse);
            }
        }
        let person = known.unwrap_or_else(|| {
            let key = self.people.insert(Person::new(now, config.participant.clone(), config.media));
            self.by_id.insert(config.participant.clone(), key);
            key
        });
        let leg = self.legs.insert(Leg {
            person,
            number: config.number,
            connected: false,
            decodes: Decodes::new(&config.decodes),
            copies: 0,
            streams: Box::new(Lane::new_streams()),
            hears: None,
            audio: Vec::new(),
            video: Vec::new(),
            view: Vec::new(),
            estimate: Estimate::default(),
            trials: Trials::default(),
            allocated: Bitrate::ZERO,
            estimated: Bitrate::ZERO,
            demand: Demand::default(),
            allocated_at: now,
            must_assign: false,
            must_allocate: false,
            must_tell_slots: false,
        });
        if let Some(person) = self.people.get_mut(person) {
            person.legs.push(leg);
            person.sources.iter_mut().for_each(|source| source.wish.retell());
        }
        self.count_decoders(Decodes::new(&config.decodes), true);
        self.set_slots(now, leg, &config);
        self.set_media(now, person, config.media);
        self.review_codec();
        self.wish_of(person);
        self.settle(now);
        Ok(LegId(leg))
    }

    /// The leg was described anew (more slots, an ICE restart). Slots whose `mid` stays where it was
    /// keep what they carry. Participant, number and media state are not changed.
    ///
    /// # Errors
    /// [`AddLegError::TooManySlots`]; nothing has changed then.
    pub fn update_leg(&mut self, now: Time, leg: LegId, config: LegConfig) -> Result<(), AddLegError> {
        let now = self.advance(now);
        check_slots(&config)?;
        let Some(found) = self.legs.get_mut(leg.0) else { return Ok(()) };
        let decodes = Decodes::new(&config.decodes);
        let before = std::mem::replace(&mut found.decodes, decodes);
        self.count_decoders(before, false);
        self.count_decoders(decodes, true);
        self.set_slots(now, leg.0, &config);
        self.review_codec();
        self.settle(now);
        Ok(())
    }

    /// The leg is connected: packets can be sent to it.
    pub fn handle_connected(&mut self, now: Time, leg: LegId) {
        let now = self.advance(now);
        if let Some(found) = self.legs.get_mut(leg.0) {
            found.connected = true;
            self.must_hear(leg.0);
            self.must_assign(leg.0);
        }
        self.settle(now);
    }

    /// The leg is gone.
    pub fn remove_leg(&mut self, now: Time, leg: LegId) {
        let now = self.advance(now);
        let leg = leg.0;
        let Some(person_key) = self.legs.get(leg).map(|leg| leg.person) else { return };
        for index in 0..self.legs.get(leg).map_or(0, |leg| leg.video.len()) {
            self.release_video(now, leg, index);
        }
        for index in 0..self.legs.get(leg).map_or(0, |leg| leg.audio.len()) {
            self.release_audio(now, leg, index);
        }
        self.set_view(leg, Vec::new());
        if let Some(gone) = self.legs.remove(leg) {
            self.count_decoders(gone.decodes, false);
            self.followers.retain(|follower| *follower != leg);
        }
        let Some(person) = self.people.get_mut(person_key) else { return };
        person.legs.retain(|other| *other != leg);
        for source in &mut person.sources {
            source.feed = source.feed.filter(|feed| feed.leg != leg);
        }
        if person.legs.is_empty() {
            self.set_media(now, person_key, MediaState::default());
            // Off, its sources are in nobody's slot any more once this is settled.
            self.settle(now);
            if let Some(person) = self.people.remove(person_key) {
                self.by_id.remove(&person.id);
            }
        } else {
            for kind in SourceKind::ALL {
                self.allocate_viewers(SourceId { person: person_key, kind });
            }
            (self.must_listen, self.must_follow) = (true, true);
        }
        self.review_codec();
        self.settle(now);
    }

    /// Whether nobody is here.
    pub fn is_empty(&self) -> bool {
        self.legs.len() == 0
    }

    /// The room's codec preference changed.
    pub fn set_codec(&mut self, now: Time, preference: CodecPreference) {
        let now = self.advance(now);
        self.preference = preference;
        self.review_codec();
        self.settle(now);
    }

    /// A participant turned sources on or off. What is off is not forwarded, whatever arrives.
    pub fn handle_media_state(&mut self, now: Time, participant: &ParticipantId, media: MediaState) {
        let now = self.advance(now);
        if let Some(person) = self.by_id.get(participant).copied() {
            self.set_media(now, person, media);
            self.settle(now);
        }
    }

    /// Whose sound a leg is sent: one participant's, or the loudest as from the start. The participant
    /// may come later.
    pub fn set_hearing(&mut self, now: Time, leg: LegId, only: Option<ParticipantId>) {
        let now = self.advance(now);
        if let Some(found) = self.legs.get_mut(leg.0) {
            self.followers.retain(|follower| *follower != leg.0);
            if only.is_some() {
                self.followers.push(leg.0);
            }
            found.hears = only;
            self.must_hear(leg.0);
        }
        self.settle(now);
    }

    /// A client says what it shows. Items beyond the 25th are ignored.
    pub fn handle_view(&mut self, now: Time, leg: LegId, view: &View) {
        let now = self.advance(now);
        let bounded = |item: &ViewItem| ViewItem { priority: item.priority.min(SLOT_PRIORITIES - 1), ..item.clone() };
        self.set_view(leg.0, view.items.iter().take(limits::VIDEO_SLOTS).map(bounded).collect());
        self.must_assign(leg.0);
        self.settle(now);
    }

    /// Notes what a leg shows, and for each participant who shows it.
    fn set_view(&mut self, key: Key, view: Vec<ViewItem>) {
        let Some(leg) = self.legs.get_mut(key) else { return };
        for item in std::mem::take(&mut leg.view) {
            let Some(legs) = self.onlookers.get_mut(&item.participant) else { continue };
            legs.retain(|other| *other != key);
            if legs.is_empty() {
                self.onlookers.remove(&item.participant);
            }
        }
        for item in &view {
            let legs = self.onlookers.entry(item.participant.clone()).or_default();
            // The camera and the screen of one participant are one after the other in a view, or nearly so.
            if legs.last() != Some(&key) {
                legs.push(key);
            }
        }
        leg.view = view;
    }

    /// Congestion control's estimate of what can be sent to a leg.
    pub fn handle_estimate(&mut self, now: Time, leg: LegId, estimate: Bitrate) {
        let now = self.advance(now);
        let Some(found) = self.legs.get_mut(leg.0) else { return };
        let is_first = !found.estimate.is_known();
        let has_grown = estimate::has_grown(found.estimated, estimate) && now.since(found.allocated_at) >= TICK;
        found.estimate.take(now, estimate);
        // What no longer fits gives way at once; anything else waits for the leg's turn.
        if is_first || has_grown || estimate < found.allocated {
            self.must_allocate(leg.0);
            self.settle(now);
        }
    }

    /// A leg's packets go by another network from now on: what was learnt of the one before counts no longer.
    pub fn handle_route_change(&mut self, now: Time, leg: LegId) {
        let now = self.advance(now);
        let Some(found) = self.legs.get_mut(leg.0) else { return };
        (found.estimate, found.trials, found.estimated) = (Estimate::default(), Trials::default(), Bitrate::ZERO);
        for slot in &mut found.video {
            if let Some(showing) = &mut slot.carries {
                showing.steadiness = Steadiness::default();
            }
        }
        self.must_allocate(leg.0);
        self.settle(now);
    }

    /// So many copies of earlier sounds go with each sound to a leg, because of what is lost on its way: they are part of what
    /// its sounds take.
    pub fn handle_copies(&mut self, now: Time, leg: LegId, copies: u8) {
        let now = self.advance(now);
        let Some(found) = self.legs.get_mut(leg.0).filter(|found| found.copies != copies) else { return };
        found.copies = copies;
        self.must_allocate(leg.0);
        self.settle(now);
    }

    /// A client asks for a key frame in one of its video slots (PLI or FIR).
    pub fn handle_keyframe_request(&mut self, now: Time, leg: LegId, slot: SlotId) {
        let now = self.advance(now);
        let SlotId::Video(index) = slot else { return };
        let showing = self.legs.get(leg.0).and_then(|leg| leg.video.get(usize::from(index))?.carries.as_ref());
        let Some(current) = showing.and_then(|showing| showing.current) else { return };
        if let Some(sender) = self.legs.get_mut(current.stream.leg) {
            sender.streams[current.stream.lane.index()].keyframes.want();
            self.watch_keyframes(now, current.stream, false);
        }
    }

    /// The time of [`Self::poll_timeout`] has come (calling earlier or later is harmless).
    pub fn handle_timeout(&mut self, now: Time) {
        let now = self.advance(now);
        if self.is_empty() || now.since(self.ticked_at) < TICK {
            return;
        }
        self.ticked_at = now;
        self.listen_to_time(now);
        self.watch_layers();
        self.turn = (self.turn + 1) % ALLOCATION_TURNS;
        for (key, leg) in self.legs.iter_mut_in_phase(self.turn, ALLOCATION_TURNS) {
            let is_served = leg.shows() || leg.hears();
            if is_served && now.since(leg.allocated_at) >= TICK && !std::mem::replace(&mut leg.must_allocate, true) {
                self.allocate.push(key);
            }
        }
        self.wish_with_time();
        self.settle(now);
        self.repeat_keyframe_requests(now);
    }

    /// When [`Self::handle_timeout`] wants to be called; never while the conference is empty.
    pub fn poll_timeout(&self) -> Option<Time> {
        (!self.is_empty()).then(|| self.ticked_at + TICK)
    }

    /// The next thing to do or tell.
    pub fn poll_output(&mut self) -> Option<Output> {
        if let Some(output) = self.outputs.pop_front() {
            return Some(output);
        }
        while let Some(key) = self.slots_changed.pop_front() {
            let Some(leg) = self.legs.get_mut(key) else { continue };
            leg.must_tell_slots = false;
            let slots = leg.slots(|person| self.people.get(person).map(|person| person.id.clone()));
            let Some(person) = self.people.get(leg.person) else { continue };
            return Some(Output::SlotsChanged { leg: LegId(key), participant: person.id.clone(), slots });
        }
        None
    }

    /// What a leg's congestion control should know; changes often, so ask when it is needed (such
    /// as after each [`Self::handle_timeout`]).
    pub fn demand(&self, leg: LegId) -> Demand {
        self.legs.get(leg.0).map_or(Demand::default(), |leg| leg.demand)
    }

    fn advance(&mut self, now: Time) -> Time {
        self.now = self.now.max(now);
        self.now
    }

    /// Does all work that is waiting.
    fn settle(&mut self, now: Time) {
        while let Some(leg) = self.assign.pop() {
            self.assign_video(now, leg);
        }
        if std::mem::take(&mut self.must_listen) {
            self.assign_audio(now);
        }
        while let Some(leg) = self.allocate.pop() {
            self.allocate_video(now, leg);
        }
        while let Some(source) = self.wishes.pop() {
            self.update_wish(now, source);
        }
    }

    fn must_assign(&mut self, leg: Key) {
        if let Some(found) = self.legs.get_mut(leg)
            && !std::mem::replace(&mut found.must_assign, true)
        {
            self.assign.push(leg);
        }
    }

    fn must_hear(&mut self, leg: Key) {
        self.must_listen = true;
        self.listeners.push(leg);
    }

    fn must_allocate(&mut self, leg: Key) {
        if let Some(found) = self.legs.get_mut(leg)
            && !std::mem::replace(&mut found.must_allocate, true)
        {
            self.allocate.push(leg);
        }
    }

    fn must_tell_slots(&mut self, leg: Key) {
        if let Some(found) = self.legs.get_mut(leg)
            && !std::mem::replace(&mut found.must_tell_slots, true)
        {
            self.slots_changed.push_back(leg);
        }
    }

    fn set_media(&mut self, now: Time, person_key: Key, media: MediaState) {
        let Some(person) = self.people.get_mut(person_key) else { return };
        let before = std::mem::replace(&mut person.media, media);
        for kind in SourceKind::ALL {
            let source = &mut person.sources[kind as usize];
            if before.has(kind) == media.has(kind) {
                continue;
            }
            // What arrived before it was turned on says nothing about what arrives now.
            source.feed = None;
            source.activity.reset();
            source.wish.turned_on(now);
            for leg in &person.legs {
                let Some(leg) = self.legs.get_mut(*leg) else { continue };
                for lane in LayerIndex::ALL.into_iter().filter_map(|layer| Lane::new(kind, layer)) {
                    leg.streams[lane.index()].forget_arrival();
                }
            }
        }
        (self.must_listen, self.must_follow) = (true, true);
        let id = person.id.clone();
        self.note_publisher(person_key);
        for at in 0..self.onlookers.get(&id).map_or(0, Vec::len) {
            let onlooker = self.onlookers.get(&id).and_then(|legs| legs.get(at)).copied();
            onlooker.into_iter().for_each(|leg| self.must_assign(leg));
        }
    }

    fn set_slots(&mut self, now: Time, leg: Key, config: &LegConfig) {
        let old = |conference: &Self, leg| {
            let leg: Option<&Leg> = conference.legs.get(leg);
            leg.map_or((0, 0), |leg| (leg.audio.len(), leg.video.len()))
        };
        let (audio, video) = old(self, leg);
        for index in 0..audio {
            let kept =
                self.legs.get(leg).is_some_and(|leg| config.audio_slots.get(index) == Some(&leg.audio[index].mid));
            if !kept {
                self.release_audio(now, leg, index);
            }
        }
        for index in 0..video {
            let kept =
                self.legs.get(leg).is_some_and(|leg| config.video_slots.get(index) == Some(&leg.video[index].mid));
            if !kept {
                self.release_video(now, leg, index);
            }
        }
        let random = &mut self.random;
        let Some(found) = self.legs.get_mut(leg) else { return };
        resize(&mut found.audio, &config.audio_slots, random);
        resize(&mut found.video, &config.video_slots, random);
        self.must_hear(leg);
        self.must_assign(leg);
    }
}

fn check_slots(config: &LegConfig) -> Result<(), AddLegError> {
    let fits = config.audio_slots.len() <= limits::AUDIO_SLOTS && config.video_slots.len() <= limits::VIDEO_SLOTS;
    if fits { Ok(()) } else { Err(AddLegError::TooManySlots) }
}

/// Makes the slots those of the list; one whose `mid` is where it was stays as it is.
fn resize<T>(slots: &mut Vec<Slot<T>>, mids: &[conclave_proto::Mid], random: &mut u64) {
    slots.truncate(mids.len());
    for (index, mid) in mids.iter().enumerate() {
        match slots.get_mut(index) {
            Some(slot) if slot.mid == *mid => {}
            Some(slot) => *slot = Slot::new(mid.clone(), next_random(random)),
            None => slots.push(Slot::new(mid.clone(), next_random(random))),
        }
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): first numbers need to differ, not to be secret.
fn next_random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
