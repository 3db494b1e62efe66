//! See [`conclave_fuzz::turn`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    conclave_fuzz::turn(data);
});
