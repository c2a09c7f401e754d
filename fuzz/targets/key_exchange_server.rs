#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| anwdl_fuzz::run("key_exchange_server", data));
