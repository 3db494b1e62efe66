//! What a decoder can still decode of what is sent to it.

use std::time::Duration;

use super::Picture;
use crate::Time;
use crate::playout::FrameId;

/// Frames whose fate is remembered: 4 s of 30 a second.
const REMEMBERED: i64 = 128;
/// A key frame that did not come is asked for again after this long.
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// The frames of one stream: which of the latest did not go out whole.
#[derive(Clone, Debug, Default)]
pub(super) struct Chain {
    newest: Option<FrameId>,
    /// Bit `i`: the frame numbered `newest - i` is gone.
    gone: u128,
    /// One from before these is gone, and no key frame came since.
    is_older_gone: bool,
    newest_key: Option<FrameId>,
    wants_key: bool,
    asked: Option<Time>,
}

impl Chain {
    /// A packet of this frame is about to be queued.
    pub(super) fn enter(&mut self, picture: &Picture) {
        let id = picture.frame;
        let ahead = self.newest.map_or(i64::MAX, |newest| id.0.saturating_sub(newest.0));
        if ahead > 0 {
            self.advance(ahead);
            self.newest = Some(id);
        } else if ahead <= -REMEMBERED {
            *self = Self { newest: Some(id), wants_key: self.wants_key, asked: self.asked, ..Self::default() };
        }
        if picture.references.is_empty() && self.newest_key.is_none_or(|key| key < id) {
            self.newest_key = Some(id);
            self.is_older_gone = false;
            self.wants_key = false;
        }
    }

    /// It is of no use: it, or what it needs, is gone.
    pub(super) fn is_lost(&self, picture: &Picture) -> bool {
        self.is_gone(picture.frame) || picture.references.iter().any(|reference| self.is_gone(reference))
    }

    /// A packet of it is not sent. `true` if it is the first.
    pub(super) fn lose(&mut self, picture: &Picture) -> bool {
        if picture.layer == 0 && self.newest_key.is_none_or(|key| key <= picture.frame) {
            self.wants_key = true;
        }
        match self.bit(picture.frame) {
            Some(bit) => {
                let is_news = self.gone & bit == 0;
                self.gone |= bit;
                is_news
            }
            None => false,
        }
    }

    /// Whether to ask for a key frame now.
    pub(super) fn poll_key_frame(&mut self, now: Time) -> bool {
        let is_due = self.wants_key && self.asked.is_none_or(|asked| now.since(asked) >= ASK_AGAIN);
        if is_due {
            self.asked = Some(now);
        }
        is_due
    }

    fn advance(&mut self, ahead: i64) {
        let shift = u32::try_from(ahead).unwrap_or(u32::MAX);
        self.is_older_gone |= self.gone != 0 && self.gone.leading_zeros() < shift;
        self.gone = self.gone.checked_shl(shift).unwrap_or(0);
    }

    fn is_gone(&self, id: FrameId) -> bool {
        match self.bit(id) {
            Some(bit) => self.gone & bit != 0,
            None => self.is_older_gone && self.newest.is_some_and(|newest| id < newest),
        }
    }

    fn bit(&self, id: FrameId) -> Option<u128> {
        let back = self.newest?.0.checked_sub(id.0)?;
        (0..REMEMBERED).contains(&back).then(|| 1 << back)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bearer::StreamId;
    use crate::playout::References;

    fn frame(id: i64, needs: &[i64]) -> Picture {
        let needs: Vec<FrameId> = needs.iter().map(|id| FrameId(*id)).collect();
        let references = References::new(&needs).unwrap();
        Picture { stream: StreamId(0), frame: FrameId(id), references, layer: 0 }
    }

    fn ms(ms: u64) -> Time {
        Time::since_start(Duration::from_millis(ms))
    }

    #[test]
    fn what_needs_a_lost_frame_is_lost_until_one_needs_none_or_older_ones() {
        let mut chain = Chain::default();
        for picture in [frame(0, &[]), frame(1, &[0]), frame(2, &[1])] {
            chain.enter(&picture);
        }
        assert!(chain.lose(&frame(1, &[0])));
        assert!(!chain.lose(&frame(1, &[0])), "a frame is lost once");
        assert!(chain.is_lost(&frame(2, &[1])) && chain.is_lost(&frame(1, &[0])));
        assert!(!chain.is_lost(&frame(2, &[0])), "predicted from before the loss");
        assert!(!chain.is_lost(&frame(3, &[])));
    }

    #[test]
    fn a_key_frame_is_asked_for_until_it_comes() {
        let mut chain = Chain::default();
        chain.enter(&frame(0, &[]));
        assert!(!chain.poll_key_frame(ms(0)));
        chain.lose(&frame(0, &[]));
        assert!(chain.poll_key_frame(ms(0)));
        assert!(!chain.poll_key_frame(ms(499)));
        assert!(chain.poll_key_frame(ms(500)));
        chain.enter(&frame(5, &[]));
        assert!(!chain.poll_key_frame(ms(5_000)));
        chain.lose(&frame(4, &[3]));
        assert!(!chain.poll_key_frame(ms(5_000)), "a key frame after it is there");
        chain.lose(&Picture { layer: 1, ..frame(6, &[5]) });
        assert!(!chain.poll_key_frame(ms(5_000)), "the stream goes on without it");
    }

    #[test]
    fn what_is_no_longer_known_is_lost_if_anything_was() {
        let mut chain = Chain::default();
        chain.enter(&frame(0, &[]));
        chain.enter(&frame(300, &[0]));
        assert!(!chain.is_lost(&frame(300, &[0])));
        chain.lose(&frame(300, &[0]));
        chain.enter(&frame(600, &[0]));
        assert!(chain.is_lost(&frame(600, &[0])));
        chain.enter(&frame(601, &[]));
        assert!(!chain.is_lost(&frame(602, &[601])));
    }

    #[test]
    fn numbers_may_begin_anew_and_be_anything() {
        let mut chain = Chain::default();
        chain.enter(&frame(1_000, &[]));
        chain.lose(&frame(1_000, &[]));
        chain.enter(&frame(0, &[]));
        assert!(!chain.is_lost(&frame(0, &[])));
        for id in [i64::MAX, i64::MIN, 0, i64::MIN, i64::MAX] {
            chain.enter(&frame(id, &[i64::MIN, i64::MAX]));
            chain.lose(&frame(id, &[]));
            assert!(chain.is_lost(&frame(id, &[])));
        }
    }
}
