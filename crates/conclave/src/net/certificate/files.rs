//! A certificate in PEM files.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::CertificateError;
use crate::config::TlsFiles;

/// What tells two states of a pair of files apart without reading them. Follows links, because
/// certbot exchanges links.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Fingerprint([Option<FileState>; 2]);

#[derive(Clone, Debug, PartialEq, Eq)]
struct FileState {
    modified: Option<SystemTime>,
    size: u64,
    inode: u64,
}

/// The state of both files now; a missing one counts as a state too.
pub(super) fn fingerprint(files: &TlsFiles) -> Fingerprint {
    Fingerprint([&files.certificate, &files.key].map(|path| {
        let metadata = fs::metadata(path).ok()?;
        Some(FileState { modified: metadata.modified().ok(), size: metadata.len(), inode: metadata.ino() })
    }))
}

/// Reads a pair, and makes sure that its halves belong together.
pub(super) fn load(files: &TlsFiles, provider: &CryptoProvider) -> Result<CertifiedKey, CertificateError> {
    let read = |path: &PathBuf| fs::read(path).map_err(|error| CertificateError::File { path: path.clone(), error });
    parse(&read(&files.certificate)?, &files.certificate, &read(&files.key)?, &files.key, provider)
}

/// From the text of the certificate's and the key's file, which may be the same.
pub(super) fn parse(
    chain: &[u8],
    chain_path: &Path,
    key: &[u8],
    key_path: &Path,
    provider: &CryptoProvider,
) -> Result<CertifiedKey, CertificateError> {
    let not_pem = |path: &Path, what| CertificateError::NotPem { path: path.to_owned(), what };
    let chain = CertificateDer::pem_slice_iter(chain)
        .collect::<Result<Vec<_>, _>>()
        .ok()
        .filter(|chain| !chain.is_empty())
        .ok_or_else(|| not_pem(chain_path, "certificate"))?;
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| not_pem(key_path, "private key"))?;
    CertifiedKey::from_der(chain, key, provider)
        .map_err(|error| CertificateError::Unusable { path: key_path.to_owned(), error })
}
