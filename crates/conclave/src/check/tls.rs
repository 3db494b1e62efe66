//! TLS that goes on whatever the certificate is, and says what a browser would make of it. Nothing
//! secret is sent over it.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme};

use super::measured::{Certificate, Trust};
use crate::net::CertificateFacts;
use crate::outgoing;

/// Remembers what the last server showed.
#[derive(Debug)]
pub(super) struct Judge {
    browser: Arc<WebPkiServerVerifier>,
    seen: Mutex<Option<Certificate>>,
}

/// A client's side of TLS, and who remembers what it sees.
pub(super) fn client() -> (Arc<ClientConfig>, Arc<Judge>) {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let browser = WebPkiServerVerifier::builder_with_provider(outgoing::usual_roots().into(), provider)
        .build()
        .expect("the built-in roots are never empty");
    let judge = Arc::new(Judge { browser, seen: Mutex::default() });
    let mut config = outgoing::client_config(rustls::RootCertStore::empty());
    config.dangerous().set_certificate_verifier(judge.clone());
    (Arc::new(config), judge)
}

impl Judge {
    /// What the last server showed.
    pub(super) fn seen(&self) -> Option<Certificate> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What a browser makes of it.
fn trust(result: Result<ServerCertVerified, Error>, facts: Option<&CertificateFacts>) -> Trust {
    use CertificateError as Fault;
    let is_self_signed = facts.is_some_and(|facts| facts.is_self_signed);
    match result {
        Ok(_) => Trust::Trusted,
        Err(Error::InvalidCertificate(fault)) => match fault {
            Fault::Expired | Fault::ExpiredContext { .. } => Trust::Expired,
            Fault::NotValidYet | Fault::NotValidYetContext { .. } => Trust::NotYetValid,
            Fault::NotValidForName | Fault::NotValidForNameContext { .. } => Trust::OtherName,
            _ if is_self_signed => Trust::SelfSigned,
            Fault::UnknownIssuer => Trust::UnknownIssuer,
            other => Trust::Other(other.to_string()),
        },
        Err(other) => Trust::Other(other.to_string()),
    }
}

impl ServerCertVerifier for Judge {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let facts = CertificateFacts::parse(end_entity);
        let result = self.browser.verify_server_cert(end_entity, intermediates, name, ocsp, now);
        let trust = trust(result, facts.as_ref());
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(Certificate { facts, trust });
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.browser.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.browser.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.browser.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_of_a_certificate_has_its_name() {
        let judge = |fault| trust(Err(Error::InvalidCertificate(fault)), None);
        assert_eq!(trust(Ok(ServerCertVerified::assertion()), None), Trust::Trusted);
        assert_eq!(judge(CertificateError::Expired), Trust::Expired);
        assert_eq!(judge(CertificateError::NotValidYet), Trust::NotYetValid);
        assert_eq!(judge(CertificateError::NotValidForName), Trust::OtherName);
        assert_eq!(judge(CertificateError::UnknownIssuer), Trust::UnknownIssuer);
        assert!(matches!(judge(CertificateError::Revoked), Trust::Other(_)));
    }
}
