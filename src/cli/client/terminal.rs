//! Text for a person's terminal.
//!
//! Titles, names, messages and versions were written by other people. A terminal obeys escape
//! sequences in them, so whatever is printed for people passes [`plain`] or [`plain_lines`] first.
//! A program's own output in `run` does not: it is passed on byte for byte, as if it had run here.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;
use unicode_width::UnicodeWidthStr as _;

use super::failure::Failure;

/// Whether something stands on the terminal's current line, as far as it is known here: a program may leave a line
/// without an end.
static IS_LINE_BEGUN: AtomicBool = AtomicBool::new(false);

/// One line of text without any power over the terminal.
pub fn plain(text: &str) -> String {
    neutralise(text, false)
}

/// The same for text of several lines: line feeds and tabs stay.
pub fn plain_lines(text: &str) -> String {
    neutralise(text, true)
}

fn neutralise(text: &str, are_lines_kept: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' | '\t' if are_lines_kept => out.push(character),
            // The control pictures of Unicode, U+2400 to U+2421, show which one it was.
            '\0'..='\x1f' => out.extend(char::from_u32(0x2400 + u32::from(character))),
            '\x7f' => out.push('\u{2421}'),
            _ if is_treacherous(character) => {
                write!(out, "\\u{{{:x}}}", u32::from(character)).expect("writing to a String cannot fail");
            }
            _ => out.push(character),
        }
    }
    out
}

/// C1 controls (8-bit escape sequences) and everything that reorders or hides text.
fn is_treacherous(character: char) -> bool {
    matches!(
        character,
        '\u{7f}'..='\u{9f}'
            | '\u{61c}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

/// Prints a line on standard output, made harmless.
pub fn print_line(text: &str) -> Result<(), Failure> {
    print(&format!("{}\n", plain(text)))
}

/// Prints text that is harmless already.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
        .map_err(Failure::io("cannot write to standard output"))
}

/// Prints a document for scripts: plain JSON, in which no terminal finds anything to obey either.
pub fn print_json(document: &impl Serialize) -> Result<(), Failure> {
    let json =
        serde_json::to_string_pretty(document).map_err(|error| Failure::io("cannot write the answer")(error.into()))?;
    print(&format!("{}\n", escape_json(&json)))
}

/// JSON escapes C0 controls by itself; the others can only stand in its strings.
fn escape_json(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for character in json.chars() {
        if is_treacherous(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}").expect("writing to a String cannot fail");
            }
        } else {
            out.push(character);
        }
    }
    out
}

/// `text` cut to so many columns, with an ellipsis where something is missing.
pub fn fit(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let mut out = String::new();
    for character in text.chars() {
        if out.width() + character.to_string().width() + 1 > columns {
            break;
        }
        out.push(character);
    }
    out.push('…');
    out
}

/// How wide the terminal on standard output is; 100 where there is none.
pub fn columns() -> usize {
    terminal_size::terminal_size().map_or(100, |(width, _)| usize::from(width.0))
}

/// How high the terminal on standard output is; `None` where there is none.
pub fn rows() -> Option<usize> {
    terminal_size::terminal_size().map(|(_, height)| usize::from(height.0))
}

/// Whether somebody watches standard error.
pub fn is_stderr_watched() -> bool {
    io::stderr().is_terminal()
}

/// Whether somebody watches standard output.
pub fn is_stdout_watched() -> bool {
    io::stdout().is_terminal()
}

/// Notes what a program wrote to the terminal, or what somebody typed there.
pub fn note(bytes: &[u8]) {
    if let Some(last) = bytes.last() {
        IS_LINE_BEGUN.store(*last != b'\n', Ordering::Relaxed);
    }
}

/// Ends the line that a program began, so that what comes next does not overwrite it.
pub fn end_line() {
    if is_stderr_watched() && IS_LINE_BEGUN.swap(false, Ordering::Relaxed) {
        print_error("\n");
    }
}

/// A line on standard error about what is going on, made harmless.
pub fn notice(text: &str) {
    say(&format!("codecanvas: {}", plain(text)));
}

/// Harmless text on standard error, on lines of its own.
pub fn say(text: &str) {
    end_line();
    print_error(&format!("{text}\n"));
}

/// Whoever closed standard error does not want to know.
fn print_error(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}

/// Rows as aligned columns, two spaces apart, each cell made harmless; the last column is cut at the
/// terminal's edge. Every row has as many cells as `header`.
pub fn table(header: &[&str], rows: &[Vec<String>]) -> String {
    let cells: Vec<Vec<String>> = std::iter::once(header.iter().map(|title| (*title).to_owned()).collect())
        .chain(rows.iter().map(|row| row.iter().map(|cell| plain(cell)).collect()))
        .collect();
    let widths: Vec<usize> = (0..header.len())
        .map(|column| cells.iter().filter_map(|row| row.get(column)).map(|cell| cell.width()).max().unwrap_or(0))
        .collect();
    // What is written to a file or a pipe is never cut.
    let edge = if is_stdout_watched() { columns() } else { usize::MAX };
    let mut out = String::new();
    for row in &cells {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            line.push_str(cell);
            if column + 1 < row.len() {
                line.push_str(&" ".repeat(widths[column] - cell.width() + 2));
            }
        }
        out.push_str(fit(line.trim_end(), edge).as_str());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_lose_their_power_and_stay_visible() {
        assert_eq!(plain("a\x1b]0;owned\x07b"), "a␛]0;owned␇b");
        assert_eq!(plain("two\nlines"), "two␊lines");
        assert_eq!(plain("\u{9b}31m\x7f"), "\\u{9b}31m␡");
        assert_eq!(plain("exe\u{202e}gpj.\u{200b}"), "exe\\u{202e}gpj.\\u{200b}");
        assert_eq!(plain_lines("a\tb\r\n"), "a\tb␍\n");
        assert_eq!(plain("Grüße 😀"), "Grüße 😀");
    }

    #[test]
    fn json_stays_the_same_document_without_anything_to_obey() {
        let document = serde_json::json!({ "title": "a\u{9b}31m\u{202e}b\u{e0041}\x1b" });
        let text = escape_json(&document.to_string());
        assert!(text.is_ascii(), "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), document);
    }

    #[test]
    fn columns_line_up_also_with_wide_characters() {
        let rows = [vec!["日本".to_owned(), "x".to_owned()], vec!["ada".to_owned(), "y".to_owned()]];
        assert_eq!(table(&["NAME", "WHAT"], &rows), "NAME  WHAT\n日本  x\nada   y\n");
    }

    #[test]
    fn long_text_is_cut_with_an_ellipsis() {
        assert_eq!(fit("abcdef", 4), "abc…");
        assert_eq!(fit("abc", 4), "abc");
    }
}
