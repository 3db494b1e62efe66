//! Which of a publisher's simulcast layers is the smallest: rids are names that anybody chooses.

use conclave_sfu::LayerIndex;

/// Names that are in use, smallest first.
const KNOWN: [&[&str]; 4] = [&["l", "m", "h"], &["q", "h", "f"], &["low", "mid", "high"], &["low", "medium", "high"]];

/// The rids, smallest first; `None` if there are more than the conference forwards, or one is there twice.
///
/// Names that are in use say it themselves; of others, those first that the client names first, as
/// browsers do (they are given encodings from the smallest on).
pub(super) fn smallest_first(rids: &[&str]) -> Option<Vec<String>> {
    let is_new = |(at, rid): (usize, &&str)| !rids[..at].contains(rid);
    if rids.len() > LayerIndex::COUNT || !rids.iter().enumerate().all(is_new) {
        return None;
    }
    let known = KNOWN.iter().find(|known| rids.iter().all(|rid| known.contains(rid)));
    let mut sorted: Vec<String> = rids.iter().map(|rid| (*rid).to_owned()).collect();
    if let Some(known) = known {
        sorted.sort_by_key(|rid| known.iter().position(|name| name == rid));
    }
    Some(sorted)
}
