//! Bots in a room of the real program, in this process: what is sent arrives.

use std::time::Duration;

use conclave::{Config, Server};
use conclave_qos::Bitrate;
use conclave_sim::load::{self, CameraPlan, Outcome, Scenario, Target};
use conclave_sim::media::VideoCodec;
use conclave_sim::signal::{Bearer, Site, Trust};

/// Rates that need no estimation first; everybody who watches is sampled.
fn scenario(codec: VideoCodec, publishers: usize, subscribers: usize) -> Scenario {
    Scenario {
        publishers,
        subscribers,
        tiles: publishers,
        camera: Some(CameraPlan { codec, height: 180, rate: Some(Bitrate::kbps(100)), ..CameraPlan::default() }),
        sample_every: 1,
        warm_up: Duration::from_millis(500),
        duration: Duration::from_secs(2),
        ..Scenario::default()
    }
}

/// Runs a scenario against the program; `target` makes one of its address and the administrator's token.
async fn run(scenario: &Scenario, target: impl FnOnce(&dyn Fn(&str) -> Site, Bearer) -> Target) -> Outcome {
    let data = tempfile::tempdir().expect("a folder");
    let server = Server::start(Config::for_tests(data.path().to_owned())).await.expect("starts");
    let token = std::fs::read_to_string(data.path().join("admin-token")).expect("made at start");
    let Ok(token) = token.trim().parse();
    let address = server.address();
    let site = |path: &str| format!("http://{address}{path}").parse().expect("a URL");
    let outcome = load::run(&target(&site, token), scenario, Some(std::process::id())).await.expect("served");
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
    assert!(outcome.cpu_per_packet().is_some_and(|cpu| cpu > 0.0));
    assert!(traffic.latency.as_ref().is_some_and(|latency| latency.len() == traffic.stamped));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_publishers_reach_five_subscribers_over_conclaves_signalling_with_nothing_lost() {
    for codec in [VideoCodec::Vp8, VideoCodec::H264] {
        let scenario = scenario(codec, 3, 5);
        let target = |site: &dyn Fn(&str) -> Site, _| {
            let room = "bots".to_owned();
            Target::Conclave { site: site("/"), trust: Trust::Public, bearer: None, room }
        };
        assert_all_arrived(&run(&scenario, target).await, &scenario);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whip_publisher_reaches_whep_players_with_nothing_lost() {
    for codec in [VideoCodec::Vp8, VideoCodec::H264] {
        let scenario = scenario(codec, 1, 3);
        let target = |site: &dyn Fn(&str) -> Site, token| {
            let (whip, whep) = (Some(site("/whip/bots")), Some(site("/whep/bots")));
            Target::Whip { whip, whep, trust: Trust::Public, bearer: Some(token) }
        };
        assert_all_arrived(&run(&scenario, target).await, &scenario);
    }
}
