//! What is kept of an authority: the account and the certificate, in a folder for each authority.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use instant_acme::AccountCredentials;
use rustls::crypto::CryptoProvider;
use rustls::sign::CertifiedKey;
use serde::{Deserialize, Serialize};

use super::super::files;
use crate::auth::admin::write_private;
use crate::config::{AcmeContact, AcmeDirectory};

/// The account with an authority.
#[derive(Deserialize, Serialize)]
pub(super) struct StoredAccount {
    /// What the authority has been told.
    contacts: Vec<String>,
    /// The account's URL and key.
    pub(super) credentials: AccountCredentials,
}

impl StoredAccount {
    pub(super) fn new(contacts: &[AcmeContact], credentials: AccountCredentials) -> Self {
        Self { contacts: texts(contacts), credentials }
    }

    pub(super) fn has(&self, contacts: &[AcmeContact]) -> bool {
        self.contacts == texts(contacts)
    }
}

fn texts(contacts: &[AcmeContact]) -> Vec<String> {
    contacts.iter().map(|contact| contact.as_str().to_owned()).collect()
}

#[derive(Debug)]
pub(super) struct Store {
    folder: PathBuf,
}

impl Store {
    /// A folder of its own for each authority: a certificate of a test authority must not be taken for
    /// one of the true authority.
    pub(super) fn new(data: &Path, directory: &AcmeDirectory) -> Self {
        let url = directory.as_str().trim_start_matches("https://");
        let name: String = url.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' }).collect();
        Self { folder: data.join("acme").join(name) }
    }

    /// The account, if one was kept that can be read.
    pub(super) fn account(&self) -> Option<StoredAccount> {
        serde_json::from_slice(&fs::read(self.account_path()).ok()?).ok()
    }

    pub(super) fn keep_account(&self, account: &StoredAccount) -> io::Result<()> {
        self.make_folder()?;
        write_private(&self.account_path(), &serde_json::to_vec(account)?)
    }

    pub(super) fn forget_account(&self) {
        // If it stays, it is refused again and forgotten again.
        let _ = fs::remove_file(self.account_path());
    }

    /// The certificate, if one was kept that can be used.
    pub(super) fn certificate(&self, provider: &CryptoProvider) -> Option<CertifiedKey> {
        let path = self.certificate_path();
        let pem = fs::read(&path).ok()?;
        files::parse(&pem, &path, &pem, &path, provider)
            .inspect_err(|error| tracing::warn!(%error, "the kept certificate cannot be used; a new one is asked for"))
            .ok()
    }

    /// Key and chain are one file, so that a crash leaves no half of a pair.
    pub(super) fn keep_certificate(&self, pem: &str) -> io::Result<()> {
        self.make_folder()?;
        write_private(&self.certificate_path(), pem.as_bytes())
    }

    pub(super) fn certificate_path(&self) -> PathBuf {
        self.folder.join("certificate.pem")
    }

    fn account_path(&self) -> PathBuf {
        self.folder.join("account.json")
    }

    fn make_folder(&self) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)
    }
}
