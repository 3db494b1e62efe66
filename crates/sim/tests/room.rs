//! Bots in a room of the real program, in this process: what is sent arrives.

use std::net::SocketAddr;
use std::time::Duration;

use conclave::{Config, Server};
use conclave_qos::Bitrate;
use conclave_sim::load::{self, CameraPlan, Outcome, Scenario, Target};
use conclave_sim::media::VideoCodec;
use conclave_sim::signal::{Site, Trust};

/// Three send, five watch and hear all three; rates that need no estimation first.
fn scenario(codec: VideoCodec) -> Scenario {
    Scenario {
        publishers: 3,
        subscribers: 5,
        tiles: 3,
        camera: Some(CameraPlan { codec, height: 180, rate: Some(Bitrate::kbps(100)), ..CameraPlan::default() }),
        sample_every: 1,
        warm_up: Duration::from_millis(500),
        duration: Duration::from_secs(2),
        ..Scenario::default()
    }
}

async fn against<T: Future>(run: impl FnOnce(SocketAddr) -> T) -> T::Output {
    let data = tempfile::tempdir().expect("a folder");
    let server = Server::start(Config::for_tests(data.path().to_owned())).await.expect("starts");
    let outcome = run(server.address()).await;
    server.stop().await;
    outcome
}

fn assert_all_arrived(outcome: &Outcome, scenario: &Scenario) {
    let traffic = &outcome.traffic;
    let broken = (outcome.ended, traffic.lost, traffic.undecryptable);
    assert_eq!(broken, (0, 0, 0), "connections that ended, packets lost, packets that could not be decrypted");
    // On a busy machine packets come late, and the server takes that for a full network and pauses pictures. Sound it
    // never pauses, and that is half of the packets.
    let expected = traffic.sent_packets * scenario.subscribers as u64;
    assert!((expected / 2..=expected * 11 / 10).contains(&traffic.packets), "{} of {expected}", traffic.packets);
    assert!(traffic.video_packets > 0 && traffic.video_packets < traffic.packets);
    let pictures = outcome.joins.iter().filter(|join| join.first_key_frame.is_some()).count();
    assert_eq!(pictures, scenario.subscribers, "everybody who watches has seen a key frame");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_publishers_reach_five_subscribers_over_conclaves_signalling_with_nothing_lost() {
    for codec in [VideoCodec::Vp8, VideoCodec::H264] {
        let scenario = scenario(codec);
        let outcome = against(|address| async move {
            let site: Site = format!("http://{address}/").parse().expect("a URL");
            let room = format!("bots-{codec:?}");
            let target = Target::Conclave { site, trust: Trust::Public, bearer: None, room };
            load::run(&target, &self::scenario(codec), Some(std::process::id())).await.expect("served")
        })
        .await;
        assert_all_arrived(&outcome, &scenario);
        assert!(outcome.cpu_per_packet().is_some_and(|cpu| cpu > 0.0));
        assert!(outcome.traffic.latency.as_ref().is_some_and(|latency| latency.len() == outcome.traffic.stamped));
    }
}
