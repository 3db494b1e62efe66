use conclave_proto::{ErrorCode, LegNumber, ProtocolError, SfuOffer, SourceKind, View, limits};

/// Most legs of one participant: the one in use, the one that takes its place, and one more for a
/// network that changes while that happens.
pub(crate) const MAX_LEGS: usize = 3;

/// One participant's legs to the SFU, in the order in which they were offered.
#[derive(Debug)]
pub(crate) struct Legs {
    open: Vec<Leg>,
    /// The media plane has heard of the participant.
    pub(crate) in_media: bool,
}

#[derive(Clone, Copy, Debug)]
struct Leg {
    number: LegNumber,
    connected: bool,
}

impl Legs {
    pub(crate) fn new(in_media: bool) -> Self {
        Self { open: Vec::new(), in_media }
    }

    /// Notes an offered leg. Returns the leg that makes room for it, if there are too many: the
    /// oldest that never connected.
    pub(crate) fn offer(&mut self, number: LegNumber) -> Option<LegNumber> {
        self.in_media = true;
        if self.contains(number) {
            return None;
        }
        let gives_way = if self.open.len() < MAX_LEGS {
            None
        } else {
            // Connecting closes those before, so at most one is connected and another always exists.
            let at = self.open.iter().position(|leg| !leg.connected).unwrap_or(0);
            Some(self.open.remove(at).number)
        };
        self.open.push(Leg { number, connected: false });
        gives_way
    }

    pub(crate) fn contains(&self, number: LegNumber) -> bool {
        self.open.iter().any(|leg| leg.number == number)
    }

    pub(crate) fn is_connected(&self, number: LegNumber) -> bool {
        self.open.iter().any(|leg| leg.number == number && leg.connected)
    }

    /// Notes that a leg carries media. Returns those that it replaces.
    pub(crate) fn connected(&mut self, number: LegNumber) -> Vec<LegNumber> {
        let Some(at) = self.open.iter().position(|leg| leg.number == number) else { return Vec::new() };
        self.open[at].connected = true;
        self.open.drain(..at).map(|leg| leg.number).collect()
    }

    /// Forgets a leg. Returns whether there was one.
    pub(crate) fn remove(&mut self, number: LegNumber) -> bool {
        let before = self.open.len();
        self.open.retain(|leg| leg.number != number);
        self.open.len() < before
    }

    /// Forgets all legs and returns them.
    pub(crate) fn take_all(&mut self) -> Vec<LegNumber> {
        self.open.drain(..).map(|leg| leg.number).collect()
    }
}

/// Refuses an offer with more slots than a leg may have.
pub(crate) fn check_offer(offer: &SfuOffer) -> Result<(), ProtocolError> {
    let too_many = |message| Err(ProtocolError::new(ErrorCode::TooManySections, message));
    if offer.audio_slots.len() > limits::AUDIO_SLOTS {
        return too_many("a leg has at most 3 audio slots");
    }
    if offer.video_slots.len() > limits::VIDEO_SLOTS {
        return too_many("a leg has at most 25 video slots");
    }
    Ok(())
}

/// What of a view counts: pictures only, no more than there are slots, priorities in their range.
pub(crate) fn bounded_view(mut view: View) -> View {
    view.items.retain(|item| matches!(item.source, SourceKind::Camera | SourceKind::Screen));
    view.items.truncate(limits::VIDEO_SLOTS);
    for item in &mut view.items {
        item.priority = item.priority.min(conclave_proto::SLOT_PRIORITIES - 1);
    }
    view
}
