//! The one port: binding it, telling apart what is spoken on it, certificates, proxies in front of it,
//! and bounds on connections.

mod accept;
mod bind;
mod buffers;
mod certificate;
mod forwarded;
mod interfaces;
mod peer;
mod prefixed;
mod proof;
mod relay;
mod waiting;
mod web;

pub use accept::{Acceptor, AcceptorParts};
pub use bind::{BindError, Bound, bind, raise_file_limit};
pub use certificate::{CertificateError, CertificateFacts, Certificates, DAY, Origin as CertificateOrigin, day_of};
pub use interfaces::{hostname, local_addresses};
pub use peer::{Host, Peer, Source};
pub use waiting::{Place, WaitingRoom};
