//! The quality-of-service stack for the browser, as a WebAssembly module (wasm32-unknown-unknown).
//!
//! What it exports is what proves that the browser decides as the server does: every run of the simulator by numbers, and
//! its hash. `tests/equality.test.mjs` compares the hashes with those of `examples/hashes.rs`, which calls the same functions
//! natively. Only plain numbers cross the border, so that no generated code is needed on the other side.

mod bearer;
mod numbers;
mod playout;

use conclave_network::CONTROLLERS;

/// Exports functions under their own names, in WebAssembly only: natively a name without a crate's prefix could hide
/// another library's.
macro_rules! exported {
    ($($(#[$documentation:meta])* fn $name:ident($($argument:ident: $kind:ty),*) -> $result:ty $body:block)*) => {$(
        $(#[$documentation])*
        #[cfg_attr(
            target_arch = "wasm32",
            allow(unsafe_code, reason = "a module has no other way to export, and its exports are no system's symbols"),
            unsafe(no_mangle)
        )]
        pub extern "C" fn $name($($argument: $kind),*) -> $result $body
    )*};
}

exported! {
    /// How many scenarios there are; they are numbered from 0 on.
    fn scenario_count() -> u32 {
        u32::try_from(conclave_network::scenario_count()).unwrap_or(u32::MAX)
    }

    /// How many controllers there are; they are numbered from 0 on.
    fn controller_count() -> u32 {
        u32::try_from(CONTROLLERS.len()).unwrap_or(u32::MAX)
    }

    /// Plays a scenario with a controller and gives the hash of all that happened; 0 if there is no such scenario or
    /// controller.
    fn run_hash(scenario: u32, controller: u32, seed: u32) -> u64 {
        // Places fit: a usize has 32 bits or more wherever this runs.
        conclave_network::hash_of(scenario as usize, controller as usize, u64::from(seed)).unwrap_or(0)
    }

    /// Receives a call over a bad path and gives the hash of all that is heard and shown.
    fn playout_hash(seed: u32) -> u64 {
        playout::hash(seed)
    }

    /// Sends a call over each kind of bearer and gives the hash of all that is handed over.
    fn bearer_hash(seed: u32) -> u64 {
        bearer::hash(seed)
    }
}

#[cfg(test)]
mod tests {
    use super::{controller_count, run_hash, scenario_count};

    #[test]
    fn what_does_not_exist_has_no_hash() {
        assert_eq!(run_hash(scenario_count(), 0, 1), 0);
        assert_eq!(run_hash(0, controller_count(), 1), 0);
        assert_eq!(run_hash(u32::MAX, u32::MAX, 1), 0);
    }

    #[test]
    fn a_call_can_be_repeated_and_another_seed_is_another_call() {
        for hash in [super::playout_hash, super::bearer_hash] {
            let first = hash(1);
            assert_eq!(first, hash(1));
            assert_ne!(first, hash(2));
            assert_ne!(first, 0);
        }
    }
}
