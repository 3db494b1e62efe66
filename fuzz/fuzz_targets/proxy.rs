//! See [`conclave_fuzz::proxy`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| conclave_fuzz::proxy(data));
