//! Text that people write and text that programs write: what may be in a name, and cutting a byte
//! stream into pieces without cutting a character.

/// Text that cannot be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidText {
    /// Nothing to see in it.
    #[error("It must not be empty.")]
    Empty,
    /// More characters than are allowed.
    #[error("It may have at most {characters} characters.")]
    TooLong {
        /// So many are allowed.
        characters: usize,
    },
    /// A control character, or one that makes the text around it look like something else.
    #[error("It contains a control character or another character that cannot be shown.")]
    ForbiddenCharacter,
    /// A character that a username cannot have.
    #[error(
        "A username has letters (a to z), digits, dots, dashes and underscores, and starts with a letter or digit."
    )]
    NotAUsername,
    /// A name that is kept for something else.
    #[error("This name is reserved. Please choose another one.")]
    Reserved,
}

/// Checks one line of text, such as a name: 1 to `max` characters, none of them invisible or able to
/// turn around the text beside it. Space around it is dropped.
pub fn line(text: &str, max: usize) -> Result<String, InvalidText> {
    let text = text.trim();
    // Joiners are part of emoji and of several scripts, but no name consists of them.
    if text.chars().all(|c| c.is_whitespace() || matches!(c, '\u{200c}' | '\u{200d}' | '\u{fe0f}')) {
        return Err(InvalidText::Empty);
    }
    if text.chars().nth(max).is_some() {
        return Err(InvalidText::TooLong { characters: max });
    }
    if text.chars().any(is_deceptive) {
        return Err(InvalidText::ForbiddenCharacter);
    }
    Ok(text.to_owned())
}

/// Checks text of several lines, such as a remark: 1 to `max` characters, line feeds and tabs allowed,
/// no other control character.
pub fn paragraphs(text: &str, max: usize) -> Result<String, InvalidText> {
    let text = text.trim_end();
    if text.trim().is_empty() {
        return Err(InvalidText::Empty);
    }
    if text.chars().nth(max).is_some() {
        return Err(InvalidText::TooLong { characters: max });
    }
    let text = text.replace("\r\n", "\n");
    if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t')) {
        return Err(InvalidText::ForbiddenCharacter);
    }
    Ok(text)
}

/// Control characters, line separators, the explicit bidirectional formatting characters (Unicode
/// standard annex 9, section 2), zero-width spaces, and tag characters.
fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{061c}'
                | '\u{200b}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{2069}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

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
    fn a_line_shows_what_it_says() {
        assert_eq!(line("  Ada Lovelace ", 80).as_deref(), Ok("Ada Lovelace"));
        assert_eq!(line("👩‍💻 אדה ادا 阿达", 80).as_deref(), Ok("👩‍💻 אדה ادا 阿达"));
        assert_eq!(line("ä".repeat(80).as_str(), 80).map(|t| t.len()), Ok(160));
        assert_eq!(line(&"ä".repeat(81), 80), Err(InvalidText::TooLong { characters: 80 }));
        for empty in ["", "  ", "\u{200d}", "\u{3000}"] {
            assert_eq!(line(empty, 80), Err(InvalidText::Empty), "{empty:?}");
        }
        for bad in ["a\0b", "a\nb", "\u{202e}nimda", "a\u{2066}b", "a\u{200b}b", "a\u{1b}[31m", "a\u{e0041}"] {
            assert_eq!(line(bad, 80), Err(InvalidText::ForbiddenCharacter), "{bad:?}");
        }
    }

    #[test]
    fn paragraphs_keep_their_lines() {
        assert_eq!(paragraphs("  a\r\n\tb\n\n", 80).as_deref(), Ok("  a\n\tb"));
        assert_eq!(paragraphs("\n", 80), Err(InvalidText::Empty));
        assert_eq!(paragraphs("a\0", 80), Err(InvalidText::ForbiddenCharacter));
        assert_eq!(paragraphs("abc", 2), Err(InvalidText::TooLong { characters: 2 }));
    }

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
