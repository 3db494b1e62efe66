//! See [`conclave_fuzz::reed_solomon`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    conclave_fuzz::reed_solomon(data);
});
