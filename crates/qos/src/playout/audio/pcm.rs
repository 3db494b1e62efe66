//! Decoded samples: what was played a moment ago, and what is to be played.

/// How long what was played is remembered, in frames per block of 10 ms: 60 ms, enough for the longest pitch period
/// twice.
const HISTORY_BLOCKS: usize = 6;

/// Interleaved samples from -1 to 1. A *frame* is one sample of each channel.
///
/// Holds 60 to 240 ms of what was played, and what waits, which the caller keeps short.
#[derive(Clone, Debug)]
pub(super) struct Pcm {
    samples: Vec<f32>,
    channels: usize,
    /// Frames in 10 ms.
    block: usize,
    /// The first frame that has not been played.
    cursor: usize,
}

impl Pcm {
    /// Begins with silence that has been played. `channels` and `block` are at least 1.
    pub(super) fn new(channels: usize, block: usize) -> Self {
        let cursor = HISTORY_BLOCKS * block;
        let mut samples = Vec::with_capacity((4 * HISTORY_BLOCKS + 32) * block * channels);
        samples.resize(cursor * channels, 0.0);
        Self { samples, channels, block, cursor }
    }

    pub(super) fn channels(&self) -> usize {
        self.channels
    }

    /// Frames in 10 ms.
    pub(super) fn block(&self) -> usize {
        self.block
    }

    /// All frames, played or not.
    pub(super) fn len(&self) -> usize {
        self.samples.len() / self.channels
    }

    /// The first frame that has not been played.
    pub(super) fn cursor(&self) -> usize {
        self.cursor
    }

    /// Frames that wait to be played.
    pub(super) fn waiting(&self) -> usize {
        self.len() - self.cursor
    }

    /// Everything, interleaved.
    pub(super) fn samples(&self) -> &[f32] {
        &self.samples
    }

    /// Everything, interleaved, to be changed in place.
    pub(super) fn samples_mut(&mut self) -> &mut [f32] {
        &mut self.samples
    }

    /// Appends frames that came from outside: what is no number is silence, and nothing is louder than 1.
    pub(super) fn append(&mut self, samples: &[f32]) {
        let whole = samples.len() - samples.len() % self.channels;
        self.samples.extend(
            samples.iter().take(whole).map(|sample| if sample.is_finite() { sample.clamp(-1.0, 1.0) } else { 0.0 }),
        );
    }

    /// Drops frames `from..to`, none of which has been played.
    pub(super) fn remove(&mut self, from: usize, to: usize) {
        let (from, to) = (from.clamp(self.cursor, self.len()), to.clamp(self.cursor, self.len()));
        if from < to {
            self.samples.drain(from * self.channels..to * self.channels);
        }
    }

    /// Puts whole frames before frame `at`, which has not been played.
    pub(super) fn insert(&mut self, at: usize, frames: &[f32]) {
        let at = at.clamp(self.cursor, self.len()) * self.channels;
        self.samples.splice(at..at, frames.iter().copied());
    }

    /// Plays up to 10 ms into `out`, which is emptied before; the rest is silence.
    pub(super) fn play(&mut self, out: &mut Vec<f32>) {
        let end = (self.cursor + self.block).min(self.len());
        out.clear();
        out.extend_from_slice(&self.samples[self.cursor * self.channels..end * self.channels]);
        out.resize(self.block * self.channels, 0.0);
        self.cursor = end;
        if self.cursor > 4 * HISTORY_BLOCKS * self.block {
            let old = self.cursor - HISTORY_BLOCKS * self.block;
            self.samples.drain(..old * self.channels);
            self.cursor -= old;
        }
    }

    /// The mean of all channels of frames `from..to`, into `out`, which is emptied before.
    pub(super) fn mono(&self, from: usize, to: usize, out: &mut Vec<f32>) {
        let (from, to) = (from.min(self.len()), to.min(self.len()));
        out.clear();
        let share = 1.0 / self.channels as f32;
        let frames = self.samples[from * self.channels..to.max(from) * self.channels].chunks_exact(self.channels);
        out.extend(frames.map(|frame| frame.iter().sum::<f32>() * share));
    }
}
