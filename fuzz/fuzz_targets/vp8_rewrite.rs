//! See [`conclave_fuzz::vp8_rewrite`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| conclave_fuzz::vp8_rewrite(data));
