//! The one port: binding it, telling TLS from plain HTTP, certificates, and bounds on connections.

mod accept;
mod bind;
mod certificate;
mod interfaces;
mod waiting;

pub use accept::{Acceptor, Peer};
pub use bind::{BindError, Bound, bind, raise_file_limit};
pub use certificate::{ALPN_ACME, ALPN_TURN, CertificateError, CertificateFacts, Certificates, Origin as CertificateOrigin};
pub use interfaces::{hostname, local_addresses};
pub use waiting::{Place, WaitingRoom};
