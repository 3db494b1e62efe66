//! See [`conclave_fuzz::controllers`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    conclave_fuzz::controllers(data);
});
