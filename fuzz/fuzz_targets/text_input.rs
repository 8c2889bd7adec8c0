//! Ids, cursors, names and codes, as clients send them: parsed or refused, and what is parsed reads
//! back as itself.
#![no_main]

use codecanvas::domain::attempt::ActivityCursor;
use codecanvas::domain::course::{CourseTitle, JoinCode};
use codecanvas::domain::ids::{AnyId, SubmissionId};
use codecanvas::domain::user::{DisplayName, Username};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(id) = text.parse::<SubmissionId>() {
        assert_eq!(id.to_string(), text);
        assert_eq!(text.parse(), Ok(AnyId::SubmissionId(id)));
    }
    if let Ok(cursor) = text.parse::<ActivityCursor>() {
        assert_eq!(cursor.to_string().parse::<ActivityCursor>().ok(), Some(cursor));
    }
    if let Some(code) = JoinCode::parse(text) {
        assert_eq!(JoinCode::parse(code.as_str()).as_ref().map(JoinCode::as_str), Some(code.as_str()));
    }
    if let Ok(name) = Username::parse(text) {
        assert!(name.as_str().len() <= 40);
    }
    if let Ok(name) = DisplayName::parse(text) {
        assert!(!name.as_str().chars().any(char::is_control));
    }
    // The result does not matter: it must not panic.
    let _ = CourseTitle::parse(text);
});
