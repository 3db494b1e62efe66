use conclave_rtp::Ssrc;
use conclave_rtp::rtcp::FirEntry;

use crate::world::{AUDIO_SSRC, RTX_SSRC, SECOND_SSRC, SECOND_VIDEO, VIDEO, VIDEO_SSRC, World};

fn pli(world: &mut World, media: Ssrc) {
    world.rtcp(|writer| writer.pli(Ssrc(1), media).expect("fits"));
}

fn fir(world: &mut World, number: u8) {
    world.rtcp(|writer| writer.fir(Ssrc(1), &[FirEntry { ssrc: VIDEO_SSRC, number }]).expect("fits"));
}

#[test]
fn many_requests_become_one_and_a_later_one_waits_its_turn() {
    let mut world = World::new();
    (0..50).for_each(|_| pli(&mut world, VIDEO_SSRC));
    assert_eq!(world.keyframes_wanted(), [VIDEO]);
    pli(&mut world, VIDEO_SSRC);
    assert_eq!(world.keyframes_wanted(), []);
    let due = world.sender.poll_timeout().expect("a request waits");
    assert_eq!(due.since(world.now).as_millis(), 250);
    world.now = due;
    world.drain();
    assert_eq!(world.keyframes_wanted(), [VIDEO]);
    assert_eq!(world.sender.stats(VIDEO).expect("exists").keyframe_requests, 2);
    assert_eq!(world.sender.poll_timeout(), None);
}

#[test]
fn a_fir_counts_once_for_each_number() {
    let mut world = World::new();
    fir(&mut world, 5);
    assert_eq!(world.keyframes_wanted(), [VIDEO]);
    world.pass(1_000);
    fir(&mut world, 5);
    assert_eq!(world.keyframes_wanted(), [], "repeated");
    fir(&mut world, 6);
    assert_eq!(world.keyframes_wanted(), [VIDEO]);
}

#[test]
fn each_slot_is_asked_for_by_itself_and_strangers_are_not() {
    let mut world = World::new();
    [VIDEO_SSRC, SECOND_SSRC, AUDIO_SSRC, RTX_SSRC, Ssrc(0xdead)].into_iter().for_each(|ssrc| pli(&mut world, ssrc));
    assert_eq!(world.keyframes_wanted(), [VIDEO, SECOND_VIDEO]);
}

#[test]
fn events_that_nobody_asks_for_do_not_pile_up() {
    let mut world = World::new();
    for _ in 0..1_000 {
        pli(&mut world, VIDEO_SSRC);
        world.pass(300);
    }
    assert_eq!(world.keyframes_wanted(), [VIDEO]);
}
