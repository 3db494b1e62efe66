//! Sound of 20 ms a packet, with copies of earlier ones in RED.

use std::collections::BTreeSet;

use conclave_qos::fec::red::{self, Block};
use conclave_qos::repair::{Copies, LossPattern, MAX_COPIES};

use super::Channel;

/// Ticks of 48 kHz in a packet.
const TICKS: u32 = 960;

#[derive(Clone, Copy, Debug)]
pub struct Case {
    pub loss: f64,
    pub burst: f64,
    /// How far back a copy still comes in time, in packets: what is left of the budget after the way.
    pub furthest: u32,
    pub minutes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// Share of the sounds that had to be made up.
    pub concealed: f64,
    /// Copies for each packet, on average.
    pub copies: f64,
}

pub fn run(case: Case, seed: u64) -> Outcome {
    let mut channel = Channel::new(case.loss, case.burst, seed);
    let mut pattern = LossPattern::new();
    let mut copies = Copies::default();
    let (mut there, mut concealed, mut carried) = (BTreeSet::new(), 0, 0);
    let packets = case.minutes * 60 * 50;
    // The measure of losses begins with nothing: 10 s are not looked at.
    let from = 500;
    let mut packet = Vec::new();
    for number in 0..packets {
        if number % 50 == 0 {
            copies = Copies::choose(pattern.model(), case.furthest, MAX_COPIES, 0.002);
        }
        let sounds: Vec<(u32, [u8; 8])> = copies
            .distances()
            .filter_map(|distance| Some((distance, number.checked_sub(u64::from(distance))?)))
            .chain([(0, number)])
            .map(|(distance, number)| (distance, number.to_be_bytes()))
            .collect();
        let blocks: Vec<_> = sounds
            .iter()
            .map(|(distance, sound)| Block { payload_type: 111, offset: (distance * TICKS) as u16, payload: sound })
            .collect();
        red::write(&blocks, &mut packet).expect("small");
        carried += blocks.len() as u64 - 1;
        let is_lost = channel.loses();
        pattern.record(is_lost);
        if !is_lost {
            for block in red::parse(&packet).expect("as written") {
                let sound = u64::from_be_bytes(block.payload.try_into().expect("8 bytes"));
                assert_eq!(sound + u64::from(block.offset) / u64::from(TICKS), number);
                there.insert(sound);
            }
        }
        let Some(due) = number.checked_sub(u64::from(case.furthest)) else { continue };
        concealed += u64::from(!there.remove(&due) && due >= from);
        there.retain(|sound| *sound > due);
    }
    Outcome {
        concealed: concealed as f64 / (packets - from - u64::from(case.furthest)) as f64,
        copies: carried as f64 / packets as f64,
    }
}
