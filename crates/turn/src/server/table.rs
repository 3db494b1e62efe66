use std::collections::HashMap;
use std::num::NonZeroU32;

use rand::Rng;

use super::Client;
use super::allocation::Allocation;
use super::peer::{Family, Relay};

/// The ports that relays get. They are on no machine, so all but the well-known ones will do; those
/// some clients refuse to speak to.
const FIRST_PORT: u16 = 1_024;
const PORTS: u16 = u16::MAX - FIRST_PORT + 1;

/// The place of an allocation in the table, until it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Slot(NonZeroU32);

impl Slot {
    /// The place with this index; `None` beyond what a table holds.
    fn new(index: usize) -> Option<Self> {
        // Counted from one, so that "nobody" takes no room in the table of ports.
        u32::try_from(index).ok()?.checked_add(1).and_then(NonZeroU32::new).map(Self)
    }

    fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// All allocations, found by client, by relayed address and by user.
#[derive(Debug)]
pub(super) struct Table {
    slots: Vec<Option<Allocation>>,
    free: Vec<Slot>,
    by_client: HashMap<Client, Slot>,
    by_user: HashMap<Box<str>, Vec<Slot>>,
    v4: Ports,
    v6: Ports,
}

impl Table {
    pub(super) fn new() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            by_client: HashMap::new(),
            by_user: HashMap::new(),
            v4: Ports::new(),
            v6: Ports::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.by_client.len()
    }

    /// How many users have an allocation.
    pub(super) fn users(&self) -> usize {
        self.by_user.len()
    }

    pub(super) fn get(&self, slot: Slot) -> Option<&Allocation> {
        self.slots.get(slot.index())?.as_ref()
    }

    pub(super) fn get_mut(&mut self, slot: Slot) -> Option<&mut Allocation> {
        self.slots.get_mut(slot.index())?.as_mut()
    }

    pub(super) fn of_client(&self, client: &Client) -> Option<Slot> {
        self.by_client.get(client).copied()
    }

    pub(super) fn at_relay(&self, relay: Relay) -> Option<Slot> {
        self.ports(relay.family).get(relay.port)
    }

    pub(super) fn of_user(&self, user: &str) -> &[Slot] {
        self.by_user.get(user).map_or(&[], Vec::as_slice)
    }

    /// A relayed address that nobody has, with an even port if need be; `None` if all are taken.
    pub(super) fn unused_relay(&self, family: Family, even: bool, random: &mut impl Rng) -> Option<Relay> {
        self.ports(family).unused(even, random).map(|port| Relay { family, port })
    }

    /// Adds the allocation of `user`. Neither its client nor its relay may have one already; `None` if
    /// the table is full, which it cannot be as long as there are unused relays.
    pub(super) fn insert(&mut self, user: &str, allocation: Allocation) -> Option<Slot> {
        let (client, relay) = (allocation.client, allocation.relay);
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot.index()] = Some(allocation);
                slot
            }
            None => {
                let slot = Slot::new(self.slots.len())?;
                self.slots.push(Some(allocation));
                slot
            }
        };
        self.by_client.insert(client, slot);
        self.ports_mut(relay.family).set(relay.port, Some(slot));
        match self.by_user.get_mut(user) {
            Some(slots) => slots.push(slot),
            None => {
                self.by_user.insert(user.into(), vec![slot]);
            }
        }
        Some(slot)
    }

    /// Takes an allocation of `user` out.
    pub(super) fn remove(&mut self, user: &str, slot: Slot) {
        let Some(allocation) = self.slots.get_mut(slot.index()).and_then(Option::take) else { return };
        self.by_client.remove(&allocation.client);
        self.ports_mut(allocation.relay.family).set(allocation.relay.port, None);
        if let Some(slots) = self.by_user.get_mut(user) {
            slots.retain(|other| *other != slot);
            if slots.is_empty() {
                self.by_user.remove(user);
            }
        }
        self.free.push(slot);
    }

    fn ports(&self, family: Family) -> &Ports {
        match family {
            Family::V4 => &self.v4,
            Family::V6 => &self.v6,
        }
    }

    fn ports_mut(&mut self, family: Family) -> &mut Ports {
        match family {
            Family::V4 => &mut self.v4,
            Family::V6 => &mut self.v6,
        }
    }
}

/// Who has which port of an address family: an array, because every packet to a relay looks here.
#[derive(Debug)]
struct Ports {
    slots: Box<[Option<Slot>]>,
    taken: u16,
}

impl Ports {
    fn new() -> Self {
        Self { slots: vec![None; usize::from(PORTS)].into_boxed_slice(), taken: 0 }
    }

    fn get(&self, port: u16) -> Option<Slot> {
        self.slots.get(usize::from(port.checked_sub(FIRST_PORT)?)).copied().flatten()
    }

    /// Changes who has a port that [`Self::unused`] has given.
    fn set(&mut self, port: u16, slot: Option<Slot>) {
        let entry = &mut self.slots[usize::from(port - FIRST_PORT)];
        self.taken = match (entry.is_some(), slot.is_some()) {
            (false, true) => self.taken + 1,
            (true, false) => self.taken - 1,
            _ => self.taken,
        };
        *entry = slot;
    }

    /// A port that nobody has, hard to guess (RFC 8656 section 7.2).
    fn unused(&self, even: bool, random: &mut impl Rng) -> Option<u16> {
        if self.taken == PORTS {
            return None;
        }
        let start = random.random_range(0..PORTS);
        let fits = |offset: &u16| self.slots[usize::from(*offset)].is_none() && !(even && offset % 2 == 1);
        let offset = (start..PORTS).chain(0..start).find(fits)?;
        Some(FIRST_PORT + offset)
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha12Rng;

    use super::*;

    #[test]
    fn every_port_is_given_once_and_in_no_order() {
        let (mut ports, mut random) = (Ports::new(), ChaCha12Rng::from_seed([1; 32]));
        let mut given = Vec::new();
        let even = PORTS / 2;
        while let Some(port) = ports.unused(given.len() < usize::from(even), &mut random) {
            assert_eq!(ports.get(port), None);
            assert!(port % 2 == 0 || given.len() >= usize::from(even));
            ports.set(port, Slot::new(port.into()));
            given.push(port);
        }
        assert_eq!(given.len(), usize::from(PORTS));
        let ascents = given.windows(2).filter(|pair| pair[0] < pair[1]).count();
        assert!((20_000..45_000).contains(&ascents), "{ascents}");

        ports.set(given[7], None);
        assert_eq!(ports.unused(true, &mut random), Some(given[7]));
        given.sort_unstable();
        assert!(given.iter().copied().eq(FIRST_PORT..=u16::MAX));
        assert_eq!((ports.get(0), ports.get(FIRST_PORT - 1)), (None, None));
    }
}
