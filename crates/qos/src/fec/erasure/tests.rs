use proptest::prelude::*;

use super::*;

/// A packet whose length and bytes depend on its number.
fn packet(number: usize) -> Vec<u8> {
    (0..(number * 37) % 60).map(|at| (at * 31 + number * 7) as u8).collect()
}

/// An encoder that has sent these many packets.
fn encoder(packets: usize) -> Encoder {
    let mut encoder = Encoder::new();
    for number in 0..packets {
        assert_eq!(encoder.push(&packet(number)), Ok(number as u32));
    }
    encoder
}

fn parity(encoder: &mut Encoder, first: u32, count: u8) -> Vec<u8> {
    let mut out = Vec::new();
    encoder.write_parity(first, count, &mut out).expect("the window is kept");
    out
}

/// What the decoder makes, by number.
fn recovered(decoder: &mut Decoder) -> Vec<u32> {
    let mut numbers = Vec::new();
    while let Some(Recovered { sequence, packet: made }) = decoder.poll_recovered() {
        assert_eq!(made, packet(sequence as usize), "number {sequence}");
        numbers.push(sequence);
    }
    numbers.sort_unstable();
    numbers
}

/// Sends k packets and m of parity, of which the bits of `lost` get lost, in the order that `shift` turns.
fn transmit(k: usize, m: usize, lost: u32, shift: usize) -> Vec<u32> {
    let mut encoder = encoder(k);
    let parities: Vec<_> = (0..m).map(|_| parity(&mut encoder, 0, k as u8)).collect();
    let mut decoder = Decoder::new();
    for turn in 0..k + m {
        let index = (turn + shift) % (k + m);
        if lost >> index & 1 == 1 {
            continue;
        }
        match index.checked_sub(k) {
            None => decoder.handle_source(index as u32, &packet(index)).expect("short"),
            Some(parity) => decoder.handle_parity(&parities[parity]).expect("whole"),
        }
    }
    // What parity comes to before the packets themselves come is no loss.
    let mut made = recovered(&mut decoder);
    made.retain(|number| lost >> number & 1 == 1);
    made
}

#[test]
fn every_pattern_of_up_to_m_losses_is_repaired_and_no_other() {
    for k in 1..=7 {
        for m in 1..=4 {
            for lost in 0..1_u32 << (k + m) {
                let missing: Vec<_> = (0..k as u32).filter(|index| lost >> index & 1 == 1).collect();
                let made = transmit(k, m, lost, lost as usize % (k + m));
                let is_enough = lost.count_ones() as usize <= m;
                assert_eq!(made, if is_enough { missing } else { Vec::new() }, "k {k}, m {m}, lost {lost:b}");
            }
        }
    }
}

#[test]
fn every_burst_of_m_losses_in_a_full_window_is_repaired() {
    let k = usize::from(MAX_WINDOW);
    let mut encoder = encoder(k);
    let parities: Vec<_> = (0..12).map(|_| parity(&mut encoder, 0, MAX_WINDOW)).collect();
    for start in 0..=k - 12 {
        let mut decoder = Decoder::new();
        for number in (0..k).filter(|number| !(start..start + 12).contains(number)) {
            decoder.handle_source(number as u32, &packet(number)).expect("short");
        }
        parities.iter().for_each(|parity| decoder.handle_parity(parity).expect("whole"));
        assert_eq!(recovered(&mut decoder), (start as u32..start as u32 + 12).collect::<Vec<_>>());
    }
}

#[test]
fn parity_made_later_counts_as_much_as_that_made_before() {
    let mut encoder = encoder(10);
    let before = parity(&mut encoder, 0, 10);
    let later: Vec<_> = (0..100).map(|_| parity(&mut encoder, 0, 10)).collect();
    let mut decoder = Decoder::new();
    (0..7).for_each(|number| decoder.handle_source(number, &packet(number as usize)).expect("short"));
    for parity in [&before, &later[57], &before, &later[99]] {
        assert_eq!(recovered(&mut decoder), [] as [u32; 0]);
        decoder.handle_parity(parity).expect("whole");
    }
    assert_eq!(recovered(&mut decoder), [7, 8, 9]);
}

#[test]
fn windows_that_overlap_repair_together_what_none_could_alone() {
    let mut encoder = encoder(12);
    let windows: Vec<_> = [(0, 6), (3, 6), (6, 6)].map(|(first, count)| parity(&mut encoder, first, count)).into();
    let mut decoder = Decoder::new();
    let lost = [4, 5, 7];
    for number in (0..12).filter(|number| !lost.contains(number)) {
        decoder.handle_source(number, &packet(number as usize)).expect("short");
    }
    decoder.handle_parity(&windows[0]).expect("whole");
    decoder.handle_parity(&windows[1]).expect("whole");
    assert_eq!(recovered(&mut decoder), [] as [u32; 0]);
    decoder.handle_parity(&windows[2]).expect("whole");
    assert_eq!(recovered(&mut decoder), lost);
}

#[test]
fn numbers_may_wrap() {
    let mut encoder = encoder(0);
    let mut decoder = Decoder::new();
    // As if 2^32 packets had gone before: the decoder knows numbers by their lowest 32 bits only.
    for number in 0..3_u32 {
        encoder.push(&packet(number as usize)).expect("short");
    }
    decoder.handle_source(u32::MAX, b"before").expect("short");
    decoder.handle_source(0, &packet(0)).expect("short");
    decoder.handle_source(2, &packet(2)).expect("short");
    decoder.handle_parity(&parity(&mut encoder, 0, 3)).expect("whole");
    assert_eq!(recovered(&mut decoder), [1]);
}

#[test]
fn what_comes_twice_or_too_late_changes_nothing() {
    let mut encoder = encoder(4);
    let old = parity(&mut encoder, 0, 4);
    let mut decoder = Decoder::new();
    (0..3).for_each(|number| decoder.handle_source(number, &packet(number as usize)).expect("short"));
    decoder.handle_source(2, b"another content").expect("short");
    decoder.handle_source(400, b"later").expect("short");
    decoder.handle_parity(&old).expect("late, not wrong");
    decoder.handle_source(3, b"late").expect("short");
    assert_eq!(decoder.poll_recovered(), None);
}

#[test]
fn windows_that_are_not_kept_are_refused() {
    let mut encoder = encoder(300);
    let mut out = Vec::new();
    for (first, count) in [(171, 1), (172, 0), (299, 2), (300, 1), (0, 4), (u32::MAX, 1)] {
        assert_eq!(encoder.write_parity(first, count, &mut out), Err(FecError::WindowOutOfRange), "{first}, {count}");
    }
    assert_eq!(encoder.write_parity(172, 128, &mut out), Ok(()));
    assert_eq!(encoder.push(&[0; MAX_PACKET + 1]), Err(FecError::TooLong(MAX_PACKET + 1)));
    assert_eq!(Decoder::new().handle_source(0, &[0; MAX_PACKET + 1]), Err(FecError::TooLong(MAX_PACKET + 1)));
}

#[test]
fn malformed_parity_of_every_length_is_refused_or_harmless() {
    for fill in [0x00, 0x01, 0x7f, 0xff] {
        let mut decoder = Decoder::new();
        decoder.handle_source(fill.into(), b"something").expect("short");
        for length in 0..=MAX_PACKET + 20 {
            let result = decoder.handle_parity(&vec![fill; length]);
            match (length, fill) {
                (0..4, _) => assert_eq!(result, Err(FecError::Truncated { needs: 4, has: length })),
                (4..6, _) => assert_eq!(result, Err(FecError::Truncated { needs: 6, has: length })),
                (1_509.., _) => assert_eq!(result, Err(FecError::TooLong(length))),
                (_, 0x00) => assert_eq!(result, Err(FecError::NothingProtected)),
                (_, 0xff) => assert_eq!(result, Err(FecError::NoSuchRow)),
                (6..8, _) => assert_eq!(result, Err(FecError::Truncated { needs: 8, has: length })),
                _ => assert_eq!(result, Ok(())),
            }
        }
    }
}

proptest! {
    #[test]
    fn whatever_is_lost_is_made_as_soon_as_there_is_enough_of_one_window(
        lost in prop::collection::btree_set(0..40_u32, 0..12),
        received in 0..14_usize,
        order in any::<u64>(),
    ) {
        let mut encoder = encoder(40);
        let mut decoder = Decoder::new();
        let parities: Vec<_> = (0..received).map(|_| parity(&mut encoder, 0, 40)).collect();
        let mut events: Vec<_> = (0..40).filter(|number| !lost.contains(number)).collect();
        events.extend(100..100 + received as u32);
        events.sort_by_key(|event| (u64::from(*event) + 1).wrapping_mul(order | 1));
        for event in events {
            match event.checked_sub(100) {
                None => decoder.handle_source(event, &packet(event as usize)).expect("short"),
                Some(index) => decoder.handle_parity(&parities[index as usize]).expect("whole"),
            }
        }
        let made = recovered(&mut decoder);
        if lost.len() <= received {
            // A packet may have been made before the network brought it.
            prop_assert!(lost.iter().all(|number| made.contains(number)), "{made:?} of {lost:?}");
        } else {
            prop_assert!(made.is_empty(), "{made:?} of {lost:?}");
        }
    }

    #[test]
    fn anything_may_come(events in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 0..40), 0..600_u32), 0..200)) {
        let mut decoder = Decoder::new();
        for (is_source, mut bytes, number) in events {
            if is_source {
                decoder.handle_source(number, &bytes).expect("short");
            } else {
                if bytes.len() >= 6 {
                    bytes[..4].copy_from_slice(&number.to_be_bytes());
                    bytes[4] &= 0x7f;
                    bytes[5] &= 0x7f;
                }
                let _ = decoder.handle_parity(&bytes);
            }
            while decoder.poll_recovered().is_some() {}
        }
    }
}
