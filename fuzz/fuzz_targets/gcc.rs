//! See [`conclave_fuzz::gcc`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    conclave_fuzz::gcc(data);
});
