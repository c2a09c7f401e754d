#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| anwdl_fuzz::run("framing_v2", data));
