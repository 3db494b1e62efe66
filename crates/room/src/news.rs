//! What everybody is told about who is in the room. A small room tells each change by itself, at once.
//! A large one tells only of those who are listed ([`crate::listing`]), and tells all that has changed
//! together, the more seldom the more people there are.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use conclave_proto::{
    Departed, DisplayName, Event, LeaveReason, NetworkReport, Participant, ParticipantId, Reaction, Reply, limits,
};

use crate::listing::Voice;
use crate::member::Member;
use crate::room::Room;

/// In a large room: time between two tellings for each person inside, so that the messages that leave the
/// room in a second do not grow with it.
const INTERVAL_EACH: Duration = Duration::from_micros(250);
const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);

/// Most members that one telling describes: a page reads it in one go, and the rest follows.
const CHANGES: usize = limits::ROSTER_LISTED;

/// In a large room: most reactions that are shown between two tellings. Who misses one of a hundred
/// clapping hands misses nothing.
const REACTIONS: usize = 4;

/// Most members that a search looks at for one page, so that it costs little whatever is searched for.
const SEARCHED: usize = 1_000;

/// Network reports that one participant of a small room receives a second, at most.
const REPORTS_PER_SECOND: u32 = 25;

/// What has changed and has not been told.
#[derive(Debug, Default)]
pub(crate) struct News {
    /// Members whose state has changed, or who are listed or not any more.
    changed: BTreeSet<u32>,
    left: Vec<Departed>,
    reactions: VecDeque<Event>,
    speakers_changed: bool,
    /// How many people there were when it was last told.
    count: usize,
    /// A newcomer was told another number since: it has to be told again, even if it is as it was.
    counts_differ: bool,
    told_at: Option<Duration>,
}

impl Room {
    /// Everybody is listed, and told of at once.
    fn is_small(&self) -> bool {
        self.roster.len() <= limits::ROSTER_LISTED
    }

    /// Lets a member in and tells the others.
    pub(crate) fn take_in(&mut self, member: Member) {
        let (id, order) = (member.id().clone(), member.state.order);
        self.streams.stale = true;
        self.roster.insert(member, &mut self.news.changed);
        self.tell_of(order, Some(&id), |participant| Event::ParticipantJoined { participant });
    }

    /// Tells of a change of one member's state.
    pub(crate) fn broadcast_state(&mut self, id: &ParticipantId, except: Option<&ParticipantId>) {
        let Some(order) = self.roster.order_of(id) else { return };
        self.roster.relist(order, &mut self.news.changed);
        if self.roster.is_listed(order) {
            self.news.changed.insert(order);
        } else if except != Some(id)
            && let Some(member) = self.roster.at(order)
        {
            // Nobody else need know.
            let participant = member.state.clone();
            self.tell(id, Event::ParticipantUpdated { participant });
        }
        self.tell_of(order, except, |participant| Event::ParticipantUpdated { participant });
    }

    /// Takes a member out and tells the others.
    pub(crate) fn take_out(&mut self, id: &ParticipantId) -> Option<Member> {
        self.roster.remove(id, &mut self.news.changed)
    }

    /// Tells of a member who was taken out.
    pub(crate) fn tell_of_departure(&mut self, member: &Member, reason: LeaveReason) {
        self.news.changed.remove(&member.state.order);
        let participant = member.id().clone();
        let is_all_there_is = self.news.is_about(None) && self.news.everybody_counts(self.roster.len() + 1);
        // A room that becomes small by it may lose somebody whom the others do not know: they only count.
        if self.is_small() && is_all_there_is && member.told {
            self.news.note_count(self.roster.len());
            return self.broadcast(Event::ParticipantLeft { participant, reason }, None);
        }
        if member.told {
            self.news.left.push(Departed { participant, reason });
        }
        self.tell_if_small();
    }

    /// Tells of one member: by itself if the room is small, and there is nothing else to tell.
    fn tell_of(&mut self, order: u32, except: Option<&ParticipantId>, event: impl FnOnce(Participant) -> Event) {
        if self.is_small() && self.news.is_about(Some(order)) {
            self.news.changed.clear();
            self.news.note_count(self.roster.len());
            let Some(member) = self.roster.at_mut(order) else { return };
            member.told = true;
            let event = event(member.state.clone());
            return self.broadcast(event, except);
        }
        self.tell_if_small();
    }

    fn tell_if_small(&mut self) {
        while self.is_small() && self.has_roster_news() {
            self.tell_roster();
        }
    }

    fn has_roster_news(&self) -> bool {
        !self.news.is_about(None) || !self.news.everybody_counts(self.roster.len())
    }

    /// When what has changed is to be told.
    pub(crate) fn news_due_at(&self) -> Option<Duration> {
        let news = self.has_roster_news() || self.news.speakers_changed || !self.news.reactions.is_empty();
        news.then(|| self.news.told_at.map_or(Duration::ZERO, |at| at + self.news_interval()))
    }

    fn news_interval(&self) -> Duration {
        if self.is_small() { Duration::ZERO } else { SHORTEST_INTERVAL.max(INTERVAL_EACH * self.roster.len() as u32) }
    }

    /// Tells what has changed, if it is time.
    pub(crate) fn tell_news(&mut self, now: Duration) {
        if self.news_due_at().is_none_or(|at| at > now) {
            return;
        }
        self.news.told_at = Some(now);
        if self.has_roster_news() {
            self.tell_roster();
        }
        // Who speaks is listed by now: those matter most, and were told of first.
        if std::mem::take(&mut self.news.speakers_changed) {
            self.broadcast(Event::SpeakersChanged { speakers: self.speakers.clone() }, None);
        }
        for reaction in std::mem::take(&mut self.news.reactions) {
            self.broadcast(reaction, None);
        }
    }

    /// Tells who is listed and how many there are; of those who have changed at most [`CHANGES`], those
    /// who speak first.
    fn tell_roster(&mut self) {
        let mut orders: Vec<u32> = self.news.changed.iter().copied().collect();
        orders.sort_by_key(|order| !self.roster.at(*order).is_some_and(|member| member.voice == Voice::Speaking));
        orders.truncate(CHANGES);
        let (mut participants, mut unlisted, mut own) = (Vec::new(), Vec::new(), Vec::new());
        for order in orders {
            self.news.changed.remove(&order);
            let is_listed = self.roster.is_listed(order);
            let Some(member) = self.roster.at_mut(order) else { continue };
            if is_listed {
                participants.push(member.state.clone());
            } else {
                own.push(member.state.clone());
                if member.told {
                    unlisted.push(member.id().clone());
                }
            }
            member.told = is_listed;
        }
        let left = std::mem::take(&mut self.news.left);
        let count = self.roster.len();
        let has_news = !(participants.is_empty() && left.is_empty() && unlisted.is_empty());
        if has_news || !self.news.everybody_counts(count) {
            self.news.note_count(count);
            let count = count as u32;
            self.broadcast(Event::RosterChanged { count, participants, left, unlisted }, None);
        }
        // Whoever lost its place before its change was told still has to know of that itself.
        for participant in own {
            self.tell(&participant.id.clone(), Event::ParticipantUpdated { participant });
        }
    }

    /// Those whom a newcomer is told of: itself, and who is listed. It is told how many there are, too.
    pub(crate) fn first_page(&mut self, newcomer: &ParticipantId) -> Vec<Participant> {
        self.news.counts_differ |= !self.news.everybody_counts(self.roster.len());
        let mut orders: Vec<u32> = self.roster.listed().map(|member| member.state.order).collect();
        let own = self.roster.order_of(newcomer);
        orders.extend(own.filter(|own| !self.roster.is_listed(*own)));
        orders.sort_unstable();
        let mut page = Vec::with_capacity(orders.len());
        for order in orders {
            let is_listed = self.roster.is_listed(order);
            let Some(member) = self.roster.at_mut(order) else { continue };
            // If it leaves before the others were told of it, the newcomer has to be told all the same.
            member.told |= is_listed;
            page.push(member.state.clone());
        }
        page
    }

    /// A page of those who arrived after `after`, or of those of them whose name holds `search`.
    pub(crate) fn page(&self, after: Option<u32>, search: Option<&DisplayName>) -> Reply {
        let wanted = search.map(Member::searched);
        let mut participants = Vec::new();
        let mut looked_at = None;
        let mut next = None;
        for (looked, member) in self.roster.after(after).enumerate() {
            if looked == SEARCHED || participants.len() == limits::ROSTER_PAGE {
                next = looked_at;
                break;
            }
            looked_at = Some(member.state.order);
            if wanted.as_ref().is_none_or(|wanted| member.search_name.contains(wanted.as_str())) {
                participants.push(member.state.clone());
            }
        }
        Reply::Participants { participants, count: self.roster.len() as u32, next }
    }

    /// Notes who speaks, and tells it.
    pub(crate) fn announce_speakers(&mut self, speakers: Vec<ParticipantId>) {
        let orders =
            |room: &Self| -> Vec<u32> { room.speakers.iter().filter_map(|id| room.roster.order_of(id)).collect() };
        let before = orders(self);
        self.speakers = speakers;
        self.streams.stale = true;
        let now = orders(self);
        // Who begins comes first, so that nobody takes a place for a moment only.
        for order in now.iter().chain(before.iter().filter(|order| !now.contains(order))) {
            if let Some(member) = self.roster.at_mut(*order) {
                member.voice = if now.contains(order) { Voice::Speaking } else { Voice::Heard };
                self.roster.relist(*order, &mut self.news.changed);
            }
        }
        if self.is_small() {
            self.broadcast(Event::SpeakersChanged { speakers: self.speakers.clone() }, None);
        } else {
            self.news.speakers_changed = true;
        }
    }

    /// Tells of a reaction.
    pub(crate) fn announce_reaction(&mut self, id: &ParticipantId, reaction: Reaction) {
        let Some(member) = self.roster.get(id) else { return };
        let event = Event::Reacted { participant: id.clone(), name: member.state.name.clone(), reaction };
        if self.is_small() {
            self.broadcast(event, None);
        } else if self.news.reactions.len() < REACTIONS {
            self.news.reactions.push_back(event);
        }
    }

    /// Tells what concerns only those who see or hear one member.
    pub(crate) fn tell_onlookers(&mut self, id: &ParticipantId, event: Event) {
        let Some(order) = self.roster.order_of(id) else { return };
        let event = std::sync::Arc::new(event);
        for member in self.roster.iter_mut().filter(|member| member.shows.contains(&order)) {
            member.tell(&event, &mut self.outputs);
        }
    }

    /// Keeps a network report until it is to be passed on.
    pub(crate) fn hold_report(&mut self, now: Duration, id: &ParticipantId, report: NetworkReport) {
        let interval = self.report_interval();
        self.roster.hold_report(now, id, report, interval);
    }

    pub(crate) fn pass_on_reports(&mut self, now: Duration) {
        while let Some((order, report)) = self.roster.take_report(now) {
            let Some(id) = self.roster.at(order).map(|member| member.id().clone()) else { continue };
            let event = Event::NetworkReported { participant: id.clone(), report };
            if self.is_small() {
                self.broadcast(event, Some(&id));
            } else {
                self.tell_onlookers(&id, event);
            }
        }
    }

    /// Least time between two reports of one participant, so that the reports of all together stay
    /// within what each can be sent.
    fn report_interval(&self) -> Duration {
        let people = u32::try_from(self.roster.len()).unwrap_or(u32::MAX);
        self.config.report_interval.max(Duration::from_secs(1).saturating_mul(people) / REPORTS_PER_SECOND)
    }

    /// Notes that a path failed, or works again.
    pub(crate) fn announce_path(&mut self, id: &ParticipantId, event: Event) {
        if self.is_small() {
            return self.broadcast(event, None);
        }
        self.tell(id, event.clone());
        self.tell_onlookers(id, event);
    }
}

impl News {
    /// Whether this is the number of people that everybody was told last.
    fn everybody_counts(&self, people: usize) -> bool {
        !self.counts_differ && self.count == people
    }

    fn note_count(&mut self, people: usize) {
        self.count = people;
        self.counts_differ = false;
    }

    /// Whether nothing of the roster waits to be told, but perhaps what is about this member.
    fn is_about(&self, order: Option<u32>) -> bool {
        self.left.is_empty() && self.changed.iter().all(|changed| Some(*changed) == order)
    }
}
