#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| anwdl_fuzz::run("validator", data));
