//! Prints the hash of a call that is sent over each kind of bearer, as this machine computes it. `bearer SEED`; without one, seed 1.
#![allow(clippy::print_stdout, reason = "printing is what it is for")]

fn main() {
    let seed = std::env::args().nth(1).and_then(|seed| seed.parse().ok()).unwrap_or(1);
    println!("{:016x}", conclave_wasm::bearer_hash(seed));
}
