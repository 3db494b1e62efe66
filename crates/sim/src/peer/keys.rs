//! Taking SRTP's keys out of DTLS (RFC 5764), so that the engine never starts its own SRTP.

use std::cell::RefCell;
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use str0m::config::{CryptoProvider, DtlsCert, DtlsVersion};
use str0m::crypto::CryptoError;
use str0m::crypto::dtls::{DtlsImplError, DtlsInstance, DtlsOutput, DtlsProvider, ProtocolVersion, SrtpProfile};

/// What DTLS has agreed on.
pub(super) struct Keys {
    pub(super) material: Vec<u8>,
    pub(super) profile: SrtpProfile,
}

thread_local! {
    /// The engine is called by one thread at a time, and whoever called it looks here before anybody else does.
    static FOUND: RefCell<Option<Keys>> = const { RefCell::new(None) };
}

/// The keys that came out of DTLS in the last call of an engine by this thread.
pub(super) fn take() -> Option<Keys> {
    FOUND.with_borrow_mut(Option::take)
}

static STANDARD: LazyLock<CryptoProvider> = LazyLock::new(str0m::crypto::from_feature_flags);

/// Cryptography for engines whose keys are wanted.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider { dtls_provider: &Provider, ..STANDARD.clone() })
}

#[derive(Debug)]
struct Provider;

impl DtlsProvider for Provider {
    fn generate_certificate(&self) -> Option<DtlsCert> {
        STANDARD.dtls_provider.generate_certificate()
    }

    fn new_dtls(
        &self,
        certificate: &DtlsCert,
        now: Instant,
        version: DtlsVersion,
        mtu: Option<usize>,
    ) -> Result<Box<dyn DtlsInstance>, CryptoError> {
        let inner = STANDARD.dtls_provider.new_dtls(certificate, now, version, mtu)?;
        Ok(Box::new(Instance { inner, now }))
    }
}

#[derive(Debug)]
struct Instance {
    inner: Box<dyn DtlsInstance>,
    now: Instant,
}

impl DtlsInstance for Instance {
    fn poll_output<'a>(&mut self, buffer: &'a mut [u8]) -> DtlsOutput<'a> {
        match self.inner.poll_output(buffer) {
            DtlsOutput::KeyingMaterial(material, profile) => {
                let bytes: &[u8] = material.as_ref();
                let keys = Keys { material: bytes.to_vec(), profile };
                FOUND.with_borrow_mut(|found| *found = Some(keys));
                // A time that has passed: the engine asks again at once.
                DtlsOutput::Timeout(self.now)
            }
            other => other,
        }
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsImplError> {
        self.now = now;
        self.inner.handle_timeout(now)
    }

    fn set_active(&mut self, active: bool) {
        self.inner.set_active(active);
    }

    fn handle_packet(&mut self, packet: &[u8]) -> Result<(), DtlsImplError> {
        self.inner.handle_packet(packet)
    }

    fn send_application_data(&mut self, data: &[u8]) -> Result<usize, DtlsImplError> {
        self.inner.send_application_data(data)
    }

    fn is_active(&self) -> bool {
        self.inner.is_active()
    }

    fn protocol_version(&self) -> Option<ProtocolVersion> {
        self.inner.protocol_version()
    }

    fn is_closing(&self) -> bool {
        self.inner.is_closing()
    }

    fn is_closed(&self) -> bool {
        self.inner.is_closed()
    }

    fn close(&mut self) -> Result<(), DtlsImplError> {
        self.inner.close()
    }
}
