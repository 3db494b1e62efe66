//! Secrets in files of mode 0600 in the data folder.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq;

/// A secret file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SecretFileError {
    /// The system refused.
    #[error("cannot use {path}: {error}", path = .path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Others than the owner may read or change it.
    #[error("{path} may be read by others (mode {mode:03o}); run: chmod 600 {path}", path = .path.display())]
    Exposed {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It does not hold what it should.
    #[error("{path} is damaged; remove it and a new one is made at the next start", path = .path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
    },
}

/// Fewest characters of an administrator's token that the owner wrote by hand.
const ADMIN_TOKEN_CHARS: usize = 16;

/// The administrator's token, from `DATA/admin-token`.
pub(super) struct AdminToken(String);

impl AdminToken {
    pub(super) fn open(data: &Path) -> Result<Self, SecretFileError> {
        let path = data.join("admin-token");
        let token = read_or_make(&path)?;
        let usable = token.len() >= ADMIN_TOKEN_CHARS && token.bytes().all(|byte| byte.is_ascii_graphic());
        if usable { Ok(Self(token)) } else { Err(SecretFileError::Damaged { path }) }
    }

    pub(super) fn is(&self, token: &str) -> bool {
        // Constant time for tokens of the right length; the length is no secret.
        self.0.as_bytes().ct_eq(token.as_bytes()).into()
    }
}

/// The secret in a file; if there is none, 32 random bytes in base64url are put there.
pub(super) fn read_or_make(path: &Path) -> Result<String, SecretFileError> {
    let failed = |error| SecretFileError::Io { path: path.to_owned(), error };
    match fs::metadata(path) {
        Ok(metadata) if metadata.mode() & 0o077 != 0 => {
            Err(SecretFileError::Exposed { path: path.to_owned(), mode: metadata.mode() & 0o777 })
        }
        Ok(_) => Ok(fs::read_to_string(path).map_err(failed)?.trim().to_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let secret = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
            write_private(path, format!("{secret}\n").as_bytes()).map_err(failed)?;
            Ok(secret)
        }
        Err(error) => Err(failed(error)),
    }
}

/// Writes a file that only its owner may read. It appears whole or not at all: a crash in between
/// leaves no half a secret behind.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    let draft = path.with_extension("draft");
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&draft, path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_admin_token_is_made_once_and_only_its_owner_can_read_it() {
        let data = tempfile::tempdir().expect("folder");
        let first = AdminToken::open(data.path()).expect("made");
        let mode = fs::metadata(data.path().join("admin-token")).expect("there").mode();
        assert_eq!(mode & 0o777, 0o600);
        let second = AdminToken::open(data.path()).expect("read");
        assert!(second.is(&first.0));
        assert!(!second.is("") && !second.is(&first.0[1..]));
    }

    #[test]
    fn a_secret_that_others_can_read_stops_the_start() {
        let data = tempfile::tempdir().expect("folder");
        AdminToken::open(data.path()).expect("made");
        let path = data.path().join("admin-token");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("chmod");
        let error = AdminToken::open(data.path()).err().expect("refused").to_string();
        assert!(error.contains("chmod 600"), "{error}");
    }

    #[test]
    fn an_empty_admin_token_is_never_accepted() {
        let data = tempfile::tempdir().expect("folder");
        write_private(&data.path().join("admin-token"), b"\n").expect("written");
        assert!(AdminToken::open(data.path()).is_err());
    }
}
