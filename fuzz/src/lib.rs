//! What each fuzz target does with its input, and what must hold afterwards. The same functions run
//! over `corpus/` as ordinary tests.

mod bytes;
mod forwarding;
mod port;
mod turn;

use conclave_proto::{ClientFrame, parse_client_frame};
use conclave_sfu::Vp8Rewrite;

pub use forwarding::forwarding;
pub use port::{demux, framing, proxy};
pub use turn::turn;

/// A message from a browser: it is read or refused, and what was read survives being written again.
///
/// # Panics
/// If it does not.
pub fn client_frame(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match parse_client_frame(text) {
        Ok(frame) => {
            let written = serde_json::to_string(&frame).expect("what was read can be written");
            let again = parse_client_frame(&written).expect("what was written can be read");
            assert_same(&frame, &again);
        }
        Err(failure) => assert!(failure.error.message.len() < 400, "an error that quotes its input"),
    }
}

fn assert_same(frame: &ClientFrame, again: &ClientFrame) {
    // Compared as text: a number that is not equal to itself (NaN) has no place in the protocol.
    let text = |frame| serde_json::to_string(frame).expect("what was read can be written");
    assert_eq!(text(frame), text(again));
}

/// A VP8 payload whose counters are rewritten: nothing but the counters changes, and not the length.
///
/// # Panics
/// If anything else does.
pub fn vp8_rewrite(data: &[u8]) {
    let Some((head, payload)) = data.split_first_chunk::<3>() else { return };
    let rewrite =
        Vp8Rewrite { picture_id: Some(u16::from_be_bytes([head[0], head[1]]) & 0x7fff), tl0_pic_idx: Some(head[2]) };
    let mut once = payload.to_vec();
    rewrite.apply(&mut once);
    // PictureID and TL0PICIDX lie within the four bytes after the two of flags (RFC 7741 section 4.2).
    assert_eq!(once.len(), payload.len());
    assert_eq!(once.get(..2), payload.get(..2));
    assert_eq!(once.get(5..), payload.get(5..));
    let mut twice = once.clone();
    rewrite.apply(&mut twice);
    assert_eq!(once, twice);
}
