//! See [`conclave_fuzz::bearer`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    conclave_fuzz::bearer(data);
});
