//! A certificate that an authority issues (RFC 8555), proven by TLS-ALPN-01 (RFC 8737): the
//! authority connects to the port that serves everything else.

mod order;
mod schedule;
mod store;
mod words;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::ClientConfig;
use rustls::crypto::CryptoProvider;
use rustls::sign::CertifiedKey;
use tokio::time::{sleep, timeout};

use super::{CertificateError, Certificates, Origin, facts, files};
use crate::config::{Acme, AcmeDomain};
use crate::outgoing;
use store::Store;
use words::{Failure, Kind};

/// For one attempt from its first request to the certificate.
const ATTEMPT: Duration = Duration::from_secs(300);
/// Longest sleep: a clock that was put right or a machine that was asleep is noticed after it.
const NAP: Duration = Duration::from_secs(3_600);

#[derive(Debug)]
pub(super) struct Client {
    options: Acme,
    store: Store,
    /// For connections to the authority.
    tls: Arc<ClientConfig>,
}

impl Client {
    pub(super) fn new(options: &Acme, data: &Path) -> Result<Self, CertificateError> {
        let roots = match &options.root {
            Some(path) => outgoing::roots_from(path)?,
            None => outgoing::usual_roots(),
        };
        let store = Store::new(data, &options.directory);
        Ok(Self { options: options.clone(), store, tls: Arc::new(outgoing::client_config(roots)) })
    }

    /// What was issued before, if it is still there.
    pub(super) fn stored(&self, provider: &CryptoProvider) -> Option<CertifiedKey> {
        self.store.certificate(provider)
    }

    /// Asks for the certificate whenever it is time, for as long as it is polled.
    /// `port` is where this program listens.
    pub(super) async fn run(&self, certificates: &Certificates, port: u16) {
        let names: Vec<_> = self.options.domains.iter().map(AcmeDomain::as_str).collect();
        let mut failures = 0;
        loop {
            let issued = Some(certificates.current()).filter(|current| current.origin == Origin::Acme);
            let facts = issued.and_then(|current| facts::of(&current.key));
            let due = Duration::from_secs(schedule::due_in(facts.as_ref(), &names, facts::unix(SystemTime::now())));
            if !due.is_zero() {
                sleep(due.min(NAP)).await;
                continue;
            }
            tracing::info!(names = names.join(", "), "asking the certificate authority for a certificate");
            let attempt =
                timeout(ATTEMPT, order::order(self, certificates, port)).await.unwrap_or_else(|_| Err(too_slow()));
            match attempt.and_then(|pem| self.take_up(certificates, &pem, &names)) {
                Ok(()) => failures = 0,
                Err(Failure { kind, words }) => {
                    failures += 1;
                    let wait = schedule::retry_in(kind, failures, rand::random());
                    let minutes = wait.as_secs().div_ceil(60);
                    tracing::error!(
                        "no certificate for {}: {words}; next attempt in {minutes} minutes",
                        names.join(", ")
                    );
                    sleep(wait).await;
                }
            }
        }
    }

    /// Keeps and uses what was issued.
    fn take_up(&self, certificates: &Certificates, pem: &str, names: &[&str]) -> Result<(), Failure> {
        let failed = |words| Failure { kind: Kind::Passing, words };
        let path = self.store.certificate_path();
        let key = files::parse(pem.as_bytes(), &path, pem.as_bytes(), &path, &certificates.provider)
            .map_err(|_| failed("the certificate authority sent a certificate that cannot be used".into()))?;
        // One that is due already would be asked for again and again.
        if schedule::due_in(facts::of(&key).as_ref(), names, facts::unix(SystemTime::now())) == 0 {
            return Err(failed(
                "the certificate authority sent one that is not for these names or not valid for long from now; \
                 is this machine's clock right?"
                    .into(),
            ));
        }
        // In use even if it cannot be kept: then it is asked for again after a restart.
        if let Err(error) = self.store.keep_certificate(pem) {
            tracing::error!(%error, "the certificate could not be kept in the data folder");
        }
        certificates.install(key, Origin::Acme);
        Ok(())
    }
}

fn too_slow() -> Failure {
    Failure { kind: Kind::Unreachable, words: "the certificate authority took too long".into() }
}
