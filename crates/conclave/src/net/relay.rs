//! Connections that carry media: bytes between a socket and the media plane.

use socket2::SockRef;
use tokio::net::TcpStream;

/// What the kernel holds for a peer beyond what is in flight. Media that cannot be sent now is of no
/// use later: it waits in the media plane, which drops it.
const UNSENT_BYTES: u32 = 24 * 1024;

#[derive(Clone, Copy, Debug)]
pub(super) enum StreamKind {
    IceTcp,
    Turn { tls: bool },
}

pub(super) fn configure(stream: &TcpStream) {
    let _ = SockRef::from(stream).set_tcp_notsent_lowat(UNSENT_BYTES);
}
