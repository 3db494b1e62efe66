//! Marks of congestion (ECN), from the socket to reports and from the controller to the socket.

use std::time::Duration;

use conclave_qos::{Algorithm, Ecn};

use super::world::World;
use crate::config::MediaLimits;
use crate::event::RoomKey;

const ROOM: RoomKey = RoomKey(1);
const BY_SOURCE: &str = "a=rtcp-fb:* ack ccfb\r\n";

/// Two who want reports by source, or transport-wide ones.
fn pair(is_by_source: bool) -> World {
    let mut world = World::with_controller(1, MediaLimits::default(), Algorithm::Conclave);
    for name in ["ada", "bob"] {
        let change = |sdp: String| if is_by_source { by_source(&sdp) } else { sdp };
        let who = world.join_lying(ROOM, name, change);
        if is_by_source && let Some(receiver) = &mut world.clients[who].receiver {
            receiver.set_congestion_feedback(Some(0));
        }
    }
    world
}

/// The offer with reports by source in place of transport-wide ones.
fn by_source(sdp: &str) -> String {
    let lines = sdp.split_inclusive('\n').filter(|line| !line.trim_end().ends_with(" transport-cc"));
    lines.fold(String::new(), |mut text, line| {
        if line.starts_with("m=") && text.contains("m=") && !text.ends_with(BY_SOURCE) {
            text.push_str(BY_SOURCE);
        }
        text + line
    }) + BY_SOURCE
}

#[test]
fn how_packets_arrived_marked_is_reported_by_source() {
    let mut world = pair(true);
    world.connect();
    world.run(Duration::from_millis(500));
    assert!(!world.clients[0].told_marks.is_empty());
    assert!(world.clients[0].told_marks.iter().all(|mark| *mark == Ecn::NotEct));
    world.ecn = Ecn::Ect1;
    world.run(Duration::from_millis(200));
    world.clients[0].told_marks.clear();
    world.run(Duration::from_millis(500));
    assert!(world.clients[0].told_marks.iter().all(|mark| *mark == Ecn::Ect1));
    world.ecn = Ecn::Ce;
    world.run(Duration::from_millis(200));
    world.clients[0].told_marks.clear();
    world.run(Duration::from_millis(500));
    let told = &world.clients[0].told_marks;
    assert!(!told.is_empty() && told.iter().all(|mark| *mark == Ecn::Ce), "{told:?}");
}

#[test]
fn media_is_sent_marked_until_reports_show_that_the_path_takes_marks_off() {
    let mut world = pair(true);
    world.connect();
    world.view(0, &[1], (640, 360));
    world.run(Duration::from_millis(300));
    let marked = |world: &World| world.sent_marked.iter().filter(|mark| **mark == Ecn::Ect1).count();
    let first = marked(&world);
    assert!(first > 0 && first < world.sent_marked.len(), "{first}: reports are not marked");
    assert!(world.sent_marked.iter().all(|mark| matches!(mark, Ecn::Ect1 | Ecn::NotEct)));
    // The clients' reports say that nothing arrives marked.
    world.run(Duration::from_secs(6));
    world.sent_marked.clear();
    world.run(Duration::from_secs(1));
    assert!(world.sent_marked.len() > 50);
    assert_eq!(marked(&world), 0);
}

#[test]
fn nothing_is_marked_for_who_does_not_tell_of_marks() {
    let mut world = pair(false);
    world.connect();
    world.run(Duration::from_secs(1));
    assert!(world.sent_marked.len() > 50);
    assert!(world.sent_marked.iter().all(|mark| *mark == Ecn::NotEct));
    assert!(world.clients[0].told_marks.is_empty());
}
