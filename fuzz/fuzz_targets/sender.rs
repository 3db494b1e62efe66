//! See [`conclave_fuzz::sender`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    conclave_fuzz::sender(data);
});
