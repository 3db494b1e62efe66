//! Who gets how much.

/// What each gets if all get the same and nobody more than it wants (max-min fairness): the level up to which demands are
/// met.
pub(super) fn fair_share(capacity: f64, demands: &[f64]) -> f64 {
    let mut sorted = demands.to_vec();
    sorted.sort_by(f64::total_cmp);
    let mut rest = capacity;
    let mut level = 0.0;
    for (index, demand) in sorted.iter().enumerate() {
        let part = rest / (sorted.len() - index) as f64;
        if *demand > part {
            return part;
        }
        level = *demand;
        rest -= demand;
    }
    level
}

/// Jain's index of fairness: 1 where all get the same, 1/n where one gets everything.
pub(super) fn jain(rates: &[f64]) -> f64 {
    let sum: f64 = rates.iter().sum();
    let squares: f64 = rates.iter().map(|rate| rate * rate).sum();
    if squares > 0.0 { sum * sum / (rates.len() as f64 * squares) } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fair_share_gives_what_the_modest_leave_to_the_others() {
        assert_eq!(fair_share(9.0, &[10.0, 10.0, 10.0]), 3.0);
        assert_eq!(fair_share(9.0, &[1.0, 10.0, 10.0]), 4.0);
        assert_eq!(fair_share(9.0, &[1.0, 2.0]), 2.0);
        assert_eq!(fair_share(9.0, &[]), 0.0);
    }

    #[test]
    fn jains_index_is_1_for_equals_and_1_of_n_for_one_who_has_it_all() {
        assert_eq!(jain(&[2.0, 2.0, 2.0]), 1.0);
        assert_eq!(jain(&[5.0, 0.0, 0.0, 0.0]), 0.25);
        assert_eq!(jain(&[0.0, 0.0]), 1.0);
    }
}
