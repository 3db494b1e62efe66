//! A network in virtual time: flows with a sender, a receiver and feedback each, over one bottleneck; and what is to be
//! seen on it, as data. The tests check it, the bench prints it.

#![allow(dead_code, reason = "the tests and the bench each use a part")]

mod flow;
pub mod gcc;
mod link;
mod random;
pub mod scenarios;

pub use flow::{Application, Flow};
pub use link::{Link, Path};
pub use random::Random;

use conclave_qos::Time;
use std::time::Duration;

/// A moment.
pub fn at(micros: u64) -> Time {
    Time::since_start(Duration::from_micros(micros))
}

/// How finely time passes. Finer than any burst, coarse enough to run hours in a second.
const STEP: u64 = 250;

/// Runs the flows over the link for so long, µs.
pub fn run(link: &mut Link, flows: &mut [Flow], micros: u64) {
    for now in (0..micros).step_by(STEP as usize) {
        for (index, flow) in flows.iter_mut().enumerate() {
            flow.send(now, index, link);
        }
        while let Some((index, packet)) = link.poll(now) {
            flows[index].arrive(packet);
        }
        for flow in flows.iter_mut() {
            flow.handle_feedback(now);
        }
        link.sample(now);
    }
}
