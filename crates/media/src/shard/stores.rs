//! The payloads that a shard keeps, by incoming stream: what is forwarded refers to them, and what is
//! asked for again is found in them.

use conclave_qos::Time;
use conclave_rtp::{PacketRef, PacketStore, Payloads};

/// Names a store; never another one later, within a generation of 65,536.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct StoreId(u32);

/// All stores of a shard.
#[derive(Debug, Default)]
pub(crate) struct Stores {
    places: Vec<Place>,
    free: Vec<u16>,
}

#[derive(Debug, Default)]
struct Place {
    generation: u16,
    store: Option<PacketStore>,
}

impl Stores {
    /// A new store; `None` if there are 65,536 streams.
    pub(crate) fn open(&mut self) -> Option<StoreId> {
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                let index = u16::try_from(self.places.len()).ok()?;
                self.places.push(Place::default());
                index
            }
        };
        let place = self.places.get_mut(usize::from(index))?;
        place.store = Some(PacketStore::default());
        Some(StoreId(u32::from(place.generation) << 16 | u32::from(index)))
    }

    /// Its payloads are no more.
    pub(crate) fn close(&mut self, id: StoreId) {
        if let Some(place) = self.place_mut(id) {
            place.store = None;
            place.generation = place.generation.wrapping_add(1);
            self.free.push((id.0 & 0xffff) as u16);
        }
    }

    /// Keeps a payload for as long as its store does.
    pub(crate) fn push(&mut self, now: Time, id: StoreId, payload: &[u8]) -> Option<PacketRef> {
        let packet = self.place_mut(id)?.store.as_mut()?.push(now, payload);
        Some(PacketRef { store: id.0, packet })
    }

    fn place_mut(&mut self, id: StoreId) -> Option<&mut Place> {
        self.places.get_mut((id.0 & 0xffff) as usize).filter(|place| u32::from(place.generation) == id.0 >> 16)
    }
}

impl Payloads for Stores {
    fn payload(&self, packet: PacketRef) -> Option<&[u8]> {
        let place = self.places.get((packet.store & 0xffff) as usize)?;
        if u32::from(place.generation) != packet.store >> 16 {
            return None;
        }
        place.store.as_ref()?.get(packet.packet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_store_gives_nothing_and_neither_does_the_next_one_in_its_place() {
        let mut stores = Stores::default();
        let now = Time::default();
        let old = stores.open().expect("a place");
        let packet = stores.push(now, old, b"old").expect("kept");
        assert_eq!(stores.payload(packet), Some(&b"old"[..]));
        stores.close(old);
        stores.close(old);
        let new = stores.open().expect("a place");
        stores.push(now, new, b"new").expect("kept");
        assert_eq!(stores.payload(packet), None);
        assert_eq!(stores.push(now, old, b"late"), None);
        assert_ne!(stores.open(), Some(new));
    }
}
