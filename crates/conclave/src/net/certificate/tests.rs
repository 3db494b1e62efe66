use std::fs;

use super::*;

fn open(data: &Path, now: SystemTime) -> Arc<Certificates> {
    Certificates::open(None, None, data, &[IpAddr::from([192, 0, 2, 7])], now).expect("made")
}

fn der(certificates: &Certificates) -> Vec<u8> {
    certificates.current().key.cert[0].to_vec()
}

#[test]
fn the_self_signed_certificate_names_localhost_and_the_addresses() {
    let data = tempfile::tempdir().expect("folder");
    let certificates = open(data.path(), SystemTime::now());
    let facts = certificates.facts().expect("readable");
    assert!(facts.is_for("localhost") && facts.is_for("192.0.2.7") && facts.is_for("::1"), "{facts:?}");
    assert!(facts.is_self_signed && certificates.origin() == Origin::SelfSigned);
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

/// The owner's files, and pairs to put there.
struct Owner {
    files: TlsFiles,
    data: tempfile::TempDir,
}

impl Owner {
    fn new() -> Self {
        let data = tempfile::tempdir().expect("folder");
        let files = TlsFiles { certificate: data.path().join("c.pem"), key: data.path().join("k.pem") };
        Self { files, data }
    }

    /// A new pair: certificate and key.
    fn pair() -> [Vec<u8>; 2] {
        let made = tempfile::tempdir().expect("folder");
        open(made.path(), SystemTime::now());
        ["tls-cert.pem", "tls-key.pem"].map(|name| fs::read(made.path().join(name)).expect("made"))
    }

    fn place(&self, [certificate, key]: &[Vec<u8>; 2]) {
        fs::write(&self.files.certificate, certificate).expect("written");
        fs::write(&self.files.key, key).expect("written");
    }

    fn open(&self) -> Result<Arc<Certificates>, CertificateError> {
        Certificates::open(Some(&self.files), None, self.data.path(), &[], SystemTime::now())
    }
}

#[test]
fn the_owners_certificate_is_taken_up_when_it_changes_and_kept_when_the_new_one_is_broken() {
    let owner = Owner::new();
    owner.place(&Owner::pair());
    let certificates = owner.open().expect("read");
    let first = der(&certificates);
    assert_eq!(certificates.origin(), Origin::Files);

    fs::write(&owner.files.certificate, "broken").expect("written");
    certificates.refresh(SystemTime::now());
    assert_eq!(der(&certificates), first);

    owner.place(&Owner::pair());
    certificates.refresh(SystemTime::now());
    assert_ne!(der(&certificates), first);
}

#[test]
fn a_pair_of_which_one_half_is_written_is_taken_up_when_the_other_is() {
    let owner = Owner::new();
    let (old, new) = (Owner::pair(), Owner::pair());
    owner.place(&old);
    let certificates = owner.open().expect("read");
    let first = der(&certificates);

    // Whichever half comes first.
    fs::write(&owner.files.certificate, &new[0]).expect("written");
    certificates.refresh(SystemTime::now());
    assert_eq!(der(&certificates), first);
    fs::write(&owner.files.key, &new[1]).expect("written");
    certificates.refresh(SystemTime::now());
    let second = der(&certificates);
    assert_ne!(second, first);

    fs::write(&owner.files.key, &old[1]).expect("written");
    certificates.refresh(SystemTime::now());
    assert_eq!(der(&certificates), second);
    fs::write(&owner.files.certificate, &old[0]).expect("written");
    certificates.refresh(SystemTime::now());
    assert_eq!(der(&certificates), first);
}

#[test]
fn a_pair_behind_a_link_that_is_exchanged_is_noticed_even_with_the_same_date() {
    let owner = Owner::new();
    let dated = SystemTime::now() - Duration::from_secs(1_000);
    let real = ["old", "new"].map(|name| {
        let files = TlsFiles {
            certificate: owner.data.path().join(format!("{name}.c")),
            key: owner.data.path().join(format!("{name}.k")),
        };
        let at = Owner { files, data: tempfile::tempdir().expect("folder") };
        at.place(&Owner::pair());
        for path in [&at.files.certificate, &at.files.key] {
            let file = fs::OpenOptions::new().write(true).open(path).expect("opens");
            file.set_modified(dated).expect("set");
        }
        at.files
    });
    let link = |to: &TlsFiles| {
        for (target, link) in [(&to.certificate, &owner.files.certificate), (&to.key, &owner.files.key)] {
            let _ = fs::remove_file(link);
            std::os::unix::fs::symlink(target, link).expect("linked");
        }
    };
    link(&real[0]);
    let certificates = owner.open().expect("read");
    let first = der(&certificates);
    link(&real[1]);
    certificates.refresh(SystemTime::now());
    assert_ne!(der(&certificates), first);
}

#[test]
fn a_missing_or_wrong_file_is_named() {
    let owner = Owner::new();
    let said = || owner.open().expect_err("refused").to_string();
    assert!(said().contains("c.pem"));
    fs::write(&owner.files.certificate, "no PEM").expect("written");
    assert!(said().contains("k.pem"), "the key is missing: {}", said());
    fs::write(&owner.files.key, "no PEM").expect("written");
    assert!(said().contains("c.pem holds no valid PEM certificate"));
}

#[test]
fn until_an_authority_has_issued_one_the_self_signed_one_serves() {
    let data = tempfile::tempdir().expect("folder");
    let acme = Acme {
        domains: vec!["meet.example.org".parse().expect("valid")],
        contacts: Vec::new(),
        directory: "https://ca.example/directory".parse().expect("valid"),
        root: None,
    };
    let certificates = Certificates::open(None, Some(&acme), data.path(), &[], SystemTime::now()).expect("made");
    assert_eq!(certificates.origin(), Origin::SelfSigned);
    let protocols = certificates.server_config().expect("valid").alpn_protocols.clone();
    assert!(protocols.iter().any(|protocol| protocol == ALPN_ACME));
    let without = open(data.path(), SystemTime::now()).server_config().expect("valid").alpn_protocols.clone();
    assert!(!without.iter().any(|protocol| protocol == ALPN_ACME), "without ACME nobody is to ask for it");
}
