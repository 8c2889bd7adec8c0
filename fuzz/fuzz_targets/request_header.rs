#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| codecanvas_fuzz::request_header(bytes));
