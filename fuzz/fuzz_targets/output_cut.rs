//! Output is cut between characters wherever a program's writes happen to end.
#![no_main]

use codecanvas::domain::text::incomplete_tail;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let kept = bytes.len() - incomplete_tail(bytes);
    assert!(bytes.len() - kept <= 3);
    if let Ok(text) = std::str::from_utf8(bytes) {
        assert_eq!(kept, text.len());
    }
    // What is shown piece by piece is what is shown at once.
    let mut shown = String::from_utf8_lossy(&bytes[..kept]).into_owned();
    shown.push_str(&String::from_utf8_lossy(&bytes[kept..]));
    assert_eq!(shown, String::from_utf8_lossy(bytes));
});
