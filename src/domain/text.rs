//! Cutting a byte stream into pieces without cutting a character.

/// How many bytes at the end of `bytes` belong to a character whose rest has not come yet: 0 to 3.
///
/// What is not UTF-8 at all is not held back: it will be shown as U+FFFD wherever it is cut.
/// The rule is that of the Unicode standard, table 3-7 (well-formed UTF-8 byte sequences).
pub fn incomplete_tail(bytes: &[u8]) -> usize {
    if std::str::from_utf8(&bytes[bytes.len().saturating_sub(4)..]).is_ok() {
        return 0;
    }
    // Look for the last byte that can start a character among the last three.
    for length in 1..=bytes.len().min(3) {
        let tail = &bytes[bytes.len() - length..];
        if tail[0] & 0b1100_0000 == 0b1000_0000 {
            continue;
        }
        return match std::str::from_utf8(tail) {
            // `error_len` is `None` exactly where more bytes could complete the character.
            Err(error) if error.error_len().is_none() && error.valid_up_to() == 0 => length,
            Ok(_) | Err(_) => 0,
        };
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_character_is_held_back_whole() {
        let text = "aé€😀";
        for end in 0..=text.len() {
            let bytes = &text.as_bytes()[..end];
            let kept = bytes.len() - incomplete_tail(bytes);
            assert!(text.is_char_boundary(kept), "{end}");
            assert!(end - kept < 4);
        }
    }

    #[test]
    fn what_is_not_utf8_is_not_held_back() {
        for bytes in [&b"\xff"[..], b"\x80\x80\x80\x80", b"a\xc0", b"\xe2\x28", b"\xed\xa0", b"\xf5", b"\xf4\x90\x80"] {
            assert_eq!(incomplete_tail(bytes), 0, "{bytes:?}");
        }
    }
}
