//! `history` and `show`: what was run before.

use chrono::{DateTime, Local, NaiveDate, NaiveTime, TimeZone as _, Utc};
use clap::Args;
use serde_json::{Value, json};

use super::answers::{
    AttemptAnswer, CourseAnswer, FindAnswer, Found, HistoryLine, LanguagesAnswer, Page, StepOutput, StepsOutput,
    Submission, SubmissionAnswer, ViewerAnswer, WithMembers, WithSubmissions,
};
use super::console::outcome_of;
use super::courses;
use super::failure::Failure;
use super::language;
use super::outcome;
use super::server::Server;
use super::terminal;
use crate::domain::verdict::{AttemptState, StepKind, Verdict};

/// The most that the service gives at once.
const PAGE: u32 = 100;

/// What `history` takes.
#[derive(Debug, Args)]
pub struct HistoryArgs {
    /// Only this language; may be repeated
    #[arg(short, long, value_name = "LANG")]
    language: Vec<String>,
    /// Only this verdict, such as ok, runtime-error, cpu-time-limit; may be repeated
    #[arg(long, value_parser = parse_word::<Verdict>)]
    verdict: Vec<Verdict>,
    /// Only this state: queued, compiling, running or finished; may be repeated
    #[arg(long, value_parser = parse_word::<AttemptState>)]
    state: Vec<AttemptState>,
    /// Only what was handed in for this course; its teachers see everybody's
    #[arg(long)]
    course: Option<String>,
    /// Only what this member of the course handed in
    #[arg(long, value_name = "USERNAME", requires = "course")]
    author: Option<String>,
    /// Only what was handed in since then: 2026-11-23, or an instant by RFC 3339
    #[arg(long, value_name = "WHEN", value_parser = parse_instant)]
    since: Option<DateTime<Utc>>,
    /// Only what was handed in before then
    #[arg(long, value_name = "WHEN", value_parser = parse_instant)]
    until: Option<DateTime<Utc>>,
    /// Only where a file contains this text
    #[arg(long, value_name = "TEXT")]
    contains: Option<String>,
    /// How many, newest first
    #[arg(short = 'n', long, default_value_t = 20)]
    limit: u32,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What `show` takes.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// A submission, or one of its attempts
    id: String,
    /// Print the source files too
    #[arg(long)]
    source: bool,
    /// Print JSON, with sources and output
    #[arg(long)]
    json: bool,
}

/// Lists submissions, newest first.
pub async fn history(server: &Server, args: HistoryArgs) -> Result<u8, Failure> {
    let course_id = match &args.course {
        Some(course) => Some(courses::find(server, course).await?.id),
        None => None,
    };
    let author_ids = match (&course_id, &args.author) {
        (Some(course_id), Some(author)) => Some(vec![member(server, course_id, author).await?]),
        (None | Some(_), None) | (None, Some(_)) => None,
    };
    let languages: Vec<String> = if args.language.is_empty() {
        Vec::new()
    } else {
        let offered: LanguagesAnswer = server.ask(include_str!("operations/languages.graphql"), ()).await?;
        args.language.iter().map(|name| language::resolve(&offered.languages, name)).collect()
    };
    let some = |list: Value| if list.as_array().is_some_and(Vec::is_empty) { Value::Null } else { list };
    let filter = json!({
        "authorIds": author_ids,
        "languages": some(json!(languages)),
        "verdicts": some(json!(args.verdict)),
        "states": some(json!(args.state)),
        "createdAfter": args.since,
        "createdBefore": args.until,
        "sourceContains": args.contains,
    });
    let mut lines: Vec<HistoryLine> = Vec::new();
    let mut after: Option<String> = None;
    let mut left = args.limit;
    while left > 0 {
        let first = left.min(PAGE);
        let page =
            page(server, course_id.as_deref(), &json!({ "first": first, "after": after, "filter": filter })).await?;
        left -= first;
        lines.extend(page.nodes);
        // A page that says there is more and gives no way on would be asked for again and again.
        match page.page_info.end_cursor.filter(|cursor| page.page_info.has_next_page && after.as_ref() != Some(cursor))
        {
            Some(cursor) => after = Some(cursor),
            None => break,
        }
    }
    if args.json {
        terminal::print_json(&lines)?;
        return Ok(0);
    }
    if lines.is_empty() {
        terminal::notice("nothing was handed in that this asks for");
        return Ok(0);
    }
    let is_author_shown = course_id.is_some();
    // The id comes first: it is what other commands take, and a narrow terminal cuts the end of a line.
    let mut header = vec!["ID", "WHEN", "RESULT", "LANGUAGE", "FILE"];
    if is_author_shown {
        header.insert(2, "WHO");
    }
    let rows: Vec<Vec<String>> = lines
        .into_iter()
        .map(|line| {
            let result = outcome::word(line.attempt.state, line.attempt.verdict).to_owned();
            let mut row = vec![line.id, when(line.created_at), result, line.language, line.main_path];
            if is_author_shown {
                row.insert(2, line.author.username);
            }
            row
        })
        .collect();
    terminal::print(&terminal::table(&header, &rows))?;
    Ok(0)
}

async fn page(server: &Server, course_id: Option<&str>, variables: &Value) -> Result<Page, Failure> {
    match course_id {
        None => {
            let answer: ViewerAnswer<WithSubmissions> =
                server.ask(include_str!("operations/history.graphql"), variables).await?;
            answer
                .viewer
                .map(|viewer| viewer.submissions)
                .ok_or_else(|| Failure::NotSignedIn { server: server.address().to_owned() })
        }
        Some(course_id) => {
            let mut variables = variables.clone();
            variables["courseId"] = json!(course_id);
            let answer: CourseAnswer<WithSubmissions> =
                server.ask(include_str!("operations/course_history.graphql"), variables).await?;
            answer.course.map(|course| course.submissions).ok_or_else(|| server.bad_answer("the course is gone"))
        }
    }
}

async fn member(server: &Server, course_id: &str, username: &str) -> Result<String, Failure> {
    let answer: CourseAnswer<WithMembers> =
        server.ask(include_str!("operations/members.graphql"), json!({ "courseId": course_id })).await?;
    answer
        .course
        .into_iter()
        .flat_map(|course| course.members)
        .find(|member| member.user.username.eq_ignore_ascii_case(username))
        .map(|member| member.user.id)
        .ok_or_else(|| Failure::Usage(format!("`{username}` is not a member of this course")))
}

/// Shows one submission with its newest attempt, or the attempt that was asked for.
pub async fn show(server: &Server, args: ShowArgs) -> Result<u8, Failure> {
    let found: FindAnswer = server.ask(include_str!("operations/find.graphql"), json!({ "id": args.id })).await?;
    let nothing = || Failure::Usage(format!("`{}` is no submission or attempt that you may see", args.id));
    let (attempt_id, submission_id) = match found.node.ok_or_else(nothing)? {
        Found::Attempt { id, submission, .. } => (id, submission.id),
        Found::Submission { id, attempt, .. } => (attempt.id, id),
        Found::Other => return Err(nothing()),
    };
    let submission: SubmissionAnswer =
        server.ask(include_str!("operations/submission.graphql"), json!({ "id": submission_id })).await?;
    let submission = submission.submission.ok_or_else(nothing)?;
    let output: AttemptAnswer<StepsOutput> =
        server.ask(include_str!("operations/output.graphql"), json!({ "attemptId": attempt_id })).await?;
    let outputs = output.attempt.map(|attempt| attempt.steps).unwrap_or_default();
    let outcome = outcome_of(server, &attempt_id).await?;
    if args.json {
        terminal::print_json(&json!({ "submission": submission, "attempt": outcome, "output": outputs }))?;
        return Ok(0);
    }
    let mut lines = described(&submission, args.source);
    lines.push(String::new());
    lines.push(format!("Attempt {}, {}", outcome.number, outcome.id));
    lines.extend(outcome.language_version.iter().map(|version| format!("  {}", terminal::plain(version))));
    lines.extend(outcome::sentence(&outcome).lines().map(|line| format!("  {line}")));
    lines.extend(outputs.iter().flat_map(written));
    // What people wrote is made harmless as a whole, output of programs included.
    terminal::print(&format!("{}\n", terminal::plain_lines(&lines.join("\n"))))?;
    Ok(0)
}

/// A submission line by line; what people wrote stays on the line where it belongs.
fn described(submission: &Submission, with_source: bool) -> Vec<String> {
    let mut lines = vec![
        submission.id.clone(),
        format!(
            "  {} by {} ({}), {}",
            terminal::plain(&submission.language),
            terminal::plain(&submission.author.username),
            terminal::plain(&submission.author.display_name),
            when(submission.created_at),
        ),
    ];
    lines.extend(submission.course.iter().map(|course| format!("  for {}", terminal::plain(&course.title))));
    if !submission.arguments.is_empty() {
        let arguments: Vec<String> = submission.arguments.iter().map(|argument| terminal::plain(argument)).collect();
        lines.push(format!("  arguments: {}", arguments.join(" ")));
    }
    for file in &submission.files {
        let mark = if file.path == submission.main_path && submission.files.len() > 1 { " (main)" } else { "" };
        lines.push(format!("  {}{mark}, {} bytes", terminal::plain(&file.path), file.size_bytes));
        if with_source {
            lines.extend(indented(file.text.as_deref().unwrap_or("(not text)")));
        }
    }
    for remark in &submission.feedback {
        let place = match (&remark.path, remark.start_line) {
            (Some(path), Some(line)) => format!("{}:{line}", terminal::plain(path)),
            (Some(path), None) => terminal::plain(path),
            (None, _) => "in general".to_owned(),
        };
        lines.push(format!("  {} remarks, {place}:", terminal::plain(&remark.author.display_name)));
        lines.extend(indented(&remark.body));
    }
    lines
}

/// What a step wrote, line by line under a heading.
fn written(output: &StepOutput) -> Vec<String> {
    let step = match output.kind {
        StepKind::Compile => "Compiler",
        StepKind::Run => "Program",
    };
    let mut lines = Vec::new();
    for (name, stream) in [("standard output", &output.stdout), ("standard error", &output.stderr)] {
        if !stream.text.is_empty() {
            lines.extend([String::new(), format!("{step}, {name}")]);
            lines.extend(indented(&stream.text));
        }
    }
    lines
}

fn indented(text: &str) -> impl Iterator<Item = String> {
    text.lines().map(|line| format!("    {line}"))
}

/// An instant in the zone of this machine, to the minute.
pub fn when(at: DateTime<Utc>) -> String {
    at.with_timezone(&Local).format("%Y-%m-%d %H:%M").to_string()
}

/// Reads `cpu-time-limit` as the contract's `CPU_TIME_LIMIT`.
fn parse_word<T: serde::de::DeserializeOwned>(word: &str) -> Result<T, String> {
    let name = word.to_uppercase().replace('-', "_");
    // What it could have been, as it is typed here.
    serde_json::from_value(Value::String(name)).map_err(|error| error.to_string().to_lowercase().replace('_', "-"))
}

/// Reads a date as its midnight here, or an instant by RFC 3339.
fn parse_instant(text: &str) -> Result<DateTime<Utc>, String> {
    if let Ok(date) = text.parse::<NaiveDate>() {
        // Where clocks jump over midnight, the first instant behind it.
        let midnight = date.and_time(NaiveTime::MIN);
        return Local
            .from_local_datetime(&midnight)
            .earliest()
            .map(|at| at.to_utc())
            .ok_or_else(|| "there is no midnight on that day here: give an instant".to_owned());
    }
    DateTime::parse_from_rfc3339(text)
        .map(|at| at.to_utc())
        .map_err(|_| "neither a date such as 2026-11-23 nor an instant such as 2026-11-23T14:00:00Z".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_as_people_type_them() {
        assert_eq!(parse_word::<Verdict>("cpu-time-limit"), Ok(Verdict::CpuTimeLimit));
        assert_eq!(parse_word::<AttemptState>("Queued"), Ok(AttemptState::Queued));
        assert!(parse_word::<Verdict>("great").unwrap_err().contains("`compile-error`"));
    }

    #[test]
    fn dates_and_instants_are_told_apart() {
        assert_eq!(parse_instant("2026-11-23T14:00:00+01:00").unwrap().to_rfc3339(), "2026-11-23T13:00:00+00:00");
        assert_eq!(parse_instant("2026-11-23").unwrap().with_timezone(&Local).time(), NaiveTime::MIN);
        assert!(parse_instant("yesterday").is_err());
    }
}
