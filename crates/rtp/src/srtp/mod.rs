//! SRTP and SRTCP: RFC 3711, with the AEAD profiles of RFC 7714, keyed by DTLS (RFC 5764).
//!
//! [`pair`] makes both directions of a leg from what DTLS exports. Packets are sealed and opened in place;
//! nothing is allocated but for a source that has never been heard before.

mod cipher;
mod derivation;
mod inbound;
mod outbound;
mod profile;

#[cfg(test)]
mod tests;

pub use inbound::{Counters, Inbound, Plain, Rejected};
pub use outbound::{NotSealed, Outbound};
pub use profile::{BadKeyingMaterial, Profile, Side};

use derivation::Keys;
use profile::Halves;

/// The most bytes that sealing adds to a packet, RTP or RTCP.
pub const MAX_OVERHEAD: usize = 20;

/// Both directions of a leg, from the keying material that DTLS exports under "EXTRACTOR-dtls_srtp"
/// (RFC 5764 section 4.2), of [`Profile::keying_material_length`] bytes.
///
/// # Errors
/// If the material has another length.
pub fn pair(profile: Profile, material: &[u8], us: Side) -> Result<(Inbound, Outbound), BadKeyingMaterial> {
    let Halves { client, server } = profile.split(material)?;
    let (ours, theirs) = match us {
        Side::DtlsClient => (client, server),
        Side::DtlsServer => (server, client),
    };
    let inbound = Inbound::new(Keys::derive(profile, &theirs));
    let outbound = Outbound::new(Keys::derive(profile, &ours));
    Ok((inbound, outbound))
}
