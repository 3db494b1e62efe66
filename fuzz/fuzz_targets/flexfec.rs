//! See [`conclave_fuzz::flexfec`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    conclave_fuzz::flexfec(data);
});
