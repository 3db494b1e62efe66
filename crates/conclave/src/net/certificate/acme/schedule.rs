//! When an authority is asked: decisions without clocks or sockets.

use std::time::Duration;

use super::super::facts::{CertificateFacts, DAY};
use super::words::Kind;

const MINUTE: u64 = 60;
const HOUR: u64 = 3_600;

/// Seconds until a certificate for these names is to be asked for. Zero: now.
///
/// A third of its life before the end, as authorities advise; half for those that live for days only,
/// because what goes wrong with them has to be put right within days.
pub(super) fn due_in(facts: Option<&CertificateFacts>, names: &[&str], now: u64) -> u64 {
    let Some(facts) = facts.filter(|facts| names.iter().all(|name| facts.is_for(name))) else { return 0 };
    let life = facts.not_after.saturating_sub(facts.not_before);
    let spare = if life <= 10 * DAY { life / 2 } else { life / 3 };
    facts.not_after.saturating_sub(spare).saturating_sub(now)
}

/// How long to wait after the `failures`th failure in a row (from 1). `jitter` from 0 to 1 adds up to a
/// tenth: servers that a power cut restarted together do not ask together.
///
/// Let's Encrypt allows five failed looks at a name in an hour; what fails for a lasting reason must
/// not use them up before somebody has put it right.
pub(super) fn retry_in(kind: Kind, failures: u32, jitter: f64) -> Duration {
    let (first, most) = match kind {
        // Costs the authority nothing.
        Kind::Unreachable => (MINUTE, HOUR),
        Kind::Passing => (5 * MINUTE, 2 * HOUR),
        Kind::NotVerified => (15 * MINUTE, 6 * HOUR),
        Kind::RateLimited | Kind::Refused => (2 * HOUR, 12 * HOUR),
    };
    let doubled = first.saturating_mul(1 << failures.saturating_sub(1).min(16));
    Duration::from_secs(doubled.min(most)).mul_f64(1.0 + jitter.clamp(0.0, 1.0) / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(days: u64) -> CertificateFacts {
        CertificateFacts {
            names: vec!["meet.example.org".into()],
            addresses: Vec::new(),
            not_before: 1_000,
            not_after: 1_000 + days * DAY,
            is_self_signed: false,
        }
    }

    #[test]
    fn a_certificate_is_renewed_a_third_of_its_life_before_the_end() {
        assert_eq!(due_in(Some(&facts(90)), &["meet.example.org"], 1_000), 60 * DAY);
        assert_eq!(due_in(Some(&facts(90)), &["meet.example.org"], 1_000 + 61 * DAY), 0);
        assert_eq!(due_in(Some(&facts(6)), &["meet.example.org"], 1_000), 3 * DAY);
    }

    #[test]
    fn without_one_for_every_name_it_is_time_now() {
        assert_eq!(due_in(None, &["meet.example.org"], 1_000), 0);
        assert_eq!(due_in(Some(&facts(90)), &["meet.example.org", "new.example.org"], 1_000), 0);
    }

    #[test]
    fn waits_grow_up_to_a_bound() {
        let waits = |kind| [1, 2, 3, 100].map(|failures| retry_in(kind, failures, 0.0).as_secs() / MINUTE);
        assert_eq!(waits(Kind::Unreachable), [1, 2, 4, 60]);
        assert_eq!(waits(Kind::NotVerified), [15, 30, 60, 360]);
        assert_eq!(waits(Kind::RateLimited), [120, 240, 480, 720]);
        assert_eq!(retry_in(Kind::Passing, 1, 1.0), Duration::from_secs(330));
    }

    #[test]
    fn five_failed_looks_take_longer_than_the_hour_in_which_they_count() {
        let within: Duration = (1..=4).map(|failures| retry_in(Kind::NotVerified, failures, 0.0)).sum();
        assert!(within > Duration::from_secs(HOUR));
    }
}
