//! What each fuzz target does with its input, and what must hold afterwards. The same functions run
//! over `corpus/` as ordinary tests.

mod bearer;
mod bytes;
mod controllers;
mod fec;
mod forwarding;
mod gateway;
mod payload;
mod playout;
mod port;
mod rtp;
#[path = "../../crates/sfu/tests/conference/scalable.rs"]
#[allow(dead_code, reason = "the tests of the conference ask more of it")]
mod scalable;
mod sender;
mod svc;
mod turn;

use conclave_proto::{ClientFrame, parse_client_frame};

pub use bearer::bearer;
pub use controllers::controllers;
pub use fec::{flexfec, nack, reed_solomon, ulpfec};
pub use forwarding::forwarding;
pub use gateway::sdp_fragment;
pub use payload::{dependency_descriptor, red, vp8_rewrite, vp9};
pub use playout::playout;
pub use port::{demux, framing, proxy};
pub use rtp::{receiver, rtcp, rtp_header};
pub use sender::sender;
pub use svc::svc_rewrite;
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
