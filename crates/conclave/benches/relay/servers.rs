//! The servers that are compared: each a process of its own, on loopback, started for one run.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use conclave_proto::{Reply, ServerMessage};
use conclave_turn::credentials::{Issued, TurnSecret};
use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tempfile::TempDir;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// For a server to start, and for an answer of it.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A running TURN server.
pub trait Relay: Sized {
    /// Starts it; `None` if it is not installed.
    fn start() -> Option<Self>;
    /// Whether it relays to its own relays only: the other end must then be one, too.
    const VIRTUAL: bool;
    fn udp(&self) -> SocketAddr;
    fn tls(&self) -> SocketAddr;
    /// A credential; every one may be used for [`ALLOCATIONS_PER_USER`] allocations.
    fn credential(&mut self) -> Issued;
    fn pid(&self) -> u32;
}

/// Allocations made with one credential.
pub const ALLOCATIONS_PER_USER: usize = 50;

/// This program.
pub struct Conclave {
    process: Process,
    address: SocketAddr,
    runtime: tokio::runtime::Runtime,
    /// Leaving would end the relays.
    participants: Vec<WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>>,
    _data: TempDir,
}

impl Relay for Conclave {
    const VIRTUAL: bool = true;

    fn start() -> Option<Self> {
        let data = tempfile::tempdir().expect("a folder");
        let address = free_port();
        let mut process = Process::start(
            Command::new(env!("CARGO_BIN_EXE_conclave"))
                .args(["serve", "--listen", &address.to_string(), "--public-address", "127.0.0.1", "--data"])
                .arg(data.path())
                .args(["--relay-bitrate", "1000", "--log", "error"]),
        )
        .expect("the program that cargo built starts");
        wait_for(&mut process, address);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        Some(Self { process, address, runtime, participants: Vec::new(), _data: data })
    }

    fn udp(&self) -> SocketAddr {
        self.address
    }

    fn tls(&self) -> SocketAddr {
        self.address
    }

    fn credential(&mut self) -> Issued {
        let number = self.participants.len();
        let (socket, issued) = self.runtime.block_on(join(self.address, number));
        self.participants.push(socket);
        issued
    }

    fn pid(&self) -> u32 {
        self.process.0.id()
    }
}

/// Enters a room of its own, as a page does, and takes the credential of the reply.
async fn join(address: SocketAddr, number: usize) -> (WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>, Issued) {
    let url = format!("ws://{address}/api/v1/signal");
    let (mut socket, _) = tokio_tungstenite::connect_async(url).await.expect("the server takes the WebSocket");
    let media = json!({ "microphone": false, "camera": false, "screen": false, "screenAudio": false });
    let body = json!({ "version": 1, "room": format!("bench-{number}"), "name": "Bench", "key": format!("key-{number}-0123456789"), "media": media });
    let join = json!({ "id": 1, "type": "join", "body": body });
    socket.send(Message::text(join.to_string())).await.expect("sent");
    let issued = async {
        loop {
            let message = socket.next().await.expect("open").expect("readable");
            let Message::Text(text) = message else { continue };
            let Ok(ServerMessage::Reply { reply, .. }) = serde_json::from_str(&text) else { panic!("refused: {text}") };
            let Reply::Joined(joined) = *reply else { continue };
            let turn = joined.ice.servers.into_iter().find(|server| server.username.is_some());
            let turn = turn.expect("the join reply has a TURN credential");
            let password = turn.credential.expect("with its password").as_str().to_owned();
            return Issued { username: turn.username.expect("found by it"), password };
        }
    };
    let issued = tokio::time::timeout(PATIENCE, issued).await.expect("an answer in time");
    (socket, issued)
}

/// coturn, as Debian packages it, without what it could do besides.
pub struct Coturn {
    process: Process,
    udp: SocketAddr,
    tls: SocketAddr,
    secret: TurnSecret,
    users: u64,
    _data: TempDir,
}

const COTURN_SECRET: &str = "of-this-benchmark";

impl Relay for Coturn {
    const VIRTUAL: bool = false;

    fn start() -> Option<Self> {
        let data = tempfile::tempdir().expect("a folder");
        let (udp, tls) = (free_port(), free_port());
        let (certificate, key) = certificate(data.path());
        let port = |address: SocketAddr| address.port().to_string();
        let mut process = Process::start(
            Command::new("turnserver")
                .args(["-n", "--no-cli", "--no-dtls", "--no-stdout-log", "--simple-log", "--log-file", "/dev/null"])
                .args(["--listening-ip", "127.0.0.1", "--relay-ip", "127.0.0.1", "--allow-loopback-peers"])
                .args(["--listening-port", &port(udp), "--tls-listening-port", &port(tls)])
                .args(["--realm", "bench", "--use-auth-secret", "--static-auth-secret", COTURN_SECRET])
                .arg("--cert")
                .arg(certificate)
                .arg("--pkey")
                .arg(key)
                .arg("--pidfile")
                .arg(data.path().join("pid"))
                .current_dir(data.path()),
        )
        .ok()?;
        wait_for(&mut process, tls);
        let secret = TurnSecret::from_bytes(COTURN_SECRET.as_bytes());
        Some(Self { process, udp, tls, secret, users: 0, _data: data })
    }

    fn udp(&self) -> SocketAddr {
        self.udp
    }

    fn tls(&self) -> SocketAddr {
        self.tls
    }

    fn credential(&mut self) -> Issued {
        self.users += 1;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_secs();
        self.secret.issue(&format!("user{}", self.users), now + 600)
    }

    fn pid(&self) -> u32 {
        self.process.0.id()
    }
}

/// Ended when dropped.
struct Process(Child);

impl Process {
    fn start(command: &mut Command) -> std::io::Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().map(Self)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn certificate(folder: &Path) -> (std::path::PathBuf, std::path::PathBuf) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let (certificate, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).expect("written");
    std::fs::write(&key, made.signing_key.serialize_pem()).expect("written");
    (certificate, key)
}

/// A port that is free for TCP and UDP.
fn free_port() -> SocketAddr {
    loop {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has ports");
        let address = tcp.local_addr().expect("bound");
        if UdpSocket::bind(address).is_ok() {
            return address;
        }
    }
}

fn wait_for(process: &mut Process, address: SocketAddr) {
    let deadline = Instant::now() + PATIENCE;
    while TcpStream::connect_timeout(&address, Duration::from_millis(100)).is_err() {
        let ended = process.0.try_wait().expect("a child of this process");
        assert!(ended.is_none(), "the server has ended: {ended:?}");
        assert!(Instant::now() < deadline, "the server does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
}
