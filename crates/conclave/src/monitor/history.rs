//! Values of the last hour, packed: every second of the last two minutes, every ten seconds of the
//! hour. Without a clock: the second is an argument.

use conclave_proto::AdminSeries;

/// Seconds that are kept one by one.
pub(super) const FINE: usize = 120;
/// Tens of seconds that are kept: an hour.
pub(super) const COARSE: usize = 360;
/// Seconds that one coarse value stands for.
pub(super) const STEP: u64 = 10;

/// A value of 16 bits, or none. Exact below 32,768, in steps of 1,024 from there to 33 million:
/// enough for kbit/s, tenths of a percent, tenths of a millisecond and KiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Packed(u16);

impl Packed {
    const NONE: Self = Self(u16::MAX);
    const EXACT: u32 = 1 << 15;
    const SHIFT: u32 = 10;

    fn new(value: Option<u32>) -> Self {
        match value {
            None => Self::NONE,
            Some(value) if value < Self::EXACT => Self(value as u16),
            Some(value) => Self(((value >> Self::SHIFT).min(Self::EXACT - 2) | Self::EXACT) as u16),
        }
    }

    fn value(self) -> Option<u32> {
        let value = u32::from(self.0);
        match self {
            Self::NONE => None,
            _ if value < Self::EXACT => Some(value),
            _ => Some((value & (Self::EXACT - 1)) << Self::SHIFT),
        }
    }
}

/// The last `N` of what was pushed. Takes memory as it fills, and never more than it needs.
#[derive(Clone, Debug)]
struct Ring<T, const N: usize> {
    values: Vec<T>,
    /// Where the oldest is, once there are `N`.
    head: usize,
}

/// Values by which a ring grows at a time.
const GROWTH: usize = 30;

impl<T: Copy, const N: usize> Ring<T, N> {
    fn push(&mut self, value: T) {
        if self.values.len() < N {
            if self.values.len() == self.values.capacity() {
                self.values.reserve_exact(GROWTH.min(N - self.values.len()));
            }
            self.values.push(value);
        } else {
            self.values[self.head] = value;
            self.head = (self.head + 1) % N;
        }
    }

    /// Oldest first.
    fn iter(&self) -> impl Iterator<Item = T> {
        let (newer, older) = self.values.split_at(self.head);
        older.iter().chain(newer).copied()
    }

    /// The one that was pushed `back` before the newest.
    fn back(&self, back: usize) -> Option<T> {
        let len = self.values.len();
        // Until the ring is full the head is zero.
        (back < len).then(|| self.values[(self.head + len - 1 - back) % len])
    }
}

/// How ten values become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fold {
    /// Their mean.
    Mean,
    /// The highest.
    Max,
    /// The newest.
    Last,
}

/// `K` values for each second.
#[derive(Clone, Debug)]
pub(super) struct Series<const K: usize> {
    folds: &'static [Fold; K],
    fine: Ring<[Packed; K], FINE>,
    /// The second after the newest.
    fine_end: u64,
    coarse: Ring<[Packed; K], COARSE>,
    /// The ten seconds after the newest, counted in tens.
    coarse_end: u64,
}

impl<const K: usize> Series<K> {
    /// Bytes of a full one.
    #[cfg(test)]
    pub(super) const BYTES: usize = size_of::<Self>() + (FINE + COARSE) * size_of::<[Packed; K]>();

    /// Bytes that it takes now.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>() + (self.fine.values.capacity() + self.coarse.values.capacity()) * size_of::<[Packed; K]>()
    }

    /// An empty one that begins in this second.
    pub(super) fn new(second: u64, folds: &'static [Fold; K]) -> Self {
        Self {
            folds,
            fine: Ring { values: Vec::new(), head: 0 },
            fine_end: second,
            coarse: Ring { values: Vec::new(), head: 0 },
            coarse_end: second / STEP,
        }
    }

    /// Takes the values of a second in. Seconds without values are filled with none; a second that is
    /// over already is ignored.
    pub(super) fn push(&mut self, second: u64, values: [Option<u32>; K]) {
        if second < self.fine_end {
            return;
        }
        for _ in self.fine_end.max(second.saturating_sub(FINE as u64))..second {
            self.fine.push([Packed::NONE; K]);
        }
        self.fine_end = second;
        // What no longer fits is not worth folding.
        self.coarse_end = self.coarse_end.max((second / STEP).saturating_sub(COARSE as u64));
        while self.coarse_end < second / STEP {
            let folded = self.folded(self.coarse_end);
            self.coarse.push(folded);
            self.coarse_end += 1;
        }
        self.fine.push(values.map(Packed::new));
        self.fine_end = second + 1;
    }

    /// The value of ten seconds, all of which are in the past.
    fn folded(&self, ten: u64) -> [Packed; K] {
        std::array::from_fn(|column| {
            let mut values = (ten * STEP..(ten + 1) * STEP).filter_map(|second| {
                let back = self.fine_end.checked_sub(second + 1)?;
                self.fine.back(usize::try_from(back).ok()?)?[column].value()
            });
            Packed::new(match self.folds[column] {
                Fold::Max => values.max(),
                Fold::Last => values.next_back(),
                Fold::Mean => {
                    let (sum, count) = values.fold((0, 0), |(sum, count), value| (sum + u64::from(value), count + 1));
                    // The mean of values of 32 bits has 32 bits.
                    (count > 0).then(|| ((sum + count / 2) / count) as u32)
                }
            })
        })
    }

    /// The values of single seconds; `name` gives the columns their names.
    pub(super) fn fine<T>(&self, clock: Clock, name: impl Fn([Vec<Option<u32>>; K]) -> T) -> AdminSeries<T> {
        AdminSeries { step_s: 1, end_ms: clock.unix_ms(self.fine_end), columns: name(columns(&self.fine)) }
    }

    /// The values of tens of seconds.
    pub(super) fn coarse<T>(&self, clock: Clock, name: impl Fn([Vec<Option<u32>>; K]) -> T) -> AdminSeries<T> {
        AdminSeries {
            step_s: STEP as u32,
            end_ms: clock.unix_ms(self.coarse_end * STEP),
            columns: name(columns(&self.coarse)),
        }
    }
}

fn columns<const K: usize, const N: usize>(ring: &Ring<[Packed; K], N>) -> [Vec<Option<u32>>; K] {
    std::array::from_fn(|column| ring.iter().map(|values| values[column].value()).collect())
}

/// What the seconds of a series are in the world's time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Clock {
    /// A second.
    pub(super) second: u64,
    /// When that second ended: milliseconds since 1970-01-01 UTC.
    pub(super) unix_ms: u64,
}

impl Clock {
    /// When the second before this one ended.
    fn unix_ms(self, second: u64) -> u64 {
        let ahead = (self.second + 1).saturating_sub(second);
        self.unix_ms.saturating_sub(ahead * 1_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLOCK: Clock = Clock { second: 99_999, unix_ms: 100_000_000 };

    fn fine(series: &Series<1>) -> AdminSeries<Vec<Option<u32>>> {
        series.fine(CLOCK, |[column]| column)
    }

    fn coarse(series: &Series<1>) -> AdminSeries<Vec<Option<u32>>> {
        series.coarse(CLOCK, |[column]| column)
    }

    #[test]
    fn a_value_survives_packing_as_exactly_as_promised() {
        for value in [0, 1, 32_767, 32_768, 1 << 20, 33_000_000] {
            let kept = Packed::new(Some(value)).value().expect("a value");
            assert!(kept <= value && (value < 32_768 && kept == value || value - kept < 1_024), "{value}: {kept}");
        }
        assert_eq!(Packed::new(None).value(), None);
        assert!(Packed::new(Some(u32::MAX)).value().is_some_and(|most| most > 33_000_000));
    }

    #[test]
    fn two_minutes_are_kept_by_the_second_and_an_hour_by_tens() {
        let mut series = Series::new(0, &[Fold::Mean]);
        for second in 0..4_000_u32 {
            series.push(u64::from(second), [Some(second % 10)]);
        }
        let (fine, coarse) = (fine(&series), coarse(&series));
        assert_eq!(fine.columns.len(), FINE);
        assert_eq!(fine.columns[FINE - 3..], [Some(7), Some(8), Some(9)]);
        assert_eq!(coarse.columns, vec![Some(5); COARSE], "4.5 is rounded");
        assert_eq!((fine.end_ms, coarse.end_ms), (4_000_000, 3_990_000), "the last ten are not over");
    }

    #[test]
    fn a_gap_is_none_and_not_a_value() {
        let mut series = Series::new(3, &[Fold::Mean]);
        series.push(3, [Some(100)]);
        series.push(7, [Some(200)]);
        series.push(40, [Some(7)]);
        let tail: Vec<_> = fine(&series).columns[..5].to_vec();
        assert_eq!(tail, [Some(100), None, None, None, Some(200)]);
        assert_eq!(coarse(&series).columns, [Some(150), None, None, None]);
    }

    #[test]
    fn a_long_absence_costs_no_more_than_what_is_kept() {
        let mut series = Series::new(0, &[Fold::Last]);
        series.push(5, [Some(1)]);
        series.push(u64::MAX / 2, [Some(2)]);
        assert_eq!(fine(&series).columns.len(), FINE);
        assert_eq!(fine(&series).columns.last(), Some(&Some(2)));
        assert!(coarse(&series).columns.iter().all(Option::is_none));
    }

    #[test]
    fn a_second_that_is_over_is_ignored() {
        let mut series = Series::new(0, &[Fold::Max]);
        series.push(5, [Some(1)]);
        series.push(5, [Some(9)]);
        series.push(2, [Some(9)]);
        assert_eq!(fine(&series).columns, [None, None, None, None, None, Some(1)]);
    }

    #[test]
    fn columns_fold_each_in_its_way() {
        let mut series = Series::new(0, &[Fold::Mean, Fold::Max, Fold::Last]);
        for second in 0..=10 {
            series.push(second, [Some(second as u32 * 10); 3]);
        }
        let folded = series.coarse(CLOCK, |columns| columns.map(|column| column[0])).columns;
        assert_eq!(folded, [Some(45), Some(90), Some(90)]);
    }

    #[test]
    fn a_full_series_takes_the_memory_that_is_stated() {
        let mut series = Series::<6>::new(0, &[Fold::Mean; 6]);
        for second in 0..8_000 {
            series.push(second, [Some(1); 6]);
        }
        let held = (series.fine.values.capacity() + series.coarse.values.capacity()) * 12;
        assert!(size_of::<Series<6>>() + held <= Series::<6>::BYTES);
        const { assert!(Series::<6>::BYTES < 6 * 1_024 && Series::<4>::BYTES < 4 * 1_024) };
    }
}
