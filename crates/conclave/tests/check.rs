//! `conclave check` and the WebSocket behind it, against the running program.

mod common;

use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use common::{Answer, PATIENCE, TestServer};
use conclave::check::{self, Options, Report, RungName, Verdict};
use conclave::config::PublicAddress;
use conclave_proto::{CheckReply, CheckRequest, ErrorCode};
use conclave_turn::client::{Event, Family, Transport, TurnClient};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

/// A WebSocket at `/api/v1/check`.
struct Check(WebSocketStream<TcpStream>);

impl Check {
    /// The status when the server refuses.
    async fn open(address: SocketAddr, origin: Option<&str>) -> Result<Self, u16> {
        let mut request = format!("ws://{address}/api/v1/check").into_client_request().expect("request");
        if let Some(origin) = origin {
            request.headers_mut().insert("origin", origin.parse().expect("value"));
        }
        let stream = TcpStream::connect(address).await.expect("the port is open");
        match timeout(PATIENCE, client_async(request, stream)).await.expect("in time") {
            Ok((socket, _)) => Ok(Self(socket)),
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    async fn say(&mut self, text: impl Into<String>) {
        self.0.send(Message::text(text.into())).await.expect("sent");
    }

    /// The next message, or the code with which the connection was closed.
    async fn hear(&mut self) -> Result<CheckReply, u16> {
        loop {
            match timeout(PATIENCE, self.0.next()).await.expect("in time") {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).expect("of the protocol")),
                Some(Ok(Message::Close(frame))) => return Err(frame.map_or(1005, |frame| frame.code.into())),
                Some(Ok(_)) => {}
                Some(Err(error)) => panic!("{error}"),
                None => return Err(1006),
            }
        }
    }

    async fn welcome(&mut self) -> Value {
        match self.hear().await {
            Ok(welcome @ CheckReply::Welcome { .. }) => serde_json::to_value(welcome).expect("JSON")["body"].clone(),
            other => panic!("a welcome expected: {other:?}"),
        }
    }
}

async fn metrics(server: &TestServer) -> String {
    let Answer { body, .. } = server.http("GET", "/metrics", &[], Value::Null).await;
    String::from_utf8(body).expect("text")
}

#[tokio::test]
async fn whoever_connects_is_told_servers_credentials_and_addresses_and_gets_pongs() {
    let server = TestServer::start().await;
    let mut check = Check::open(server.address, None).await.expect("open to all");
    let welcome = check.welcome().await;
    let own = &welcome["ice"]["servers"][0];
    let (host, port) = ("127.0.0.1", server.address.port());
    for url in [format!("turn:{host}:{port}?transport=udp"), format!("turns:{host}:{port}?transport=tcp")] {
        assert!(own["urls"].as_array().expect("list").contains(&json!(url)), "{own}");
    }
    assert!(own["username"].as_str().is_some_and(|name| name.contains(":check-")), "{own}");
    assert_eq!(welcome["announced"], json!([server.address.to_string()]));
    assert_eq!((&welcome["lifetimeS"], &welcome["ice"]["lifetimeS"]), (&json!(60), &json!(60)));
    for number in [1, 7] {
        check.say(serde_json::to_string(&CheckRequest::Ping { number }).expect("JSON")).await;
        assert_eq!(check.hear().await, Ok(CheckReply::Pong { number }));
    }
    check.say(r#"{"type":"chat","body":{}}"#).await;
    let Ok(CheckReply::Refused { error }) = check.hear().await else { panic!("refused") };
    assert_eq!(error.code, ErrorCode::Malformed);
}

#[tokio::test]
async fn offers_reach_the_media_plane_and_are_few() {
    let server = TestServer::start().await;
    let mut check = Check::open(server.address, None).await.expect("open");
    check.welcome().await;
    let mut codes = Vec::new();
    for leg in 1..=13 {
        let offer = json!({ "type": "offer", "body": {
            "leg": leg, "sdp": "v=0\r\n", "audioSlots": [], "videoSlots": [], "decodes": ["vp8"],
            "sources": { "microphone": "0", "camera": "1", "screen": "2", "screenAudio": "3" },
        }});
        check.say(offer.to_string()).await;
        let Ok(CheckReply::Refused { error }) = check.hear().await else { panic!("refused") };
        codes.push(error.code);
    }
    assert_eq!(codes.pop(), Some(ErrorCode::TooManyRequests));
    assert!(codes.iter().all(|code| *code == ErrorCode::BadSdp), "{codes:?}");
}

#[tokio::test]
async fn pages_of_other_origins_are_refused() {
    let server = TestServer::start().await;
    assert_eq!(Check::open(server.address, Some("https://evil.example")).await.err(), Some(403));
    assert!(Check::open(server.address, Some(&format!("http://{}", server.address))).await.is_ok());
}

#[tokio::test]
async fn one_client_has_few_checks_at_once_and_leaves_nothing_behind() {
    let server = TestServer::start().await;
    let mut checks = Vec::new();
    for _ in 0..4 {
        let mut check = Check::open(server.address, None).await.expect("open");
        check.welcome().await;
        checks.push(check);
    }
    let mut late = Check::open(server.address, None).await.expect("told after the upgrade");
    let Ok(CheckReply::Refused { error }) = late.hear().await else { panic!("refused") };
    assert_eq!((error.code, late.hear().await), (ErrorCode::TooManyRequests, Err(1013)));
    assert!(error.retry_after_ms.is_some());
    let mut first = checks.remove(0);
    first.0.close(None).await.expect("closed");
    while first.hear().await.is_ok() {}
    // The place is given back before the close frame is answered.
    let mut next = Check::open(server.address, None).await.expect("open");
    next.welcome().await;
    drop((checks, next));
    assert!(metrics(&server).await.contains("conclave_rooms 0"));
}

#[tokio::test]
async fn who_sends_too_much_is_closed() {
    let server = TestServer::start().await;
    let mut check = Check::open(server.address, None).await.expect("open");
    check.welcome().await;
    let mut heard = Ok(CheckReply::Pong { number: 0 });
    for _ in 0..500 {
        let _ = check.0.send(Message::text(r#"{"type":"ping","body":{"number":1}}"#)).await;
        heard = check.hear().await;
        if heard.is_err() {
            break;
        }
    }
    assert_eq!(heard, Err(1008));
}

/// What comes of asking for a relay over UDP.
async fn allocate(server: SocketAddr, username: &str, password: &str) -> Event {
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("bound");
    socket.connect(server).await.expect("connected");
    let mut client = TurnClient::new(Transport::Udp, username, password, [7; 32]);
    client.allocate(Instant::now(), Family::V4);
    let mut buffer = [0; 2_048];
    loop {
        while let Some(packet) = client.poll_transmit() {
            socket.send(&packet).await.expect("sent");
        }
        if let Some(event) = client.poll_event() {
            return event;
        }
        let length = timeout(PATIENCE, socket.recv(&mut buffer)).await.expect("answered").expect("received");
        client.handle_packet(Instant::now(), &buffer[..length]);
    }
}

#[tokio::test]
async fn credentials_end_with_the_check_that_they_were_for() {
    let server = TestServer::start().await;
    let mut check = Check::open(server.address, None).await.expect("open");
    let welcome = check.welcome().await;
    let own = |field: &str| welcome["ice"]["servers"][0][field].as_str().expect("text").to_owned();
    let (username, password) = (own("username"), own("credential"));
    let first = allocate(server.address, &username, &password).await;
    assert!(matches!(first, Event::Allocated { .. }), "{first:?}");
    check.0.close(None).await.expect("closed");
    while check.hear().await.is_ok() {}
    // The media plane is told, and carries it out a moment later.
    let refused = async {
        while !matches!(allocate(server.address, &username, &password).await, Event::Failed { .. }) {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, refused).await.expect("void");
}

/// What stands before a server in a network without UDP: passes TCP connections on, and no datagram.
struct TcpOnly {
    address: SocketAddr,
    server: Arc<OnceLock<SocketAddr>>,
}

impl TcpOnly {
    async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let address = listener.local_addr().expect("bound");
        // Takes datagrams and says nothing, as a firewall does.
        let silent = UdpSocket::bind(address).await.expect("the port of the same number is free");
        let server = Arc::new(OnceLock::new());
        let known: Arc<OnceLock<SocketAddr>> = server.clone();
        tokio::spawn(async move {
            let _silent = silent;
            while let Ok((mut outside, _)) = listener.accept().await {
                let server = *known.get().expect("the server is there before anybody comes");
                tokio::spawn(async move {
                    let mut inside = TcpStream::connect(server).await.expect("the server listens");
                    let _ = copy_bidirectional(&mut outside, &mut inside).await;
                });
            }
        });
        Self { address, server }
    }
}

async fn checked(url: String, insecure: bool) -> Report {
    let options = Options { target: url.parse().expect("a URL"), insecure };
    timeout(Duration::from_secs(40), check::run(&options)).await.expect("a check ends by itself")
}

fn works(report: &Report) -> Vec<RungName> {
    report.rungs.iter().filter(|rung| rung.works == Some(true)).map(|rung| rung.name).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn in_an_open_network_everything_works() {
    let server = TestServer::start().await;
    let report = checked(format!("https://{}", server.address), true).await;
    assert_eq!(report.verdict, Verdict::Works, "{report}");
    assert_eq!(report.rungs.len(), 8, "{report}");
    for rung in &report.rungs {
        assert!(rung.loss.is_none_or(|loss| loss == 0.0), "{report}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_self_signed_certificate_counts_unless_it_is_meant() {
    let server = TestServer::start().await;
    let report = checked(format!("https://{}", server.address), false).await;
    assert_eq!(report.verdict, Verdict::Fails, "{report}");
    assert!(!works(&report).contains(&RungName::Certificate), "{report}");
    assert!(report.advice[0].contains("--acme-domain"), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_udp_meetings_work_over_tcp_and_the_port_to_open_is_named() {
    let outside = TcpOnly::open().await;
    let announced = PublicAddress { ip: outside.address.ip(), port: Some(outside.address.port()) };
    let server = TestServer::with(|config| config.public_addresses = vec![announced]).await;
    outside.server.set(server.address).expect("set once");
    let report = checked(format!("https://{}", outside.address), true).await;
    assert_eq!(report.verdict, Verdict::Partly, "{report}");
    use RungName::{Certificate, Page, Tcp, TurnTcp, TurnTls, Websocket};
    assert_eq!(works(&report), [Page, Certificate, Websocket, Tcp, TurnTcp, TurnTls], "{report}");
    let port = format!("open UDP port {}", outside.address.port());
    assert!(report.advice[0].contains(&port), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_announced_address_that_is_wrong_is_told_from_a_closed_port() {
    // Nothing of this server is at this address, which is this machine's too.
    let wrong = PublicAddress { ip: [127, 0, 0, 99].into(), port: None };
    let server = TestServer::with(|config| config.public_addresses = vec![wrong]).await;
    let report = checked(format!("https://{}", server.address), true).await;
    assert_eq!(report.verdict, Verdict::Partly, "{report}");
    assert!(!works(&report).contains(&RungName::Udp) && works(&report).contains(&RungName::TurnUdp), "{report}");
    assert!(report.advice[0].contains("--public-address"), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_listens_it_is_said_and_the_exit_code_tells() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let address = listener.local_addr().expect("bound");
    drop(listener);
    let run = tokio::task::spawn_blocking(move || {
        let url = format!("https://{address}");
        Command::new(env!("CARGO_BIN_EXE_conclave"))
            .args(["check", "--json", &url])
            .stdin(Stdio::null())
            .output()
            .expect("runs")
    });
    let output = timeout(PATIENCE, run).await.expect("in time").expect("no panic");
    assert_eq!(output.status.code(), Some(2));
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["verdict"], "fails");
    assert!(report["advice"][0].as_str().is_some_and(|words| words.contains("nothing listens")), "{report}");
}
