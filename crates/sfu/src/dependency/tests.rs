use proptest::prelude::*;

use super::*;

/// What Chrome sent for AV1 in mode L3T3 at 480x270: the first packet of a key frame, with the structure.
const KEY: &str = "c1017280081485214eafffaaaa863cf0430c10c302afc0aaa0063c00430010c002a000a80006000040001d954926e082b04a\
                   0941b820ac1282503157f974000ca864330e222222eca8655304224230eca877530077004200ef008601df010d";
/// Packets that followed, some with custom frame references.
const LATER: [&str; 6] = ["86017340fc", "46017340fc", "c3017540fc", "88017640fc", "48017640fc", "c2017840fc"];

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).expect("hex")).collect()
}

fn structure() -> Box<Structure> {
    Dependency::parse(&bytes(KEY), None).expect("valid").structure.expect("it brings one")
}

#[test]
fn a_structure_of_chrome_is_read_to_its_end() {
    let key = Dependency::parse(&bytes(KEY), None).expect("valid");
    assert!(key.frame.starts && key.frame.ends);
    assert_eq!((key.frame.layer, key.frame.number), (LayerIndex::LOW, 0x0172));
    assert_eq!(key.frame.role.switches, Levels::ALL);
    assert_eq!(key.frame.references, References::default());
    assert_eq!(key.active, Some(Levels::ALL));
    let structure = key.structure.expect("it brings one");
    assert_eq!((structure.targets, structure.count, structure.top()), (9, 15, LayerIndex::HIGH));
    // The last temporal layer of each spatial one.
    assert_eq!(structure.levels, [2, 5, 8]);
    assert_eq!(structure.within, [0b111, 0b11_1111, 0b1_1111_1111]);
    let size = |level| structure.size(level).map(|size| (size.width, size.height));
    assert_eq!(LayerIndex::ALL.map(size), [(120, 67), (240, 135), (480, 270)].map(Some));
}

#[test]
fn later_packets_are_read_by_the_structure_that_came_before() {
    let structure = structure();
    let frames = LATER.map(|hex| Dependency::parse(&bytes(hex), Some(&structure)).expect("valid").frame);
    assert_eq!(frames.map(|frame| frame.number), [0x173, 0x173, 0x175, 0x176, 0x176, 0x178]);
    assert_eq!(frames.map(|frame| frame.layer.index()), [1, 1, 0, 1, 1, 0]);
    assert_eq!(frames.map(|frame| frame.starts), [true, false, true, true, false, true]);
    assert!(frames.iter().all(|frame| !frame.references.is_empty() && !frame.references.untold));
}

#[test]
fn without_the_structure_a_frame_is_unknown_and_needed_by_all() {
    let unknown = Dependency::parse(&bytes(LATER[0]), None).expect("valid");
    assert_eq!(unknown.frame, Frame::unknown(0x173, true, false));
    let other = [0x80 | 40, 0x01, 0x73];
    assert_eq!(Dependency::parse(&other, Some(&structure())).expect("valid").frame, Frame::unknown(0x173, true, false));
}

#[test]
fn a_descriptor_that_is_cut_short_is_refused() {
    let whole = bytes(KEY);
    for length in (0..3).chain(4..whole.len()) {
        assert_eq!(Dependency::parse(&whole[..length], None), None, "{length} bytes");
    }
    assert_eq!(Dependency::parse(&[0x80, 0, 1, 0x80], None), None, "promises a structure");
}

#[test]
fn rewritten_it_has_other_numbers_and_templates_and_says_the_same() {
    let original = bytes(KEY);
    let place = Dependency::parse(&original, None).expect("valid").place;
    let rewritten = place.rewrite(&original, 0xfffe, 60, LayerIndex::HIGH).expect("fits");
    let again = Dependency::parse(rewritten.as_bytes(), None).expect("valid");
    let structure = again.structure.expect("still there");
    assert_eq!((again.frame.number, structure.id_offset), (0xfffe, 60));
    assert_eq!(Structure { id_offset: 0, ..*structure }, *self::structure());
    let later = bytes(LATER[0]);
    let place = Dependency::parse(&later, Some(&self::structure())).expect("valid").place;
    let rewritten = place.rewrite(&later, 3, 60, LayerIndex::HIGH).expect("fits");
    let frame = Dependency::parse(rewritten.as_bytes(), Some(&structure)).expect("valid").frame;
    assert_eq!((frame.number, frame.layer), (3, LayerIndex::MIDDLE));
}

#[test]
fn a_mask_of_decode_targets_loses_those_above_the_level() {
    // A mask of all nine, as libwebrtc repeats it after a change.
    let packet = [0xc3, 0x01, 0x75, 0x47, 0xfc];
    let parsed = Dependency::parse(&packet, Some(&structure())).expect("valid");
    assert_eq!(parsed.active, Some(Levels::ALL));
    let lower = parsed.place.rewrite(&packet, 0x175, 0, LayerIndex::MIDDLE).expect("fits");
    let again = Dependency::parse(lower.as_bytes(), Some(&structure())).expect("valid");
    assert_eq!(again.active, Some(Levels::only(LayerIndex::LOW).with(LayerIndex::MIDDLE)));
    assert_eq!(again.frame, parsed.frame);
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic_and_what_is_rewritten_can_be_read(
        data in proptest::collection::vec(any::<u8>(), 0..140),
        known in any::<bool>(),
        number in any::<u16>(),
        shift in any::<u8>(),
        level in 0u8..3,
    ) {
        let structure = structure();
        let known = known.then_some(&*structure);
        let Some(parsed) = Dependency::parse(&data, known) else { return Ok(()) };
        let level = LayerIndex::new(level).expect("below 3");
        if let Some(rewritten) = parsed.place.rewrite(&data, number, shift, level) {
            prop_assert_eq!(rewritten.as_bytes().len(), data.len());
            let shifted = known.map(|known| Structure { id_offset: known.id_offset.wrapping_add(shift) % 64, ..known.clone() });
            let again = Dependency::parse(rewritten.as_bytes(), shifted.as_ref());
            let again = again.expect("still valid");
            prop_assert_eq!(again.frame, Frame { number, ..parsed.frame });
        }
    }

    #[test]
    fn a_damaged_structure_never_panics(at in 0usize..95, bit in 0u8..8, cut in 0usize..40) {
        let mut data = bytes(KEY);
        data[at] ^= 1 << bit;
        data.truncate(95 - cut);
        let _ = Dependency::parse(&data, None);
    }
}
