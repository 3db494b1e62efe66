//! A certificate made here: browsers warn of it once, and nobody has to do anything for it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::time::{Duration, SystemTime};

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256};
use rustls::crypto::CryptoProvider;
use rustls::sign::CertifiedKey;

use super::facts::{self, DAY};
use super::{CertificateError, files};
use crate::auth::admin::write_private;
use crate::config::TlsFiles;

/// Made anew when it has less left than this, in seconds.
const RENEW_BEFORE: u64 = 30 * DAY;
/// How long one is valid. Longer ones are refused by some systems even when somebody chose to trust
/// them.
const LIFETIME: Duration = Duration::from_secs(397 * DAY);
/// For clients whose clock is behind.
const GRACE: Duration = Duration::from_secs(DAY);

#[derive(Debug)]
pub(super) struct SelfSigned {
    files: TlsFiles,
    names: Vec<String>,
}

impl SelfSigned {
    pub(super) fn new(data: &Path, addresses: &[IpAddr]) -> Self {
        let files = TlsFiles { certificate: data.join("tls-cert.pem"), key: data.join("tls-key.pem") };
        Self { files, names: subject_names(addresses) }
    }

    /// The one in the data folder, if it lasts; otherwise a new one.
    pub(super) fn read_or_make(
        &self,
        provider: &CryptoProvider,
        now: SystemTime,
    ) -> Result<CertifiedKey, CertificateError> {
        if let Ok(key) = files::load(&self.files, provider)
            && !self.is_due(&key, now)
        {
            return Ok(key);
        }
        self.make(now)?;
        files::load(&self.files, provider)
    }

    /// Whether it is time for a new one.
    pub(super) fn is_due(&self, key: &CertifiedKey, now: SystemTime) -> bool {
        facts::of(key).is_none_or(|facts| facts.remaining(facts::unix(now)) <= RENEW_BEFORE)
    }

    fn make(&self, now: SystemTime) -> Result<(), CertificateError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = CertificateParams::new(self.names.as_slice())?;
        params.distinguished_name.push(DnType::CommonName, "Conclave (self-signed)");
        params.not_before = (now - GRACE).into();
        params.not_after = (now - GRACE + LIFETIME).into();
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = params.self_signed(&key)?;
        for (path, pem) in [(&self.files.key, key.serialize_pem()), (&self.files.certificate, certificate.pem())] {
            write_private(path, pem.as_bytes())
                .map_err(|error| CertificateError::File { path: path.clone(), error })?;
        }
        Ok(())
    }
}

fn subject_names(addresses: &[IpAddr]) -> Vec<String> {
    let mut names = vec!["localhost".to_owned()];
    names.extend(crate::net::hostname());
    let loopback = [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)];
    names.extend(loopback.iter().chain(addresses).map(IpAddr::to_string));
    let mut seen = std::collections::HashSet::new();
    names.retain(|name| seen.insert(name.clone()));
    names
}
