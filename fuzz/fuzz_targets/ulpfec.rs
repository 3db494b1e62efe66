//! See [`conclave_fuzz::ulpfec`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    conclave_fuzz::ulpfec(data);
});
