//! Taking SRTP's keys out of DTLS.
//!
//! The WebRTC engine's RTP walks every stream whenever it is polled, and so costs many times what
//! encryption and sending cost. So the engine ends DTLS, and never learns the keys that DTLS gives
//! (RFC 5764 section 4.2): [`capturing`] gives it the DTLS that it would use itself, but for the keys,
//! which [`captured`] has. The engine then sends and expects no SRTP, which [`conclave_rtp`] does.

use std::cell::RefCell;
use std::sync::{Arc, LazyLock, OnceLock};
use std::time::Instant;

use conclave_rtp::srtp::{Profile, Side};
use dimpl::{Config, Dtls, DtlsCertificate};
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
    static CAPTURING: LazyLock<Capturing> =
        LazyLock::new(|| Capturing { engines: ENGINES.dtls_provider, config: OnceLock::new() });
    CryptoProvider { dtls_provider: &*CAPTURING, ..from_feature_flags() }
}

/// The keys of the connection that was polled last on this thread, if that poll brought them.
pub fn captured() -> Option<Keys> {
    CAPTURED.take()
}

#[derive(Debug)]
struct Capturing {
    engines: &'static dyn DtlsProvider,
    /// Of all connections, and for which longest packet. A configuration tries all of its cryptography when it is made,
    /// which takes as long as a handshake: so it is made once.
    config: OnceLock<(Option<usize>, Arc<Config>)>,
}

impl Capturing {
    fn config(&self, mtu: Option<usize>) -> Result<Arc<Config>, CryptoError> {
        if let Some((of, config)) = self.config.get()
            && *of == mtu
        {
            return Ok(config.clone());
        }
        // ICE has shown that the other end is where it says, which is what a cookie would show.
        let builder = Config::builder().use_server_cookie(false);
        let builder = if let Some(mtu) = mtu { builder.mtu(mtu) } else { builder };
        let config = Arc::new(builder.build().map_err(CryptoError::from)?);
        // Another one is as good, whoever was first.
        let _ = self.config.set((mtu, config.clone()));
        Ok(config)
    }
}

impl DtlsProvider for Capturing {
    fn generate_certificate(&self) -> Option<DtlsCert> {
        self.engines.generate_certificate()
    }

    fn new_dtls(
        &self,
        certificate: &DtlsCert,
        now: Instant,
        version: DtlsVersion,
        mtu: Option<usize>,
    ) -> Result<Box<dyn DtlsInstance>, CryptoError> {
        let DtlsCert { certificate, private_key } = certificate.clone();
        let (config, certificate) = (self.config(mtu)?, DtlsCertificate { certificate, private_key });
        let dtls = match version {
            DtlsVersion::Dtls13 => Dtls::new_13(config, certificate, now),
            DtlsVersion::Auto => Dtls::new_auto(config, certificate, now),
            _ => Dtls::new_12(config, certificate, now),
        };
        Ok(Box::new(Instance(dtls)))
    }

    fn is_test(&self) -> bool {
        self.engines.is_test()
    }
}

struct Instance(Dtls);

impl std::fmt::Debug for Instance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Instance").finish_non_exhaustive()
    }
}

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
