use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::time::Duration;

use conclave_proto::{NetworkReport, ParticipantId};

use crate::digest::Digest;
use crate::listing::{Listing, Standing};
use crate::member::{Link, Member};

/// The members in the order of arrival, with what is needed to find some of them without a walk over
/// all: a room can have thousands.
#[derive(Default)]
pub(crate) struct Roster {
    members: BTreeMap<u32, Member>,
    orders: HashMap<ParticipantId, u32>,
    people: HashMap<Digest, u32>,
    /// Those without a connection.
    lost: BTreeSet<u32>,
    /// Whose network report is to be passed on, and when.
    reports: BTreeSet<(Duration, u32)>,
    listing: Listing,
    next_order: u32,
}

impl Roster {
    /// The place of the next to arrive; places are never given twice.
    pub(crate) fn next_order(&mut self) -> u32 {
        self.next_order = self.next_order.saturating_add(1);
        self.next_order
    }

    /// Takes somebody in; `moved` gets those who are listed, or are no longer, because of it.
    pub(crate) fn insert(&mut self, member: Member, moved: &mut BTreeSet<u32>) {
        let order = member.state.order;
        self.orders.insert(member.id().clone(), order);
        self.people.insert(member.person, order);
        self.members.insert(order, member);
        self.relist(order, moved);
    }

    /// Takes somebody out, with `moved` as in [`Self::insert`].
    pub(crate) fn remove(&mut self, id: &ParticipantId, moved: &mut BTreeSet<u32>) -> Option<Member> {
        let order = self.orders.remove(id)?;
        let member = self.members.remove(&order)?;
        self.people.remove(&member.person);
        self.lost.remove(&order);
        if let Some(due) = member.reports.queued_at() {
            self.reports.remove(&(due, order));
        }
        self.listing.remove(order, moved);
        Some(member)
    }

    /// A member's state has changed, and with it perhaps whether it is listed.
    pub(crate) fn relist(&mut self, order: u32, moved: &mut BTreeSet<u32>) {
        if let Some(member) = self.members.get(&order) {
            self.listing.place(order, Standing::of(&member.state, member.voice), moved);
        }
    }

    pub(crate) fn clear(&mut self) {
        *self = Self { next_order: self.next_order, ..Self::default() };
    }

    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub(crate) fn contains(&self, id: &ParticipantId) -> bool {
        self.orders.contains_key(id)
    }

    pub(crate) fn order_of(&self, id: &ParticipantId) -> Option<u32> {
        self.orders.get(id).copied()
    }

    pub(crate) fn get(&self, id: &ParticipantId) -> Option<&Member> {
        self.members.get(self.orders.get(id)?)
    }

    pub(crate) fn get_mut(&mut self, id: &ParticipantId) -> Option<&mut Member> {
        self.members.get_mut(self.orders.get(id)?)
    }

    pub(crate) fn at(&self, order: u32) -> Option<&Member> {
        self.members.get(&order)
    }

    pub(crate) fn at_mut(&mut self, order: u32) -> Option<&mut Member> {
        self.members.get_mut(&order)
    }

    pub(crate) fn of_person(&self, person: Digest) -> Option<&Member> {
        self.members.get(self.people.get(&person)?)
    }

    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &Member> {
        self.members.values()
    }

    pub(crate) fn iter_mut(&mut self) -> impl ExactSizeIterator<Item = &mut Member> {
        self.members.values_mut()
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = &ParticipantId> {
        self.iter().map(Member::id)
    }

    /// Those who came later than this one, in order.
    pub(crate) fn after(&self, order: Option<u32>) -> impl Iterator<Item = &Member> {
        let from = order.map_or(Bound::Unbounded, Bound::Excluded);
        self.members.range((from, Bound::Unbounded)).map(|(_, member)| member)
    }

    pub(crate) fn is_listed(&self, order: u32) -> bool {
        self.listing.contains(order)
    }

    /// Those whom everybody is told of, in no order that means anything.
    pub(crate) fn listed(&self) -> impl Iterator<Item = &Member> {
        self.listing.iter().filter_map(|order| self.members.get(&order))
    }

    /// Those without a connection.
    pub(crate) fn lost(&self) -> impl Iterator<Item = &Member> {
        self.lost.iter().filter_map(|order| self.members.get(order))
    }

    /// Changes how a member is reached. Returns how it was before.
    pub(crate) fn set_link(&mut self, id: &ParticipantId, link: Link) -> Option<Link> {
        let order = self.order_of(id)?;
        match link {
            Link::Live(_) | Link::Stream(_) => self.lost.remove(&order),
            Link::Lost(_) => self.lost.insert(order),
        };
        self.members.get_mut(&order).map(|member| std::mem::replace(&mut member.link, link))
    }

    /// Notes a member's report. It is passed on once `interval` has passed since the last one of theirs.
    pub(crate) fn hold_report(&mut self, now: Duration, id: &ParticipantId, report: NetworkReport, interval: Duration) {
        let Some(member) = self.orders.get(id).and_then(|order| self.members.get_mut(order)) else { return };
        if let Some(due) = member.reports.hold(now, report, interval) {
            self.reports.insert((due, member.state.order));
        }
    }

    /// When the next report is due.
    pub(crate) fn next_report(&self) -> Option<Duration> {
        self.reports.first().map(|(due, _)| *due)
    }

    /// The next report that is due, and whose it is. It is part of what is known of the member.
    pub(crate) fn take_report(&mut self, now: Duration) -> Option<(u32, NetworkReport)> {
        self.reports.first().filter(|(due, _)| *due <= now)?;
        let (_, order) = self.reports.pop_first()?;
        let member = self.members.get_mut(&order)?;
        let report = member.reports.take(now)?;
        member.state.network = Some(report);
        Some((order, report))
    }
}
