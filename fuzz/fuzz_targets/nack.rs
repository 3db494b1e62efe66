//! See [`conclave_fuzz::nack`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    conclave_fuzz::nack(data);
});
