//! The certificate: the owner's, read again when its file changes, or a self-signed one that is made
//! at the first start and renewed before it expires.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256};
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::auth::admin::write_private;
use crate::config::TlsFiles;

/// A self-signed certificate is made anew when it has less left than this.
const RENEW_BEFORE: Duration = Duration::from_secs(30 * DAY);
/// How long a self-signed one is valid. Longer ones are refused by some systems even when somebody
/// chose to trust them.
const LIFETIME: Duration = Duration::from_secs(397 * DAY);
const DAY: u64 = 24 * 3600;

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file cannot be read or written.
    #[error("cannot use {path}: {error}", path = .path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A file does not hold what it should.
    #[error("{path} holds no valid PEM {what}", path = .path.display())]
    NotPem {
        /// Which file.
        path: PathBuf,
        /// What was expected.
        what: &'static str,
    },
    /// Certificate and key do not belong together, or the key is of an unknown kind.
    #[error("the certificate and the key in {path} do not fit: {error}", path = .path.display())]
    Unusable {
        /// The key's file.
        path: PathBuf,
        /// Why.
        error: rustls::Error,
    },
    /// A self-signed certificate cannot be made.
    #[error("cannot make a self-signed certificate: {0}")]
    Generate(#[from] rcgen::Error),
}

/// The certificate in use, exchangeable while connections are served.
#[derive(Debug)]
pub struct Certificates {
    source: Source,
    provider: Arc<CryptoProvider>,
    current: RwLock<Current>,
}

#[derive(Debug)]
enum Source {
    Owner(TlsFiles),
    SelfSigned { folder: PathBuf, names: Vec<String> },
}

#[derive(Clone, Debug)]
struct Current {
    key: Arc<CertifiedKey>,
    /// Of the file, so that a change is seen.
    modified: Option<SystemTime>,
}

impl Certificates {
    /// Reads the owner's certificate, or reads or makes the self-signed one in the data folder.
    /// `addresses` are those that a self-signed one is to be valid for.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn open(
        files: Option<&TlsFiles>,
        data: &Path,
        addresses: &[IpAddr],
        now: SystemTime,
    ) -> Result<Arc<Self>, CertificateError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let source = match files {
            Some(files) => Source::Owner(files.clone()),
            None => Source::SelfSigned { folder: data.to_owned(), names: subject_names(addresses) },
        };
        let current = source.read(&provider, now)?;
        Ok(Arc::new(Self { source, provider, current: RwLock::new(current) }))
    }

    /// Whether browsers will warn of it.
    pub fn is_self_signed(&self) -> bool {
        matches!(self.source, Source::SelfSigned { .. })
    }

    /// Takes up a changed file or renews what is about to expire; to be called now and then. What
    /// is in use stays so when the new one is unusable.
    pub fn refresh(&self, now: SystemTime) {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner).clone();
        let unchanged = match &self.source {
            Source::Owner(files) => modified(&files.certificate) == current.modified,
            Source::SelfSigned { .. } => remaining(&current.key, now) > RENEW_BEFORE,
        };
        if unchanged {
            if remaining(&current.key, now) < Duration::from_secs(7 * DAY) {
                tracing::warn!("the certificate expires within a week");
            }
            return;
        }
        match self.source.read(&self.provider, now) {
            Ok(new) => {
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = new;
                tracing::info!("a new certificate is in use");
            }
            Err(error) => tracing::error!(%error, "the new certificate cannot be used; the old one stays"),
        }
    }

    /// TLS 1.2 and 1.3 with this certificate, for HTTP/2 and HTTP/1.1.
    ///
    /// # Errors
    /// When the cryptographic provider lacks what TLS needs.
    pub fn server_config(self: &Arc<Self>) -> Result<Arc<ServerConfig>, rustls::Error> {
        let mut config = ServerConfig::builder_with_provider(self.provider.clone())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(self.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.read().unwrap_or_else(PoisonError::into_inner).key.clone())
    }
}

impl Source {
    fn read(&self, provider: &CryptoProvider, now: SystemTime) -> Result<Current, CertificateError> {
        match self {
            Self::Owner(files) => load(files, provider),
            Self::SelfSigned { folder, names } => {
                let files = TlsFiles { certificate: folder.join("tls-cert.pem"), key: folder.join("tls-key.pem") };
                if let Ok(current) = load(&files, provider)
                    && remaining(&current.key, now) > RENEW_BEFORE
                {
                    return Ok(current);
                }
                make_self_signed(&files, names, now)?;
                load(&files, provider)
            }
        }
    }
}

fn load(files: &TlsFiles, provider: &CryptoProvider) -> Result<Current, CertificateError> {
    let read = |path: &PathBuf| fs::read(path).map_err(|error| CertificateError::File { path: path.clone(), error });
    let modified = modified(&files.certificate);
    let not_pem = |path: &PathBuf, what| CertificateError::NotPem { path: path.clone(), what };
    let chain = CertificateDer::pem_slice_iter(&read(&files.certificate)?)
        .collect::<Result<Vec<_>, _>>()
        .ok()
        .filter(|chain| !chain.is_empty())
        .ok_or_else(|| not_pem(&files.certificate, "certificate"))?;
    let key = PrivateKeyDer::from_pem_slice(&read(&files.key)?).map_err(|_| not_pem(&files.key, "private key"))?;
    let key = CertifiedKey::from_der(chain, key, provider)
        .map_err(|error| CertificateError::Unusable { path: files.key.clone(), error })?;
    Ok(Current { key: Arc::new(key), modified })
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}

/// How long the certificate is still valid; nothing if that cannot be read from it.
fn remaining(key: &CertifiedKey, now: SystemTime) -> Duration {
    let now = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let end = key
        .cert
        .first()
        .and_then(|der| X509Certificate::from_der(der).ok())
        .map_or(0, |(_, certificate)| certificate.validity().not_after.timestamp());
    Duration::from_secs(u64::try_from(end).unwrap_or(0).saturating_sub(now))
}

fn subject_names(addresses: &[IpAddr]) -> Vec<String> {
    let mut names = vec!["localhost".to_owned()];
    names.extend(super::hostname());
    let loopback = [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)];
    names.extend(loopback.iter().chain(addresses).map(IpAddr::to_string));
    let mut seen = std::collections::HashSet::new();
    names.retain(|name| seen.insert(name.clone()));
    names
}

fn make_self_signed(files: &TlsFiles, names: &[String], now: SystemTime) -> Result<(), CertificateError> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(DnType::CommonName, "Conclave (self-signed)");
    // A day of grace for clients whose clock is behind.
    params.not_before = (now - Duration::from_secs(DAY)).into();
    params.not_after = (now - Duration::from_secs(DAY) + LIFETIME).into();
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let certificate = params.self_signed(&key)?;
    for (path, pem) in [(&files.key, key.serialize_pem()), (&files.certificate, certificate.pem())] {
        write_private(path, pem.as_bytes()).map_err(|error| CertificateError::File { path: path.clone(), error })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(data: &Path, now: SystemTime) -> Arc<Certificates> {
        Certificates::open(None, data, &[IpAddr::from([192, 0, 2, 7])], now).expect("made")
    }

    fn der(certificates: &Certificates) -> Vec<u8> {
        certificates.current.read().expect("lock").key.cert[0].to_vec()
    }

    #[test]
    fn the_self_signed_certificate_names_localhost_and_the_addresses() {
        let data = tempfile::tempdir().expect("folder");
        let der = der(&open(data.path(), SystemTime::now()));
        let (_, certificate) = X509Certificate::from_der(&der).expect("parses");
        let names = certificate.subject_alternative_name().expect("extension").expect("there");
        let names = format!("{:?}", names.value.general_names);
        assert!(names.contains("localhost") && names.contains("[192, 0, 2, 7]"), "{names}");
    }

    #[test]
    fn it_stays_the_same_until_shortly_before_it_expires() {
        let data = tempfile::tempdir().expect("folder");
        let start = SystemTime::now();
        let certificates = open(data.path(), start);
        let first = der(&certificates);
        assert_eq!(der(&open(data.path(), start + Duration::from_secs(300 * DAY))), first);
        let late = start + Duration::from_secs(370 * DAY);
        certificates.refresh(late);
        let second = der(&certificates);
        assert_ne!(second, first);
        assert_eq!(der(&open(data.path(), late)), second);
    }

    #[test]
    fn the_owners_certificate_is_taken_up_when_it_changes_and_kept_when_the_new_one_is_broken() {
        let (made, data) = (tempfile::tempdir().expect("folder"), tempfile::tempdir().expect("folder"));
        let now = SystemTime::now();
        open(made.path(), now);
        let files = TlsFiles { certificate: data.path().join("c.pem"), key: data.path().join("k.pem") };
        let place = |age: u64| {
            fs::copy(made.path().join("tls-cert.pem"), &files.certificate).expect("copied");
            fs::copy(made.path().join("tls-key.pem"), &files.key).expect("copied");
            let file = fs::OpenOptions::new().write(true).open(&files.certificate).expect("opens");
            file.set_modified(now - Duration::from_secs(age)).expect("set");
        };
        place(100);
        let certificates = Certificates::open(Some(&files), data.path(), &[], now).expect("read");
        let first = der(&certificates);

        fs::write(&files.certificate, "broken").expect("written");
        certificates.refresh(now);
        assert_eq!(der(&certificates), first);

        fs::remove_file(made.path().join("tls-cert.pem")).expect("removed");
        open(made.path(), now);
        place(50);
        certificates.refresh(now);
        assert_ne!(der(&certificates), first);
    }

    #[test]
    fn a_missing_or_wrong_file_is_named() {
        let data = tempfile::tempdir().expect("folder");
        let files = TlsFiles { certificate: data.path().join("c.pem"), key: data.path().join("k.pem") };
        let said = |files: &TlsFiles| {
            Certificates::open(Some(files), data.path(), &[], SystemTime::now()).expect_err("refused").to_string()
        };
        assert!(said(&files).contains("c.pem"));
        fs::write(&files.certificate, "no PEM").expect("written");
        assert!(said(&files).contains("c.pem holds no valid PEM certificate"));
    }
}
