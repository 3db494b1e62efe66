//! An independent client: coturn's `turnutils_uclient` relays through this program.

mod common;

use std::process::Command;

use common::TestServer;
use common::turn::credentials;

/// Two clients of one user send each other packets of so many bytes, relay to relay: `count` each, one
/// every `pause` milliseconds.
async fn relayed(server: &TestServer, way: &[&str], bytes: u32, (count, pause): (u32, u32)) -> String {
    let (_ada, joined) = server.join("team", "Ada").await;
    let (username, password) = credentials(&joined.ice);
    let mut command = Command::new("turnutils_uclient");
    // `-s`: by Send indications. For channels it takes numbers from all that RFC 5766 allowed, of which
    // RFC 8656 (section 12) has left a quarter.
    command.args(["-y", "-c", "-s", "-m", "2", "-l", &bytes.to_string()]);
    command.args(["-n", &count.to_string(), "-z", &pause.to_string()]);
    command.args(["-p", &server.address.port().to_string(), "-u", username, "-w", password]).args(way).arg("127.0.0.1");
    let output = tokio::task::block_in_place(|| command.output()).unwrap_or_else(|error| {
        panic!("turnutils_uclient cannot be started ({error}); scripts/setup.sh test installs it")
    });
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// How many of them were received.
fn received(said: &str) -> u32 {
    let last = said.rsplit("tot_recv_msgs=").next().unwrap_or_default();
    last.split(|c: char| !c.is_ascii_digit()).next().and_then(|count| count.parse().ok()).unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn packets_arrive_by_udp_and_tcp() {
    let server = TestServer::start().await;
    for way in [&[][..], &["-t"]] {
        for bytes in [160, 1_200] {
            let said = relayed(&server, way, bytes, (100, 20)).await;
            assert_eq!(received(&said), 200, "{way:?}, {bytes} bytes: {said}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn packets_arrive_by_tls() {
    let server = TestServer::start().await;
    // It takes one message out of each TLS record and loses what else was in it (other clients read what
    // it is, a stream): the pause lets every message have its own.
    let said = relayed(&server, &["-t", "-S"], 160, (20, 200)).await;
    assert_eq!(received(&said), 40, "{said}");
}
