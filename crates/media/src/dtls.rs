//! Taking SRTP's keys out of DTLS.
//!
//! The WebRTC engine's RTP walks every stream whenever it is polled, and so costs many times what
//! encryption and sending cost. So the engine ends DTLS, and never learns the keys that DTLS gives
//! (RFC 5764 section 4.2): [`capturing`] wraps its DTLS, and [`captured`] has them. The engine then
//! sends and expects no SRTP, which [`conclave_rtp`] does.

use std::cell::RefCell;
use std::sync::LazyLock;
use std::time::Instant;

use conclave_rtp::srtp::{Profile, Side};
use str0m::crypto::dtls::{
    DtlsCert, DtlsImplError, DtlsInstance, DtlsOutput, DtlsProvider, DtlsVersion, ProtocolVersion, SrtpProfile,
};
use str0m::crypto::{CryptoError, CryptoProvider, from_feature_flags};

/// What DTLS agreed on for SRTP.
pub struct Keys {
    /// The protection profile.
    pub profile: Profile,
    /// Which side of DTLS the engine is.
    pub side: Side,
    /// The exported material: both keys, then both salts, the client's first.
    pub material: Vec<u8>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys")
            .field("profile", &self.profile)
            .field("side", &self.side)
            .field("material", &"***")
            .finish()
    }
}

thread_local! {
    // The engine has no place through which keys could pass, and polls DTLS only while it is polled
    // itself: so what is here after that is the polled connection's.
    static CAPTURED: RefCell<Option<Keys>> = const { RefCell::new(None) };
}

/// The engine's cryptography, with a DTLS that keeps SRTP's keys for [`captured`].
pub fn capturing() -> CryptoProvider {
    static ENGINES: LazyLock<CryptoProvider> = LazyLock::new(from_feature_flags);
    static CAPTURING: LazyLock<Capturing> = LazyLock::new(|| Capturing(ENGINES.dtls_provider));
    CryptoProvider { dtls_provider: &*CAPTURING, ..from_feature_flags() }
}

/// The keys of the connection that was polled last on this thread, if that poll brought them.
pub fn captured() -> Option<Keys> {
    CAPTURED.take()
}

#[derive(Debug)]
struct Capturing(&'static dyn DtlsProvider);

impl DtlsProvider for Capturing {
    fn generate_certificate(&self) -> Option<DtlsCert> {
        self.0.generate_certificate()
    }

    fn new_dtls(
        &self,
        certificate: &DtlsCert,
        now: Instant,
        version: DtlsVersion,
        mtu: Option<usize>,
    ) -> Result<Box<dyn DtlsInstance>, CryptoError> {
        Ok(Box::new(Instance(self.0.new_dtls(certificate, now, version, mtu)?)))
    }

    fn is_test(&self) -> bool {
        self.0.is_test()
    }
}

#[derive(Debug)]
struct Instance(Box<dyn DtlsInstance>);

impl DtlsInstance for Instance {
    fn poll_output<'a>(&mut self, buffer: &'a mut [u8]) -> DtlsOutput<'a> {
        match self.0.poll_output(buffer) {
            DtlsOutput::KeyingMaterial(material, profile) => {
                let side = if self.0.is_active() { Side::DtlsClient } else { Side::DtlsServer };
                CAPTURED.set(known(profile).map(|profile| Keys { profile, side, material: material.to_vec() }));
                // Keys mean that the handshake is complete; said twice, it counts once.
                DtlsOutput::Connected
            }
            other => other,
        }
    }

    fn set_active(&mut self, active: bool) {
        self.0.set_active(active);
    }

    fn handle_packet(&mut self, packet: &[u8]) -> Result<(), DtlsImplError> {
        self.0.handle_packet(packet)
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsImplError> {
        self.0.handle_timeout(now)
    }

    fn send_application_data(&mut self, data: &[u8]) -> Result<usize, DtlsImplError> {
        self.0.send_application_data(data)
    }

    fn is_active(&self) -> bool {
        self.0.is_active()
    }

    fn protocol_version(&self) -> Option<ProtocolVersion> {
        self.0.protocol_version()
    }

    fn is_closing(&self) -> bool {
        self.0.is_closing()
    }

    fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    fn close(&mut self) -> Result<(), DtlsImplError> {
        self.0.close()
    }
}

/// A profile that SRTP has here; no other is offered.
fn known(profile: SrtpProfile) -> Option<Profile> {
    match profile {
        SrtpProfile::AEAD_AES_128_GCM => Some(Profile::AeadAes128Gcm),
        SrtpProfile::AEAD_AES_256_GCM => Some(Profile::AeadAes256Gcm),
        SrtpProfile::AES128_CM_SHA1_80 => Some(Profile::Aes128CmHmacSha1_80),
        _ => None,
    }
}
