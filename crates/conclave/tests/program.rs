//! The program as its owner meets it: options, addresses, TLS, signals, logs.

mod common;

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use common::tls::{tls, tls_over};
use common::turn::{Turn, credentials};
use common::{Client, Closed, PATIENCE, TestServer};
use conclave_proto::Event;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::client_async;

fn conclave(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_conclave"));
    for (variable, _) in std::env::vars().filter(|(name, _)| name.starts_with("CONCLAVE_")) {
        command.env_remove(variable);
    }
    command.args(args);
    command
}

/// The program in a process of its own, ended with the test.
struct Program {
    child: Child,
    address: SocketAddr,
    said: String,
    _data: TempDir,
}

impl Program {
    fn start(more: &[&str]) -> Self {
        let data = tempfile::tempdir().expect("folder");
        let folder = data.path().to_str().expect("UTF-8").to_owned();
        let args = ["serve", "--listen", "127.0.0.1:0", "--public-address", "127.0.0.1", "--data", &folder];
        let mut command = conclave(&[&args[..], more].concat());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
        let mut said = String::new();
        let mut lines = BufReader::new(child.stdout.take().expect("piped"));
        while !said.contains("Stop it with") {
            assert_ne!(lines.read_line(&mut said).expect("text"), 0, "ended too soon: {said}");
        }
        let port = said.split("http://localhost:").nth(1).and_then(|rest| rest.split_whitespace().next());
        let port: u16 = port.and_then(|port| port.parse().ok()).expect("the address is announced");
        Self { child, address: SocketAddr::from(([127, 0, 0, 1], port)), said, _data: data }
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("signalled");
    }

    /// The exit code and what was logged.
    fn wait(&mut self) -> (Option<i32>, String) {
        let mut log = String::new();
        self.child.stderr.take().expect("piped").read_to_string(&mut log).expect("text");
        (self.child.wait().expect("ended").code(), log)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn refused(args: &[&str], variables: &[(&str, &str)]) -> String {
    let Output { status, stdout, stderr } = conclave(args).envs(variables.iter().copied()).output().expect("runs");
    assert!(!status.success());
    assert_eq!(String::from_utf8_lossy(&stdout), "", "nothing is announced");
    String::from_utf8_lossy(&stderr).into_owned()
}

#[test]
fn wrong_options_are_named_and_nothing_starts() {
    let data = tempfile::tempdir().expect("folder");
    let file = data.path().join("conclave.toml");
    std::fs::write(&file, "listen = \"127.0.0.1:0\"\n\nlisten-adress = 1\n").expect("written");
    let file = file.to_str().expect("UTF-8");
    let said = refused(&["serve", "--config", file], &[]);
    assert!(said.contains("conclave.toml, line 3") && said.contains("listen-adress"), "{said}");
    let said = refused(&["serve", "--lisen", "127.0.0.1:0"], &[]);
    assert!(said.contains("--lisen"), "{said}");
    let said = refused(&["serve", "--listen", "8443"], &[]);
    assert!(said.contains("--listen") && said.contains("8443"), "{said}");
    let said = refused(&["serve"], &[("CONCLAVE_MESH_LIMIT", "99")]);
    assert!(said.contains("CONCLAVE_MESH_LIMIT") && said.contains("between 2 and 16"), "{said}");
    assert_eq!(std::fs::read_dir(data.path()).expect("folder").count(), 1, "no data folder was made");
}

#[test]
fn a_taken_port_is_named_and_nothing_starts() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = taken.local_addr().expect("bound").to_string();
    let data = tempfile::tempdir().expect("folder");
    let folder = data.path().to_str().expect("UTF-8");
    let said = refused(&["serve", "--listen", &address, "--data", folder], &[]);
    assert!(said.contains(&address) && said.contains("another program uses this port"), "{said}");
}

#[test]
fn help_shows_every_option_with_its_variable() {
    let help = conclave(&["serve", "--help"]).output().expect("runs");
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    for option in ["--config", "--listen", "--data", "--public-address", "CONCLAVE_LISTEN", "CONCLAVE_TLS_KEY"] {
        assert!(help.contains(option), "{option}: {help}");
    }
}

#[test]
fn it_says_where_it_is() {
    let program = Program::start(&[]);
    assert!(
        program.said.contains(&format!("Media (UDP, TCP):    127.0.0.1:{}", program.address.port())),
        "{}",
        program.said
    );
    assert!(program.said.contains("Data folder:         /"), "{}", program.said);
}

#[tokio::test]
async fn a_signal_tells_the_clients_and_ends_the_program_cleanly() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut program = Program::start(&[]);
        let mut ada = Client::connect(program.address, &[]).await.expect("connects");
        ada.join("team", "Ada", json!({})).await.expect("let in");
        let started = Instant::now();
        program.signal(signal);
        ada.event_that(|event| matches!(event, Event::ServerClosing { .. }).then_some(())).await;
        assert_eq!(ada.close_code().await, Closed::With(1012));
        let (code, _) = tokio::task::spawn_blocking(move || program.wait()).await.expect("no panic");
        assert_eq!(code, Some(0));
        assert!(started.elapsed() < Duration::from_secs(6), "{:?}", started.elapsed());
    }
}

#[tokio::test]
async fn tls_and_plain_http_share_the_port() {
    let server = TestServer::start().await;
    assert_eq!(server.http("GET", "/healthz", &[], Value::Null).await.status, 200, "plain, from this machine");

    let mut stream = tls(server.address, &["http/1.1"]).await;
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await.expect("sent");
    let mut answer = String::new();
    let _ = timeout(PATIENCE, stream.read_to_string(&mut answer)).await.expect("in time");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    let stream = tls(server.address, &["h2"]).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));

    let url = format!("wss://{}/api/v1/signal", server.address);
    let (mut socket, _) = client_async(url, tls(server.address, &["http/1.1"]).await).await.expect("upgrades");
    socket.close(None).await.expect("closes");
}

#[tokio::test]
async fn plain_http_from_other_machines_is_sent_to_https() {
    // A connection to an address of a real interface comes from that address, not from loopback.
    let Some(ip) = conclave::net::local_addresses().into_iter().find(|ip| ip.is_ipv4()) else { return };
    let server = TestServer::with(|config| config.listen = SocketAddr::from(([0, 0, 0, 0], 0))).await;
    let address = SocketAddr::new(ip, server.address.port());
    let mut stream = TcpStream::connect(address).await.expect("connects");
    let request = format!("GET /m/team?x=1 HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut answer)).await.expect("in time").expect("text");
    assert!(answer.starts_with("HTTP/1.1 308"), "{answer}");
    assert!(answer.contains(&format!("location: https://{address}/m/team?x=1\r\n")), "{answer}");

    let mut stream = tls(address, &["http/1.1"]).await;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await.expect("sent");
    let mut answer = String::new();
    let _ = timeout(PATIENCE, stream.read_to_string(&mut answer)).await.expect("in time");
    assert!(answer.starts_with("HTTP/1.1 401"), "figures are not for everybody: {answer}");
}

/// Everything personal in the meeting below.
const PERSONAL: [&str; 9] = [
    "Lovelace",
    "Hopper",
    "Secretive",
    "hidden-room",
    "key-of-lovelace",
    "127.0.0.77",
    "198.51.100.23",
    "confidential",
    "host-secret",
];

#[tokio::test]
async fn at_no_level_is_anything_personal_logged() {
    let mut program = Program::start(&["--log", "trace", "--log-format", "json"]);
    let admin = std::fs::read_to_string(program._data.path().join("admin-token")).expect("made").trim().to_owned();
    let from = |port: u16| {
        let socket = TcpSocket::new_v4().expect("socket");
        socket.bind(SocketAddr::from(([127, 0, 0, 77], port))).expect("a loopback address");
        socket
    };
    let http = async |method: &str, path: &str, body: &str| {
        let mut stream = from(0).connect(program.address).await.expect("connects");
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {admin}\r\nx-forwarded-for: 198.51.100.23\r\n\
             content-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            program.address,
            body.len(),
        );
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut answer = String::new();
        timeout(PATIENCE, stream.read_to_string(&mut answer)).await.expect("in time").expect("text");
        answer
    };
    let minted = http("POST", "/api/v1/tokens", r#"{"room":"hidden-room","name":"Secretive","role":"host"}"#).await;
    let token = minted.split("\"token\":\"").nth(1).and_then(|rest| rest.split('"').next()).expect("token").to_owned();
    http("GET", "/api/v1/rooms/hidden-room/preview", "").await;
    http("GET", "/m/hidden-room?name=Lovelace", "").await;
    http("POST", "/api/v1/rooms", r#"{"name":"hidden room of Lovelace"}"#).await;

    let mut secrets: Vec<String> = PERSONAL.iter().map(|text| (*text).to_owned()).collect();
    let connect = async || {
        let stream = from(0).connect(program.address).await.expect("connects");
        Client::over(stream, program.address).await
    };
    let mut ada = connect().await;
    let joined = ada.join("hidden-room", "Lovelace", json!({ "hostToken": "host-secret" })).await.expect("let in");
    let mut bob = connect().await;
    let second = bob.join("hidden-room", "Hopper", json!({ "accessToken": token })).await.expect("let in");
    for reply in [&joined, &second] {
        let (username, password) = credentials(&reply.ice);
        secrets.extend([username.to_owned(), password.to_owned()]);
        let stream = from(0).connect(program.address).await.expect("connects");
        let mut relay = Turn::over(tls_over(stream, &[]).await.expect("TLS"), (username, password));
        relay.allocate().await.expect("allocated");
        let mut refused = Turn::over(from(0).connect(program.address).await.expect("connects"), (username, "wrong"));
        refused.allocate().await.expect_err("refused");
        secrets.push(reply.resume_token.as_str().to_owned());
        secrets.extend(reply.host_token.iter().map(|token| token.as_str().to_owned()));
    }
    secrets.extend([admin.clone(), token]);
    let sdp =
        "v=0\r\no=- 1 1 IN IP4 198.51.100.23\r\ns=-\r\nt=0 0\r\na=candidate:1 1 udp 1 198.51.100.23 5000 typ host\r\n";
    let generation = joined.room.topology.generation;
    let offer = json!({
        "leg": 1, "sdp": sdp, "audioSlots": [], "videoSlots": [], "decodes": ["vp8"],
        "sources": { "microphone": "0", "camera": "1", "screen": "2", "screenAudio": "3" },
    });
    for (kind, body) in [
        ("chat", json!({ "key": "k", "text": "confidential" })),
        ("set-name", json!({ "name": "Countess Lovelace" })),
        ("set-name", json!({ "name": 5, "said": "confidential" })),
        ("confidential", json!({})),
        (
            "signal",
            json!({ "to": second.participant, "generation": generation, "signal": { "kind": "offer", "sdp": sdp } }),
        ),
        ("offer-sfu", offer.clone()),
        ("set-options", json!({ "options": { "topology": "sfu", "capacity": 5, "locked": false, "codec": "auto" } })),
        ("offer-sfu", offer),
    ] {
        let _ = ada.request(kind, body).await;
    }
    ada.send_raw(tokio_tungstenite::tungstenite::Message::text("confidential nonsense")).await;
    ada.complaint().await;
    drop(bob);
    drop(ada);

    program.signal(Signal::TERM);
    let (code, log) = tokio::task::spawn_blocking(move || program.wait()).await.expect("no panic");
    assert_eq!(code, Some(0));
    let lines: Vec<Value> =
        log.lines().map(|line| serde_json::from_str(line).expect("one JSON object a line")).collect();
    let traced = |kind: &str| lines.iter().any(|line| line["level"] == "TRACE" && line["kind"] == kind);
    assert!(traced("join") && traced("chat") && traced("offer-sfu"), "trace is on: {log}");
    for secret in &secrets {
        assert!(!log.contains(secret.as_str()), "{secret:?} is in the log:\n{log}");
    }
}
