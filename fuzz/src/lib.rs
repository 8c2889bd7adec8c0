//! What must hold for every input that is parsed by hand, whatever somebody sends.
//!
//! Each check takes any bytes and panics where a promise is broken. libFuzzer calls them with what it
//! thinks of (`make fuzz`), and the tests with what is kept in `fuzz/seeds`, a directory for each check.

use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::os::unix::net::UnixDatagram;
use std::path::{Component, Path};

use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue};
use codecanvas::api::credential::Credential;
use codecanvas::api::protocol::document::{self, DocumentLimits};
use codecanvas::api::protocol::negotiate::{Format, is_json};
use codecanvas::api::protocol::operation::{Operation, Parameters};
use codecanvas::api::protocol::websocket::ClientMessage;
use codecanvas::config;
use codecanvas::domain::attempt::ActivityCursor;
use codecanvas::domain::course::{CourseTitle, JoinCode};
use codecanvas::domain::event::EventCursor;
use codecanvas::domain::ids::{AnyId, AttemptId, SubmissionId, UserId};
use codecanvas::domain::language::OfferedLanguage;
use codecanvas::domain::limits::Limits;
use codecanvas::domain::text::{incomplete_tail, line, paragraphs};
use codecanvas::domain::units::Bytes;
use codecanvas::domain::user::{DisplayName, Username};
use codecanvas::domain::verdict::{AttemptState, Verdict};
use codecanvas::executor::language::command::{Command, Template};
use codecanvas::executor::language::file;
use codecanvas::service::exports::csv_lines;
use codecanvas::service::input::{NewFileInput, NewSubmission, NewSubmissionInput, SubmissionBounds};
use codecanvas::store::exports::HistoryRow;
use codecanvas::store::log;
use codecanvas_sandbox::message::{Request, Response, recv};

/// A check.
pub type Check = fn(&[u8]);

/// Every check under the name of its seeds.
pub const CHECKS: [(&str, Check); 10] = [
    ("export_csv", export_csv),
    ("graphql_request", graphql_request),
    ("keeper_message", keeper_message),
    ("language_file", language_file),
    ("output_cut", output_cut),
    ("packed_log", packed_log),
    ("request_header", request_header),
    ("settings", settings),
    ("submission_files", submission_files),
    ("text_input", text_input),
];

/// The text of the bytes, invalid parts replaced: what is not text never reaches a parser of text.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A table reads back cell by cell, and no cell that somebody chose is a formula. Input: username,
/// display name, language and path with NULs between them.
pub fn export_csv(bytes: &[u8]) {
    let text = text(bytes);
    let mut parts = text.split('\0').map(ToOwned::to_owned);
    let mut part = || parts.next().unwrap_or_default();
    let chosen = [part(), part(), part(), part()];
    let [username, display_name, language, main_path] = chosen.clone();
    let row = HistoryRow {
        submission_id: SubmissionId::new(),
        attempt_id: AttemptId::new(),
        created_at: chrono::DateTime::UNIX_EPOCH,
        username,
        display_name,
        language,
        main_path,
        state: AttemptState::Finished,
        verdict: Some(Verdict::Ok),
        started_at: None,
        finished_at: None,
        exit_code: Some(-1),
        signal: None,
        cpu_time_ms: None,
        wall_time_ms: None,
        peak_memory_bytes: None,
        attempts: 1,
    };
    let written = csv_lines(vec![row.clone(), row]).expect("rows can be written");
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(written.as_slice());
    let mut count = 0;
    for record in reader.records() {
        let record = record.expect("what was written can be read");
        assert_eq!(record.len(), 17);
        for (cell, chosen) in record.iter().skip(3).zip(&chosen) {
            assert!(cell == chosen || cell.strip_prefix('\'') == Some(chosen), "{cell:?} {chosen:?}");
            assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{cell:?}");
        }
        count += 1;
    }
    assert_eq!(count, 2);
}

/// A request by any transport is taken or refused, in little memory and time, however it is nested.
pub fn graphql_request(bytes: &[u8]) {
    let text = text(bytes);
    let limits = DocumentLimits::default();
    // The results do not matter: nothing may panic or take long.
    let _ = document::parse(&text, &limits);
    let _ = ClientMessage::parse(&text);
    for parameters in [Parameters::from_body(bytes), Parameters::from_query_string(&text)].into_iter().flatten() {
        let _ = Operation::prepare(parameters, &limits);
    }
}

/// A worker understands or refuses whatever comes from a keeper, and the other way round.
pub fn keeper_message(bytes: &[u8]) {
    for is_request in [true, false] {
        let (ours, theirs) = UnixDatagram::pair().expect("a pair of sockets");
        // What is larger than a datagram cannot arrive.
        if ours.set_nonblocking(true).is_err() || ours.send(bytes).is_err() {
            return;
        }
        drop(ours);
        if is_request {
            let _ = recv::<Request>(theirs.as_fd());
        } else {
            let _ = recv::<Response>(theirs.as_fd());
        }
    }
}

/// A file of an operator is a language or has a line that is wrong.
pub fn language_file(bytes: &[u8]) {
    let text = text(bytes);
    match file::parse("fuzz.toml", &text) {
        Ok(language) => {
            assert!(!language.name.is_empty() && !language.name.contains('/'));
            assert!(!language.source_file.contains('/'));
        }
        Err(error) => assert!((1..=text.lines().count() + 1).contains(&error.line), "{error}"),
    }
    let _ = Template::parse(&text);
    let _ = Command::parse(&text.split(' ').map(ToOwned::to_owned).collect::<Vec<_>>());
}

/// Output is cut between characters wherever a program's writes happen to end.
pub fn output_cut(bytes: &[u8]) {
    let kept = bytes.len() - incomplete_tail(bytes);
    assert!(bytes.len() - kept <= 3);
    if let Ok(text) = std::str::from_utf8(bytes) {
        assert_eq!(kept, text.len());
    }
    // What is shown piece by piece is what is shown at once.
    let mut shown = text(&bytes[..kept]);
    shown.push_str(&text(&bytes[kept..]));
    assert_eq!(shown, text(bytes));
}

/// A packed log is read or damaged; what is read packs to the same log. Input: a log before it is
/// compressed, since nobody guesses what decompresses to something.
pub fn packed_log(bytes: &[u8]) {
    let _ = log::decode(bytes);
    let mut packed = vec![1];
    packed.extend(zstd::bulk::compress(bytes, 1).expect("anything can be compressed"));
    let Ok(events) = log::decode(&packed) else { return };
    let again = log::encode(&events).expect("a log can be packed");
    assert_eq!(log::decode(&again), Ok(events));
}

/// Headers are read by their rules or not at all.
pub fn request_header(bytes: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(bytes) else { return };
    let _ = Format::negotiate(&HeaderMap::from_iter([(ACCEPT, value.clone())]));
    let _ = is_json(&HeaderMap::from_iter([(CONTENT_TYPE, value.clone())]));
    if let Ok(text) = value.to_str()
        && let Ok(Credential::Bearer(secret)) = Credential::from_authorization(text)
    {
        assert!(!secret.expose().is_empty() && text.trim_end().ends_with(secret.expose()));
    }
    drop(HeaderMap::from_iter([(AUTHORIZATION, value)]));
}

/// Settings of flags, a line each, are in force or refused with their name.
pub fn settings(bytes: &[u8]) {
    let text = text(bytes);
    let pair = |line: &str| line.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()));
    let mut flags: config::Overrides = text.lines().filter_map(pair).collect();
    flags.push(("data_dir".to_owned(), "/nowhere".to_owned()));
    if let Err(error) = config::load(None, &BTreeMap::new(), &flags) {
        assert!(!error.to_string().is_empty());
    }
}

/// Files stay in their directory and do not stand in each other's way. Input: paths, a line each.
pub fn submission_files(bytes: &[u8]) {
    let text = text(bytes);
    let file = |path: &str| NewFileInput { path: path.to_owned(), text: Some("x".to_owned()), bytes: None };
    let input = NewSubmissionInput {
        language: "text".to_owned(),
        files: Some(text.split('\n').map(file).collect()),
        ..NewSubmissionInput::default()
    };
    let Ok(new) = NewSubmission::new(input, &[language()], &SubmissionBounds::default()) else { return };
    assert!(new.files.iter().any(|file| file.path == new.main_path));
    for file in &new.files {
        let path = Path::new(&file.path);
        assert!(path.components().all(|part| matches!(part, Component::Normal(_))), "{}", path.display());
        assert_eq!(path.components().collect::<std::path::PathBuf>().as_os_str(), path.as_os_str());
        assert!(path.components().all(|part| part.as_os_str().len() <= 255));
        let ancestors = path.ancestors().skip(1);
        assert!(!ancestors.into_iter().any(|above| new.files.iter().any(|other| Path::new(&other.path) == above)));
    }
}

/// A language that takes any file.
fn language() -> OfferedLanguage {
    let limits = Limits {
        cpu_time_ms: 1000,
        wall_time_ms: 1000,
        memory_bytes: Bytes::mib(1),
        output_bytes: Bytes::mib(1),
        processes: 1,
        disk_bytes: Bytes::mib(1),
    };
    OfferedLanguage {
        name: "text".to_owned(),
        display_name: "Text".to_owned(),
        version: "1".to_owned(),
        aliases: Vec::new(),
        extensions: vec![".txt".to_owned()],
        is_compiled: false,
        source_file: "main.txt".to_owned(),
        template: String::new(),
        editor_mode: "text".to_owned(),
        default_limits: limits,
        maximum_limits: limits,
        compile_limits: None,
        compile_command: None,
        run_command: "cat main.txt".to_owned(),
    }
}

/// Ids, cursors, names and codes, as clients send them: parsed or refused, and what is parsed reads
/// back as itself.
pub fn text_input(bytes: &[u8]) {
    let text = &text(bytes);
    if let Ok(id) = text.parse::<SubmissionId>() {
        assert_eq!(&id.to_string(), text);
        assert_eq!(text.parse(), Ok(AnyId::SubmissionId(id)));
        assert!(text.parse::<UserId>().is_err());
    }
    // Clients compare cursors as text: there is one way to write each.
    if let Ok(cursor) = text.parse::<ActivityCursor>() {
        assert_eq!(&cursor.to_string(), text);
    }
    if let Ok(cursor) = text.parse::<EventCursor>() {
        assert_eq!(&cursor.to_string(), text);
    }
    if let Some(code) = JoinCode::parse(text) {
        assert_eq!(JoinCode::parse(code.as_str()), Some(code));
    }
    if let Ok(name) = Username::parse(text) {
        assert!(name.as_str().len() <= 40);
    }
    if let Ok(name) = DisplayName::parse(text) {
        assert!(!name.as_str().chars().any(char::is_control));
    }
    if let Ok(title) = CourseTitle::parse(text) {
        assert_eq!(CourseTitle::parse(title.as_str()).ok(), Some(title));
    }
    if let Ok(once) = line(text, 80) {
        assert_eq!(line(&once, 80), Ok(once));
    }
    if let Ok(once) = paragraphs(text, 1000) {
        assert_eq!(paragraphs(&once, 1000), Ok(once));
    }
}
