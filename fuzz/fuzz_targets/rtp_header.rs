//! See [`conclave_fuzz::rtp_header`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    conclave_fuzz::rtp_header(data);
});
