//! How delays are spread, the older the less it counts (libwebrtc, `modules/audio_coding/neteq/histogram.cc`).

/// Buckets (`underrun_optimizer.cc`, `kDelayBuckets`)...
pub(super) const BUCKETS: usize = 100;
/// ...of so many milliseconds each (`kBucketSizeMs`), so that delays of up to 2 s have one.
pub(super) const BUCKET_MS: u64 = 20;

/// One, in the units of the buckets.
pub(super) const ONE: u32 = 1 << 30;
/// One, in the units of the forget factor.
const FACTOR_ONE: u32 = 1 << FACTOR_BITS;
const FACTOR_BITS: u32 = 15;
/// `delay_manager.h`, `start_forget_weight`: how much more the newest counts while there are few.
const START_WEIGHT: u32 = 2;

/// Shares of [`ONE`], in integers, so that their sum stays exact.
#[derive(Clone, Debug)]
pub(super) struct Histogram {
    buckets: [u32; BUCKETS],
    /// Buckets from here on are empty: most are, and each packet comes through here.
    used: usize,
    factor: u32,
    base_factor: u32,
    added: u32,
}

impl Histogram {
    /// Forgets by this factor (of 32,768) with each value, sooner while there are few.
    pub(super) fn new(base_factor: u32) -> Self {
        // Before anything is known: 1/2, 1/4, 1/8... (`Histogram::Reset`).
        let mut buckets = [0; BUCKETS];
        let mut rest = ONE;
        for bucket in &mut buckets {
            *bucket = rest / 2;
            rest -= *bucket;
        }
        buckets[0] += rest;
        Self { buckets, used: BUCKETS, factor: 0, base_factor, added: 0 }
    }

    /// Counts a delay; beyond the last bucket it says nothing about which delay would have been enough, and is left out.
    pub(super) fn add(&mut self, delay_ms: u64) {
        let Some(index) = usize::try_from(delay_ms / BUCKET_MS).ok().filter(|&index| index < BUCKETS) else { return };
        let mut sum = 0;
        for bucket in &mut self.buckets[..self.used] {
            *bucket = ((u64::from(*bucket) * u64::from(self.factor)) >> FACTOR_BITS) as u32;
            sum += *bucket;
        }
        // What rounding took goes where the new value is: the sum is exactly one again.
        if let Some(bucket) = self.buckets.get_mut(index) {
            *bucket += ONE - sum;
        }
        self.used = self.used.max(index + 1);
        while self.used > 1 && self.buckets[self.used - 1] == 0 {
            self.used -= 1;
        }
        if self.factor < self.base_factor {
            self.added += 1;
            let early = FACTOR_ONE.saturating_sub((START_WEIGHT * FACTOR_ONE).div_ceil(self.added + 1));
            self.factor = early.min(self.base_factor);
        }
    }

    /// The first bucket up to which (it included) at least this share of [`ONE`] lies.
    pub(super) fn quantile(&self, share: u32) -> usize {
        let mut sum = 0;
        self.buckets
            .iter()
            .position(|bucket| {
                sum += bucket;
                sum >= share
            })
            .unwrap_or(BUCKETS - 1)
    }

    /// As far as there is something in them.
    pub(super) fn buckets(&self) -> &[u32] {
        &self.buckets[..self.used]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_always_add_up_to_one() {
        let mut histogram = Histogram::new(32_211);
        for i in 0..10_000_u64 {
            histogram.add(i * 7_919 % 2_300);
            assert_eq!(histogram.buckets.iter().sum::<u32>(), ONE);
        }
    }

    #[test]
    fn the_quantile_follows_what_is_added_and_forgets_what_was() {
        let mut histogram = Histogram::new(32_211);
        for _ in 0..50 {
            histogram.add(130);
        }
        assert_eq!(histogram.quantile(ONE / 100 * 95), 6);
        let mut until = 0;
        while histogram.quantile(ONE / 100 * 95) > 0 {
            histogram.add(3);
            until += 1;
        }
        // 0.983^n < 0.05 from n = 175 on; less, as it forgets sooner in the beginning.
        assert!((100..176).contains(&until), "{until}");
    }
}
