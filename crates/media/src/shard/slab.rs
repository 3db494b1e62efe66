//! Entries by small numbers, which are used again.

/// A table of entries; whoever keeps a number for long checks what it stands for.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    places: Vec<Option<T>>,
    free: Vec<u32>,
    used: usize,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { places: Vec::new(), free: Vec::new(), used: 0 }
    }
}

impl<T> Slab<T> {
    /// Takes an entry in.
    pub(crate) fn insert(&mut self, entry: T) -> u32 {
        self.used += 1;
        match self.free.pop() {
            Some(index) => {
                if let Some(place) = self.places.get_mut(index as usize) {
                    *place = Some(entry);
                }
                index
            }
            None => {
                self.places.push(Some(entry));
                // Legs and rooms are bounded far below 2^32.
                (self.places.len() - 1) as u32
            }
        }
    }

    pub(crate) fn remove(&mut self, index: u32) -> Option<T> {
        let entry = self.places.get_mut(index as usize)?.take()?;
        self.free.push(index);
        self.used -= 1;
        Some(entry)
    }

    pub(crate) fn get(&self, index: u32) -> Option<&T> {
        self.places.get(index as usize)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        self.places.get_mut(index as usize)?.as_mut()
    }

    pub(crate) fn len(&self) -> usize {
        self.used
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        self.places.iter().zip(0..).filter_map(|(place, index)| Some((index, place.as_ref()?)))
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (u32, &mut T)> {
        self.places.iter_mut().zip(0..).filter_map(|(place, index)| Some((index, place.as_mut()?)))
    }
}
