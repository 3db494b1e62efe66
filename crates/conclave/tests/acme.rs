//! A certificate by ACME, from Pebble: the authority that the makers of Let's Encrypt test with.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

const PATIENCE: Duration = Duration::from_secs(60);
const NAME: &str = "meet.example.org";
const SECOND_NAME: &str = "treffen.example.org";

/// A program that is ended with the test, and what it says, line by line.
struct Program {
    child: Child,
    lines: mpsc::UnboundedReceiver<String>,
    said: Vec<String>,
}

impl Program {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap_or_else(|error| {
            panic!("{:?} cannot be started ({error}); scripts/setup.sh test installs it", command.get_program())
        });
        let (sender, lines) = mpsc::unbounded_channel();
        let outputs: [Box<dyn Read + Send>; 2] =
            [Box::new(child.stdout.take().expect("piped")), Box::new(child.stderr.take().expect("piped"))];
        for output in outputs {
            let sender = sender.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    let _ = sender.send(line);
                }
            });
        }
        Self { child, lines, said: Vec::new() }
    }

    /// The first line from now on with these words.
    async fn line_with(&mut self, words: &str) -> String {
        loop {
            let line = timeout(PATIENCE, self.lines.recv()).await;
            let Ok(Some(line)) = line else { panic!("{words:?} was not said:\n{}", self.said.join("\n")) };
            self.said.push(line.clone());
            if line.contains(words) {
                return line;
            }
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Answers every question for an address with this machine's: enough of a name server for Pebble.
async fn name_server() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("bound");
    let address = socket.local_addr().expect("bound");
    tokio::spawn(async move {
        let mut packet = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut packet).await {
            if let Some(answer) = answer(&packet[..length]) {
                let _ = socket.send_to(&answer, from).await;
            }
        }
    });
    address
}

/// RFC 1035, section 4: one question, at most one answer.
fn answer(query: &[u8]) -> Option<Vec<u8>> {
    let name_length = query.get(12..)?.iter().position(|byte| *byte == 0)? + 1;
    let question = query.get(12..12 + name_length + 4)?;
    let is_a = question[name_length..name_length + 2] == [0, 1];
    let mut answer = query[..2].to_vec();
    answer.extend([0x81, 0x80, 0, 1, 0, u8::from(is_a), 0, 0, 0, 0]);
    answer.extend(question);
    if is_a {
        // The name of the question, class IN, for a minute.
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1]);
    }
    Some(answer)
}

/// What an authority takes for port 443: passes connections on to where the program turns out to be.
struct Port443 {
    address: SocketAddr,
    target: Arc<watch::Sender<Option<SocketAddr>>>,
}

impl Port443 {
    async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let address = listener.local_addr().expect("bound");
        let target = Arc::new(watch::Sender::new(None));
        let known = target.clone();
        tokio::spawn(async move {
            while let Ok((mut outside, _)) = listener.accept().await {
                let known = known.clone();
                tokio::spawn(async move {
                    let target = *known.subscribe().wait_for(Option::is_some).await.expect("the test goes on");
                    let target: SocketAddr = target.expect("waited for");
                    let mut inside = TcpStream::connect(target).await.expect("the program listens");
                    let _ = copy_bidirectional(&mut outside, &mut inside).await;
                });
            }
        });
        Self { address, target }
    }
}

struct Pebble {
    _program: Program,
    folder: TempDir,
    directory: String,
    management: SocketAddr,
}

impl Pebble {
    /// Looks for names at this port.
    async fn start(port: u16) -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let path = |name: &str| folder.path().join(name);
        let ca_key = KeyPair::generate().expect("key");
        let mut ca = CertificateParams::new([]).expect("valid");
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = ca.self_signed(&ca_key).expect("signed");
        let key = KeyPair::generate().expect("key");
        let own = CertificateParams::new(["127.0.0.1".to_owned()]).expect("valid");
        let own = own.signed_by(&key, &Issuer::new(ca, ca_key)).expect("signed");
        for (name, text) in [("root.pem", root.pem()), ("own.pem", own.pem()), ("own.key", key.serialize_pem())] {
            std::fs::write(path(name), text).expect("written");
        }
        let [listen, management] = free_ports();
        let config = serde_json::json!({ "pebble": {
            "listenAddress": listen.to_string(), "managementListenAddress": management.to_string(),
            "certificate": path("own.pem"), "privateKey": path("own.key"),
            "httpPort": 1, "tlsPort": port, "ocspResponderURL": "", "externalAccountBindingRequired": false,
        }});
        std::fs::write(path("config.json"), config.to_string()).expect("written");
        let mut command = Command::new("pebble");
        command.arg("-config").arg(path("config.json"));
        command.arg("-dnsserver").arg(name_server().await.to_string());
        command.env("PEBBLE_VA_NOSLEEP", "1");
        let mut program = Program::start(command);
        program.line_with("ACME directory available at").await;
        Self { _program: program, folder, directory: format!("https://{listen}/dir"), management }
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("root.pem")
    }

    /// The root of what it issues, new at each start.
    async fn issuing_root(&self) -> RootCertStore {
        let own = CertificateDer::from_pem_file(self.root()).expect("written");
        let mut roots = RootCertStore::empty();
        roots.add(own).expect("a root");
        let mut stream = handshake(self.management, "127.0.0.1", roots, &[]).await.expect("trusted");
        stream.write_all(b"GET /roots/0 HTTP/1.0\r\n\r\n").await.expect("sent");
        let mut answer = String::new();
        // Go closes the connection without saying so in TLS.
        let _ = timeout(PATIENCE, stream.read_to_string(&mut answer)).await.expect("in time");
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(answer.as_bytes()).expect("PEM")).expect("a root");
        roots
    }
}

/// Free a moment ago. Pebble cannot be told to choose.
fn free_ports() -> [SocketAddr; 2] {
    let listeners = [(); 2].map(|()| std::net::TcpListener::bind("127.0.0.1:0").expect("bound"));
    listeners.map(|listener| listener.local_addr().expect("bound"))
}

async fn handshake(
    address: SocketAddr,
    name: &str,
    roots: RootCertStore,
    protocols: &[&[u8]],
) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    timeout(PATIENCE, TlsConnector::from(Arc::new(config)).connect(name, stream)).await.expect("in time")
}

/// Conclave, with its address.
async fn conclave(data: &Path, pebble: &Pebble) -> (Program, SocketAddr) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_conclave"));
    command.args(["serve", "--listen", "127.0.0.1:0", "--acme-domain", NAME, "--acme-contact", "admin@example.org"]);
    command.args(["--acme-domain", SECOND_NAME]);
    command.args(["--acme-directory", &pebble.directory]).arg("--acme-root").arg(pebble.root());
    command.arg("--data").arg(data);
    let mut program = Program::start(command);
    let line = program.line_with("http://localhost:").await;
    let port = line.split("http://localhost:").nth(1).and_then(|port| port.trim().parse().ok());
    (program, SocketAddr::from(([127, 0, 0, 1], port.expect("the address is announced"))))
}

fn modes(folder: &Path) -> HashMap<PathBuf, u32> {
    let mut found = HashMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("there") {
            let path = entry.expect("readable").path();
            let mode = path.metadata().expect("there").permissions().mode() & 0o777;
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path, mode);
            }
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_issued_over_the_one_port_and_kept_over_a_restart() {
    let port443 = Port443::open().await;
    let pebble = Pebble::start(port443.address.port()).await;
    let data = tempfile::tempdir().expect("folder");
    let (mut program, address) = conclave(data.path(), &pebble).await;
    port443.target.send_replace(Some(address));
    program.line_with("a new certificate is in use").await;
    assert!(!program.said.join("\n").contains("admin@example.org"), "the contact is nobody's business");

    let roots = pebble.issuing_root().await;
    let mut first = Vec::new();
    for protocols in [&[b"h2".as_slice(), b"http/1.1"][..], &[b"stun.turn"], &[]] {
        let stream = handshake(address, NAME, roots.clone(), protocols).await.expect("valid for the name");
        let connection = stream.get_ref().1;
        assert_eq!(connection.alpn_protocol(), protocols.first().copied());
        first = connection.peer_certificates().expect("there")[0].to_vec();
    }
    handshake(address, SECOND_NAME, roots.clone(), &[]).await.expect("valid for the other name too");
    let refused = handshake(address, NAME, roots.clone(), &[b"acme-tls/1"]).await;
    assert!(refused.is_err(), "without an order there is nothing to prove");

    let modes = modes(&data.path().join("acme"));
    assert!(modes.len() == 2 && modes.values().all(|mode| *mode == 0o600), "{modes:?}");

    drop(program);
    let (mut program, address) = conclave(data.path(), &pebble).await;
    let again = handshake(address, NAME, roots, &[b"h2"]).await.expect("valid at once");
    assert_eq!(again.get_ref().1.peer_certificates().expect("there")[0].to_vec(), first);
    while let Ok(line) = program.lines.try_recv() {
        assert!(!line.contains("asking the certificate authority"), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_near_its_end_serves_until_the_new_one_is_there() {
    let port443 = Port443::open().await;
    let pebble = Pebble::start(port443.address.port()).await;
    let data = tempfile::tempdir().expect("folder");
    let key = KeyPair::generate().expect("key");
    let mut old = CertificateParams::new([NAME, SECOND_NAME].map(str::to_owned)).expect("valid");
    let now = time::OffsetDateTime::now_utc();
    (old.not_before, old.not_after) = (now - time::Duration::days(80), now + time::Duration::days(10));
    let old = old.self_signed(&key).expect("signed");
    let folder =
        data.path().join("acme").join(pebble.directory.trim_start_matches("https://").replace([':', '/'], "-"));
    std::fs::create_dir_all(&folder).expect("made");
    std::fs::write(folder.join("certificate.pem"), key.serialize_pem() + &old.pem()).expect("written");

    let (mut program, address) = conclave(data.path(), &pebble).await;
    let mut roots = RootCertStore::empty();
    roots.add(old.der().clone()).expect("a root");
    // Not asked for before the authority's way here is open.
    handshake(address, NAME, roots, &[]).await.expect("the old one serves");
    port443.target.send_replace(Some(address));
    program.line_with("a new certificate is in use").await;
    handshake(address, NAME, pebble.issuing_root().await, &[]).await.expect("the new one serves");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_authority_finds_nobody_it_is_said_why_and_the_self_signed_certificate_serves() {
    // Nothing listens at port 1.
    let pebble = Pebble::start(1).await;
    let data = tempfile::tempdir().expect("folder");
    let (mut program, address) = conclave(data.path(), &pebble).await;
    let line = program.line_with(&format!("no certificate for {NAME}, {SECOND_NAME}")).await;
    // Which of the names the authority looks at first is its own affair.
    let named = [NAME, SECOND_NAME].map(|name| line.contains(&format!("no answer at TCP port 443 of {name}")));
    assert!(named.contains(&true), "{line}");
    assert!(
        line.contains(&format!("forward it to port {}", address.port())) && line.contains("next attempt in"),
        "{line}"
    );

    let own = CertificateDer::from_pem_file(data.path().join("tls-cert.pem")).expect("made");
    let mut roots = RootCertStore::empty();
    roots.add(own).expect("a root");
    handshake(address, "localhost", roots, &[]).await.expect("served");
}
