//! See [`conclave_fuzz::forwarding`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    conclave_fuzz::forwarding(data);
});
