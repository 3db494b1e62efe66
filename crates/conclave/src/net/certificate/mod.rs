//! The certificate: the owner's files, read again when they change; or one that an authority issues
//! by ACME; or a self-signed one, made at the first start and renewed before it expires.

mod acme;
mod facts;
mod files;
mod self_signed;

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::time::{MissedTickBehavior, interval};

use crate::config::{Acme, TlsFiles};
use crate::metrics::CERTIFICATE_EXPIRY;
pub use facts::{CertificateFacts, DAY, day_of};
use files::Fingerprint;
use self_signed::SelfSigned;

/// ALPN of a connection by which an authority makes sure that a name points here (RFC 8737, section 6.2).
pub const ALPN_ACME: &[u8] = b"acme-tls/1";
/// ALPN of TURN, and of STUN alone, inside TLS (RFC 7443, section 3).
pub const ALPN_TURN: [&[u8]; 2] = [b"stun.turn", b"stun.nat-discovery"];

/// Between looks at the files: a renewed certificate is in use within about a minute.
const LOOK: Duration = Duration::from_secs(30);

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
    /// The roots by which the authority's server is trusted.
    #[error("acme-root: {0}")]
    Roots(#[from] crate::outgoing::RootsError),
}

/// Where the certificate in use comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The owner's files.
    Files,
    /// An authority, by ACME.
    Acme,
    /// Made here.
    SelfSigned,
}

/// The certificate in use, exchangeable while connections are served.
#[derive(Debug)]
pub struct Certificates {
    source: Source,
    provider: Arc<CryptoProvider>,
    current: RwLock<Current>,
    /// Certificates for connections by which an authority makes sure of a name.
    challenges: Mutex<HashMap<String, Arc<CertifiedKey>>>,
}

#[derive(Debug)]
enum Source {
    Files { files: TlsFiles, seen: Mutex<Seen> },
    Acme(acme::Client),
    SelfSigned(SelfSigned),
}

/// What the last look at the owner's files found.
#[derive(Debug, Default)]
struct Seen {
    in_use: Fingerprint,
    /// Already complained about.
    refused: Option<Fingerprint>,
}

#[derive(Clone, Debug)]
struct Current {
    key: Arc<CertifiedKey>,
    origin: Origin,
}

impl Certificates {
    /// Reads the owner's certificate, or the one that an authority has issued, or reads or makes the
    /// self-signed one in the data folder. `addresses` are those that a self-signed one is to be
    /// valid for.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn open(
        files: Option<&TlsFiles>,
        acme: Option<&Acme>,
        data: &Path,
        addresses: &[IpAddr],
        now: SystemTime,
    ) -> Result<Arc<Self>, CertificateError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let own = SelfSigned::new(data, addresses);
        let (source, key, origin) = match (files, acme) {
            (Some(files), _) => {
                let in_use = files::fingerprint(files);
                let key = files::load(files, &provider)?;
                let seen = Mutex::new(Seen { in_use, refused: None });
                (Source::Files { files: files.clone(), seen }, key, Origin::Files)
            }
            (None, Some(options)) => {
                let client = acme::Client::new(options, data)?;
                match client.stored(&provider) {
                    Some(key) => (Source::Acme(client), key, Origin::Acme),
                    // Phones and people can already connect while the authority is asked.
                    None => (Source::Acme(client), own.read_or_make(&provider, now)?, Origin::SelfSigned),
                }
            }
            (None, None) => {
                let key = own.read_or_make(&provider, now)?;
                (Source::SelfSigned(own), key, Origin::SelfSigned)
            }
        };
        let current = Current { key: Arc::new(key), origin };
        let certificates = Self { source, provider, current: RwLock::new(current), challenges: Mutex::default() };
        certificates.measure();
        Ok(Arc::new(certificates))
    }

    /// Where the certificate in use comes from. An authority's may still be on its way.
    pub fn origin(&self) -> Origin {
        self.current().origin
    }

    /// What the certificate in use says; `None` if it cannot be read, though clients may.
    pub fn facts(&self) -> Option<CertificateFacts> {
        facts::of(&self.current().key)
    }

    /// Keeps the certificate fresh, for as long as it is polled. `port` is where the program listens.
    pub async fn keep_fresh(self: Arc<Self>, port: u16) {
        if let Source::Acme(client) = &self.source {
            return client.run(&self, port).await;
        }
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            self.refresh(SystemTime::now());
        }
    }

    /// Takes up changed files, or renews a self-signed certificate that is about to expire. What is
    /// in use stays so while the new one is unusable: of a pair of files, one is written first.
    fn refresh(&self, now: SystemTime) {
        match &self.source {
            Source::Files { files, seen } => {
                let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                let found = files::fingerprint(files);
                if found == seen.in_use {
                    return;
                }
                match files::load(files, &self.provider) {
                    Ok(key) => {
                        *seen = Seen { in_use: found, refused: None };
                        self.install(key, Origin::Files);
                    }
                    Err(error) if seen.refused.as_ref() != Some(&found) => {
                        tracing::warn!(%error, "the certificate's files changed, but cannot be used yet; the old one stays");
                        seen.refused = Some(found);
                    }
                    Err(_) => {}
                }
            }
            Source::SelfSigned(own) if own.is_due(&self.current().key, now) => {
                match own.read_or_make(&self.provider, now) {
                    Ok(key) => self.install(key, Origin::SelfSigned),
                    Err(error) => tracing::error!(%error, "the self-signed certificate could not be renewed"),
                }
            }
            Source::SelfSigned(_) | Source::Acme(_) => {}
        }
    }

    /// TLS 1.2 and 1.3 with this certificate: for HTTP/2, HTTP/1.1, TURN, and the authority's look.
    /// A client without ALPN is served too.
    ///
    /// # Errors
    /// When the cryptographic provider lacks what TLS needs.
    pub fn server_config(self: &Arc<Self>) -> Result<Arc<ServerConfig>, rustls::Error> {
        let mut config = ServerConfig::builder_with_provider(self.provider.clone())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(self.clone());
        let web: [&[u8]; 2] = [b"h2", b"http/1.1"];
        config.alpn_protocols = web.iter().chain(&ALPN_TURN).map(|protocol| protocol.to_vec()).collect();
        if matches!(self.source, Source::Acme(_)) {
            config.alpn_protocols.push(ALPN_ACME.to_vec());
        }
        Ok(Arc::new(config))
    }

    fn current(&self) -> Current {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn install(&self, key: CertifiedKey, origin: Origin) {
        let until = facts::of(&key).map_or_else(|| "an unknown day".to_owned(), |facts| day_of(facts.not_after));
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Current { key: Arc::new(key), origin };
        self.measure();
        tracing::info!(until, "a new certificate is in use");
    }

    /// For alarms of whoever watches the server.
    fn measure(&self) {
        let end = self.facts().map_or(0, |facts| facts.not_after);
        metrics::gauge!(CERTIFICATE_EXPIRY).set(end as f64);
    }

    fn challenges(&self) -> MutexGuard<'_, HashMap<String, Arc<CertifiedKey>>> {
        self.challenges.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // An authority offers this protocol and no other (RFC 8737, section 3).
        if hello.alpn().is_some_and(|mut offered| offered.next() == Some(ALPN_ACME) && offered.next().is_none()) {
            return self.challenges().get(&hello.server_name()?.to_ascii_lowercase()).cloned();
        }
        Some(self.current().key)
    }
}

#[cfg(test)]
mod tests;
