//! How long something took, on lines of 100 ms.

/// Below this a queue counts as gone, ms.
const GONE: f64 = 30.0;
/// For so many lines in a row.
const STAYS_GONE: usize = 3;
/// A queue that a step made shows within so many lines.
const SHOWS: usize = 10;
/// Seconds of a line.
const LINE: f64 = 0.1;

/// Seconds from the line `from` until the mean of the last `window` lines is at least `level`; infinite if it is not before
/// the line `until`.
pub(super) fn reached_after(
    values: &[f64],
    level: impl Fn(usize) -> f64,
    from: usize,
    until: usize,
    window: usize,
) -> f64 {
    let until = until.min(values.len());
    for line in from..until {
        let begin = (line + 1).saturating_sub(window);
        let mean = values[begin..=line].iter().sum::<f64>() / window as f64;
        if mean >= level(line) {
            return (line + 1 - from) as f64 * LINE;
        }
    }
    f64::INFINITY
}

/// Seconds from the line `from` until the queue that came there is gone; lines without a packet have none.
pub(super) fn drained_after(delays: &[Option<f64>], from: usize, until: usize) -> f64 {
    let until = until.min(delays.len());
    let is_gone = |line: usize| delays[line].is_none_or(|delay| delay < GONE);
    let Some(began) = (from..until.min(from + SHOWS)).find(|line| !is_gone(*line)) else { return 0.0 };
    let gone = (began..until).find(|line| (*line..(line + STAYS_GONE).min(until)).all(is_gone));
    gone.map_or(f64::INFINITY, |line| (line - from) as f64 * LINE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_reached_when_the_mean_of_the_window_is_there() {
        let values = [0.0, 0.0, 0.0, 10.0, 10.0, 10.0, 10.0, 10.0];
        assert!((reached_after(&values, |_| 9.0, 2, 8, 5) - 0.6).abs() < 1e-9);
        assert!((reached_after(&values, |_| 9.0, 2, 8, 1) - 0.2).abs() < 1e-9);
        assert_eq!(reached_after(&values, |_| 9.0, 2, 7, 5), f64::INFINITY);
        assert_eq!(reached_after(&values, |_| 11.0, 0, 8, 1), f64::INFINITY);
    }

    #[test]
    fn a_queue_is_gone_when_it_stays_below_30_ms() {
        let delays: Vec<_> = [5, 9, 60, 80, 20, 50, 29, 10, 3, 90].map(f64::from).into_iter().map(Some).collect();
        assert!((drained_after(&delays, 1, 10) - 0.5).abs() < 1e-9);
        assert_eq!(drained_after(&delays, 6, 9), 0.0);
        assert_eq!(drained_after(&[Some(50.0), None, None, None], 0, 4), 0.1);
        assert_eq!(drained_after(&[Some(50.0); 4], 0, 4), f64::INFINITY);
    }
}
