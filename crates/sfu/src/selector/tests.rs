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
