//! See [`conclave_fuzz::vp9`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| conclave_fuzz::vp9(data));
