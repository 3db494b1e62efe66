use super::*;
use crate::frame::{References, Role};

/// A frame of a stream whose layers build on each other in key pictures only, one frame a layer.
fn frame(picture: u16, layer: LayerIndex, is_key: bool) -> Frame {
    let own = Levels::only(layer);
    let mut references = References::default();
    match (is_key, layer) {
        (true, LayerIndex::LOW) => {}
        (true, _) => references.add(1),
        (false, _) => references.add(3),
    }
    Frame {
        layer,
        number: picture * 3 + layer.index() as u16,
        starts: true,
        ends: true,
        role: Role {
            needed: if is_key { Levels::from(layer) } else { own },
            discardable: Levels::NONE,
            switches: if is_key { Levels::from(layer) } else { own },
        },
        references,
        is_known: true,
    }
}

fn sequence(picture: u16, layer: LayerIndex) -> u64 {
    1_000 + u64::from(picture) * 3 + layer.index() as u64
}

/// Which layers of a picture are forwarded.
fn picture(selector: &mut Selector, number: u16, is_key: bool, target: LayerIndex) -> Vec<LayerIndex> {
    let forwarded = |layer: &LayerIndex| {
        let at = Timestamp(u32::from(number) * 3_000);
        selector.select(sequence(number, *layer), at, &frame(number, *layer, is_key), target).forward
    };
    LayerIndex::ALL.into_iter().filter(forwarded).collect()
}

fn entered(target: LayerIndex) -> Selector {
    let mut selector =
        Selector::enter(sequence(0, LayerIndex::LOW), Timestamp(0), &frame(0, LayerIndex::LOW, true), target);
    picture(&mut selector, 0, true, target);
    selector
}

#[test]
fn a_layer_on_its_own_can_be_left_at_once_only_if_the_other_is_predicted_from_what_was_forwarded() {
    let mut selector = entered(LayerIndex::HIGH);
    // The first picture after the key picture builds on that in every layer.
    assert!(!selector.needs_switch(LayerIndex::LOW));
    assert_eq!(picture(&mut selector, 1, false, LayerIndex::HIGH), [LayerIndex::HIGH]);
    assert!(selector.needs_switch(LayerIndex::LOW), "now the lower layers have gone on without the receiver");
    assert_eq!(picture(&mut selector, 2, false, LayerIndex::LOW), [LayerIndex::HIGH]);
    assert_eq!(picture(&mut selector, 3, true, LayerIndex::LOW), [LayerIndex::LOW]);
}

#[test]
fn a_climb_waits_for_a_key_picture() {
    let mut selector = entered(LayerIndex::LOW);
    assert_eq!(picture(&mut selector, 1, false, LayerIndex::MIDDLE), [LayerIndex::LOW]);
    assert!(selector.needs_switch(LayerIndex::MIDDLE));
    assert_eq!(picture(&mut selector, 2, true, LayerIndex::MIDDLE), [LayerIndex::LOW, LayerIndex::MIDDLE]);
    assert_eq!(picture(&mut selector, 3, false, LayerIndex::MIDDLE), [LayerIndex::MIDDLE]);
    assert_eq!(selector.level(), LayerIndex::MIDDLE);
}

#[test]
fn a_late_packet_is_decided_about_as_it_would_have_been_in_time() {
    let mut selector = entered(LayerIndex::LOW);
    picture(&mut selector, 1, false, LayerIndex::LOW);
    picture(&mut selector, 2, true, LayerIndex::HIGH);
    let late = |selector: &mut Selector, number, layer| {
        let at = Timestamp(u32::from(number) * 3_000);
        selector.select(sequence(number, layer), at, &frame(number, layer, false), LayerIndex::HIGH).forward
    };
    assert!(late(&mut selector, 1, LayerIndex::LOW));
    assert!(!late(&mut selector, 1, LayerIndex::HIGH));
    assert!(!late(&mut selector, 3, LayerIndex::LOW));
    assert!(late(&mut selector, 3, LayerIndex::HIGH));
}

/// A frame of the only layer that builds on the one `distance` before it; on nothing if that is 0.
fn delta(number: u16, distance: u32) -> Frame {
    let mut references = References::default();
    if distance > 0 {
        references.add(distance);
    }
    let switches = if distance == 0 { Levels::ALL } else { Levels::NONE };
    let role = Role { needed: Levels::ALL, discardable: Levels::NONE, switches };
    Frame { layer: LayerIndex::HIGH, number, starts: true, ends: true, role, references, is_known: true }
}

fn give(selector: &mut Selector, frame: &Frame) -> Verdict {
    let number = frame.number;
    let at = Timestamp(u32::from(number) * 3_000);
    selector.select(1_000 + u64::from(number), at, frame, LayerIndex::HIGH)
}

#[test]
fn what_builds_on_a_frame_that_was_left_out_is_left_out_and_a_key_frame_asked_for() {
    let key = delta(0, 0);
    let mut selector = Selector::enter(1_000, Timestamp(0), &key, LayerIndex::HIGH);
    assert!(give(&mut selector, &key).forward && give(&mut selector, &delta(1, 1)).forward);
    // It builds on something from before the beginning.
    let verdict = give(&mut selector, &delta(2, 5));
    assert!(!verdict.forward && verdict.is_stuck && selector.needs_switch(LayerIndex::HIGH));
    assert!(!give(&mut selector, &delta(3, 1)).forward);
    // Its basis has not come; when it does it will be left out.
    assert!(!give(&mut selector, &delta(5, 1)).forward);
    assert!(!give(&mut selector, &delta(4, 1)).forward);
    assert!(give(&mut selector, &delta(6, 0)).forward && !selector.needs_switch(LayerIndex::HIGH));
    assert!(give(&mut selector, &delta(7, 1)).forward);
}

#[test]
fn every_packet_of_a_frame_shares_its_fate_and_what_was_missing_goes_where_it_belongs() {
    let key = delta(0, 0);
    let mut selector = Selector::enter(1_000, Timestamp(0), &key, LayerIndex::HIGH);
    assert!(give(&mut selector, &key).forward);
    // The second frame is missing: what builds on it goes on, and it may come.
    assert!(give(&mut selector, &delta(2, 1)).forward);
    assert!(give(&mut selector, &delta(1, 1)).forward);
    assert!(!give(&mut selector, &delta(4, 5)).forward);
    let unread = Frame { is_known: false, ..delta(4, 1) };
    assert!(!selector.select(1_005, Timestamp(12_000), &unread, LayerIndex::HIGH).forward, "the rest of it");
    assert!(!selector.select(1_003, Timestamp(9_000), &Frame::unknown(3, true, true), LayerIndex::HIGH).forward);
}

#[test]
fn layers_that_are_told_late_not_to_be_there_leave_their_receivers_with_what_the_highest_got() {
    let mut selector = entered(LayerIndex::HIGH);
    // The lowest is on its own, and left out.
    assert_eq!(picture(&mut selector, 1, false, LayerIndex::HIGH), [LayerIndex::HIGH]);
    assert!(!selector.needs_switch(LayerIndex::HIGH));
    selector.cut_above(LayerIndex::LOW);
    assert!(selector.needs_switch(LayerIndex::HIGH));
}
