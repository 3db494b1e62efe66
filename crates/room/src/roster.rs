use std::collections::{BTreeMap, HashMap};

use conclave_proto::ParticipantId;

use crate::digest::Digest;
use crate::member::Member;

/// The members in the order of arrival.
#[derive(Default)]
pub(crate) struct Roster {
    members: BTreeMap<u32, Member>,
    orders: HashMap<ParticipantId, u32>,
    next_order: u32,
}

impl Roster {
    /// The place of the next to arrive; places are never given twice.
    pub(crate) fn next_order(&mut self) -> u32 {
        self.next_order = self.next_order.saturating_add(1);
        self.next_order
    }

    pub(crate) fn insert(&mut self, member: Member) {
        self.orders.insert(member.id().clone(), member.state.order);
        self.members.insert(member.state.order, member);
    }

    pub(crate) fn remove(&mut self, id: &ParticipantId) -> Option<Member> {
        self.members.remove(&self.orders.remove(id)?)
    }

    pub(crate) fn clear(&mut self) {
        self.members.clear();
        self.orders.clear();
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

    pub(crate) fn get(&self, id: &ParticipantId) -> Option<&Member> {
        self.members.get(self.orders.get(id)?)
    }

    pub(crate) fn get_mut(&mut self, id: &ParticipantId) -> Option<&mut Member> {
        self.members.get_mut(self.orders.get(id)?)
    }

    pub(crate) fn of_person(&self, person: Digest) -> Option<&Member> {
        self.iter().find(|member| member.person == person)
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
}
