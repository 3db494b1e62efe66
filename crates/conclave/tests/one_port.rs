//! What is spoken on the one TCP port, told apart by its first bytes; and proxies in front of it.

mod common;

use std::net::SocketAddr;
use std::time::Duration;

use common::tls::{tls, tls_over};
use common::{Client, PATIENCE, TestServer};
use conclave::config::Proxies;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream, UdpSocket};
use tokio::time::{Instant, timeout};

/// Where the tests' proxy is; the other clients are at 127.0.0.1.
const PROXY: [u8; 4] = [127, 0, 0, 77];

async fn connect_from(ip: [u8; 4], address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("socket");
    socket.bind(SocketAddr::from((ip, 0))).expect("a loopback address");
    socket.connect(address).await.expect("connects")
}

/// Sends these bytes and reads until the server closes: what it said, or `None` if it reset the
/// connection.
async fn say(mut stream: impl AsyncRead + AsyncWrite + Unpin, bytes: &[u8]) -> Option<Vec<u8>> {
    stream.write_all(bytes).await.expect("written");
    let mut answer = Vec::new();
    match timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("closed in time") {
        Ok(_) => Some(answer),
        // TLS tells an end from a cut; over TLS both are fine here.
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Some(answer),
        Err(_) => None,
    }
}

async fn get(stream: impl AsyncRead + AsyncWrite + Unpin, before: &str, path: &str, headers: &str) -> String {
    let request = format!("{before}GET {path} HTTP/1.1\r\nhost: inside\r\n{headers}connection: close\r\n\r\n");
    String::from_utf8(say(stream, request.as_bytes()).await.expect("not reset")).expect("text")
}

async fn dropped(server: &TestServer, reason: &str) -> u64 {
    let metrics = server.admin("GET", "/metrics", Value::Null).await.text();
    let name = format!("conclave_connections_dropped_total{{reason=\"{reason}\"}} ");
    metrics.lines().find_map(|line| line.strip_prefix(&name)?.parse().ok()).unwrap_or(0)
}

async fn behind_proxy(change: impl FnOnce(&mut Proxies)) -> TestServer {
    TestServer::with(|config| {
        config.proxies.trusted = vec!["127.0.0.77".parse().expect("an address")];
        change(&mut config.proxies);
    })
    .await
}

/// RTMP's C0 and C1 (version, time, zero, random).
fn rtmp() -> Vec<u8> {
    let mut hello = vec![3];
    hello.extend([0; 8]);
    hello.extend((0..1528_u32).map(|number| number as u8));
    hello
}

#[tokio::test]
async fn what_is_not_served_is_closed_cleanly_and_counted() {
    let server = TestServer::start().await;
    let before = dropped(&server, "rtmp").await;
    assert_eq!(say(TcpStream::connect(server.address).await.expect("connects"), &rtmp()).await, Some(vec![]));
    assert!(dropped(&server, "rtmp").await > before);

    let before = dropped(&server, "unknown").await;
    let noise: [&[u8]; 6] = [
        b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80",
        b"\0\0\0\0\0\0\0\0\0\0\0\0",
        b"\xff",
        b"PROXY TCP4 192.0.2.9 192.0.2.1 1 2\r\nGET / HTTP/1.1\r\n\r\n",
        b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0",
        b"\x16\x16\x16",
    ];
    for bytes in noise {
        let stream = TcpStream::connect(server.address).await.expect("connects");
        assert_eq!(say(stream, bytes).await, Some(vec![]), "{bytes:?}");
    }
    assert!(dropped(&server, "unknown").await >= before + noise.len() as u64);
}

#[tokio::test]
async fn whoever_tries_quic_is_told_at_once_that_it_is_not_served() {
    let server = TestServer::start().await;
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("bound");
    // A long header of version 1 with two connection ids (RFC 9000, section 17.2).
    let mut initial = b"\xc3\0\0\0\x01\x04dest\x03src".to_vec();
    initial.resize(1_200, 0);
    socket.send_to(&initial, server.address).await.expect("sent");
    let mut answer = [0; 1_500];
    let (length, _) = timeout(PATIENCE, socket.recv_from(&mut answer)).await.expect("in time").expect("received");
    // Version Negotiation with the ids swapped (section 17.2.1).
    assert_eq!(&answer[1..14], b"\0\0\0\0\x03src\x04dest");
    assert!(length < initial.len());
}

#[tokio::test]
async fn every_first_byte_is_answered_or_closed_and_nobody_else_notices() {
    let server = TestServer::start().await;
    let (mut ada, _) = server.join("team", "Ada").await;
    let mut tasks = Vec::new();
    for first in 0..=255_u8 {
        let address = server.address;
        tasks.push(tokio::spawn(async move {
            let mut stream = TcpStream::connect(address).await.expect("connects");
            let mut bytes = [first; 600];
            bytes[599] = b'\n';
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
            let mut answer = Vec::new();
            let _ = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("closed in time");
        }));
    }
    for task in tasks {
        task.await.expect("no panic");
    }
    ada.request("ping", json!({})).await.expect("undisturbed");
}

#[tokio::test]
async fn alpn_or_the_first_bytes_inside_tls_decide() {
    let server = TestServer::start().await;
    for alpn in [&["http/1.1"][..], &[]] {
        let answer = get(tls(server.address, alpn).await, "", "/healthz", "").await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{alpn:?}: {answer}");
    }
    for (alpn, chosen) in [(&["stun.turn", "h2"][..], "h2"), (&["stun.turn"], "stun.turn")] {
        let stream = tls(server.address, alpn).await;
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(chosen.as_bytes()));
    }
    let stream = TcpStream::connect(server.address).await.expect("connects");
    assert!(tls_over(stream, &["spdy/1"]).await.is_err(), "nothing in common");
    let noise = say(tls(server.address, &[]).await, b"\x80 nonsense\r\n\r\n").await;
    let noise = String::from_utf8(noise.expect("not reset")).expect("text");
    assert!(noise.starts_with("HTTP/1.1 400"), "{noise}");
}

#[tokio::test]
async fn whoever_dawdles_at_the_beginning_is_let_go() {
    let server = TestServer::start().await;
    let started = Instant::now();
    // Each of them one byte a second: never silent, and never done.
    let beginnings: [&[u8]; 4] = [
        b"\x16\x03\x01\x01\x00\x01\x00\x00\xfc\x03\x03zzzzzzzzzzzzzzzz",
        b"\0\x03\0\x08\x21\x12",
        b"\r\n\r\n\0\r\nQUI",
        b"",
    ];
    let mut tasks = Vec::new();
    for beginning in beginnings {
        let mut stream = TcpStream::connect(server.address).await.expect("connects");
        tasks.push(tokio::spawn(async move {
            let mut bytes = beginning.iter();
            let mut answer = [0; 64];
            loop {
                tokio::select! {
                    read = stream.read(&mut answer) => match read {
                        Ok(0) | Err(_) => return,
                        // A TLS alert.
                        Ok(_) => {}
                    },
                    () = tokio::time::sleep(Duration::from_secs(1)) => {
                        if let Some(byte) = bytes.next() && stream.write_all(&[*byte]).await.is_err() {
                            return;
                        }
                    }
                }
            }
        }));
    }
    // The same behind TLS, where it is not known whether HTTP or TURN will come.
    let mut silent = tls(server.address, &[]).await;
    tasks.push(tokio::spawn(async move {
        let mut byte = [0];
        let _ = silent.read(&mut byte).await;
    }));
    for task in tasks {
        timeout(PATIENCE, task).await.expect("let go in time").expect("no panic");
    }
    let waited = started.elapsed();
    assert!((Duration::from_secs(9)..Duration::from_secs(14)).contains(&waited), "{waited:?}");
}

#[tokio::test]
async fn a_proxy_header_says_who_connects() {
    let server = behind_proxy(|proxies| proxies.proxy_protocol = true).await;
    let headers: [&[u8]; 5] = [
        b"PROXY TCP4 192.0.2.9 192.0.2.1 4711 443\r\n",
        b"PROXY TCP6 2001:db8::9 2001:db8::1 4711 443\r\n",
        b"PROXY UNKNOWN\r\n",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x09\xc0\0\x02\x01\x12\x67\x01\xbb",
        b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0",
    ];
    for header in headers {
        // Somebody else's plain HTTP is redirected, and is not this machine's even if the header says so.
        let mut stream = connect_from(PROXY, server.address).await;
        stream.write_all(header).await.expect("written");
        let answer = get(stream, "", "/healthz", "").await;
        assert!(answer.starts_with("HTTP/1.1 308"), "{header:?}: {answer}");

        let mut stream = connect_from(PROXY, server.address).await;
        stream.write_all(header).await.expect("written");
        let stream = tls_over(stream, &["http/1.1"]).await.expect("TLS behind the header");
        let answer = get(stream, "", "/healthz", "").await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{header:?}: {answer}");
    }
    let forged = "PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n";
    let answer = get(connect_from(PROXY, server.address).await, forged, "/metrics", "").await;
    assert!(answer.starts_with("HTTP/1.1 308"), "{answer}");
}

#[tokio::test]
async fn a_proxy_header_must_come_from_the_proxy_and_from_nobody_else() {
    let server = behind_proxy(|proxies| proxies.proxy_protocol = true).await;
    let header = b"PROXY TCP4 192.0.2.9 192.0.2.1 4711 443\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n";
    assert_eq!(say(TcpStream::connect(server.address).await.expect("connects"), header).await, Some(vec![]));
    let direct = get(TcpStream::connect(server.address).await.expect("connects"), "", "/healthz", "").await;
    assert!(direct.starts_with("HTTP/1.1 200"), "everybody else connects as ever: {direct}");

    let none = connect_from(PROXY, server.address).await;
    assert_eq!(say(none, b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await, Some(vec![]), "it is required");
    for bad in [
        "PROXY TCP4 192.0.2.999 1.2.3.4 1 2\r\n",
        "PROXY TCP4\r\n",
        "PROXY TCP4 192.0.2.9 192.0.2.1 1 2\r\nPROXY UNKNOWN\r\n",
    ] {
        assert_eq!(say(connect_from(PROXY, server.address).await, bad.as_bytes()).await, Some(vec![]), "{bad:?}");
    }

    let without = behind_proxy(|_| {}).await;
    assert_eq!(say(connect_from(PROXY, without.address).await, header).await, Some(vec![]), "not switched on");
}

#[tokio::test]
async fn where_a_proxy_ends_tls_its_word_counts_and_nobody_elses() {
    let server = behind_proxy(|proxies| proxies.end_tls = true).await;
    let https = "x-forwarded-proto: https\r\nx-forwarded-host: meet.example\r\nx-forwarded-for: 192.0.2.9\r\n";
    let answer = get(connect_from(PROXY, server.address).await, "", "/", https).await;
    assert!(!answer.starts_with("HTTP/1.1 308"), "{answer}");
    assert!(answer.contains("wss://meet.example "), "{answer}");
    assert!(answer.contains("strict-transport-security: max-age="), "{answer}");

    let forwarded = "forwarded: for=192.0.2.9;proto=https;host=\"meet.example:444\"\r\n";
    let answer = get(connect_from(PROXY, server.address).await, "", "/", forwarded).await;
    assert!(answer.contains("wss://meet.example:444 "), "{answer}");

    let http = "x-forwarded-proto: http\r\nx-forwarded-host: meet.example\r\n";
    let answer = get(connect_from(PROXY, server.address).await, "", "/m/team", http).await;
    assert!(answer.starts_with("HTTP/1.1 308") && answer.contains("location: https://meet.example/m/team"), "{answer}");
    let answer = get(connect_from(PROXY, server.address).await, "", "/healthz", "").await;
    assert!(answer.starts_with("HTTP/1.1 308"), "a proxy is not this machine: {answer}");

    // The same words from an address that nobody trusts.
    let answer = get(TcpStream::connect(server.address).await.expect("connects"), "", "/", https).await;
    assert!(answer.contains("ws://inside") && !answer.contains("meet.example"), "{answer}");
    assert!(!answer.contains("strict-transport-security"), "{answer}");
    let answer = get(tls(server.address, &["http/1.1"]).await, "", "/healthz", http).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn without_leave_to_end_tls_a_proxy_that_speaks_plain_http_is_redirected() {
    let server = behind_proxy(|_| {}).await;
    let https = "x-forwarded-proto: https\r\nx-forwarded-host: meet.example\r\n";
    let answer = get(connect_from(PROXY, server.address).await, "", "/", https).await;
    assert!(answer.starts_with("HTTP/1.1 308") && answer.contains("https://meet.example/"), "{answer}");
    let stream = tls_over(connect_from(PROXY, server.address).await, &["http/1.1"]).await.expect("TLS");
    let answer = get(stream, "", "/", https).await;
    assert!(answer.contains("wss://meet.example "), "{answer}");
}

#[tokio::test]
async fn pages_and_relays_go_by_the_name_that_the_proxy_was_asked_for() {
    let server = behind_proxy(|proxies| proxies.end_tls = true).await;
    let headers = [
        ("origin", "https://meet.example"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "meet.example"),
        ("x-forwarded-for", "192.0.2.9"),
    ];
    let stream = connect_from(PROXY, server.address).await;
    let mut ada = Client::over_with(stream, server.address, &headers).await.expect("the same origin");
    let joined = ada.join("team", "Ada", json!({})).await.expect("let in");
    let port = server.address.port();
    assert_eq!(joined.ice.servers[0].urls[1], format!("turn:meet.example:{port}?transport=udp"));

    let stream = TcpStream::connect(server.address).await.expect("connects");
    assert_eq!(Client::over_with(stream, server.address, &headers).await.err(), Some(403), "nobody vouches for it");
    let stream = TcpStream::connect(server.address).await.expect("connects");
    let mut bob = Client::over_with(stream, server.address, &headers[1..]).await.expect("no page");
    let joined = bob.join("team", "Bob", json!({})).await.expect("let in");
    assert_eq!(joined.ice.servers[0].urls[1], format!("turn:127.0.0.1:{port}?transport=udp"));
}
