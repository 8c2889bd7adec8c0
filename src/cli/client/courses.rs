//! `courses`, `join`, `class` and `export`: what teachers and their students do together.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use chrono::Utc;
use clap::{Args, ValueEnum};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;

use super::account::JsonArgs;
use super::answers::{Class, Course, CourseAnswer, JoinAnswer, RosterRow, ViewerAnswer, WithCourses};
use super::failure::Failure;
use super::follow;
use super::outcome;
use super::server::Server;
use super::terminal;
use crate::domain::verdict::{AttemptState, Verdict};

/// A busy class changes many times a second; the roster is read again at most this often.
const QUIET: Duration = Duration::from_millis(500);
/// Without any change the ages on the screen are brought up to date this often.
const AGEING: Duration = Duration::from_secs(20);

/// What `join` takes.
#[derive(Debug, Args)]
pub struct JoinArgs {
    /// The code that your teacher gave you
    code: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What `class` takes.
#[derive(Debug, Args)]
pub struct ClassArgs {
    /// The course: its title or id
    course: String,
    /// Print the roster once instead of keeping it up to date
    #[arg(long)]
    once: bool,
    /// Print the roster once, as JSON
    #[arg(long)]
    json: bool,
}

/// What `export` takes.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The course: its title or id
    course: String,
    /// What to export
    #[arg(short, long, value_enum, default_value_t = Format::Csv)]
    format: Format,
    /// The file to write; standard output where this is absent
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// What an export holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// The history as a table
    Csv,
    /// The history, a JSON document a line
    Jsonl,
    /// The newest submission of each student
    Zip,
}

impl Format {
    const fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
            Self::Zip => "zip",
        }
    }
}

/// Lists the viewer's courses.
pub async fn list(server: &Server, args: &JsonArgs) -> Result<u8, Failure> {
    let courses = own(server).await?;
    if args.json {
        terminal::print_json(&courses)?;
        return Ok(0);
    }
    if courses.is_empty() {
        terminal::notice("you are in no course; `codecanvas join CODE` takes you into one");
        return Ok(0);
    }
    let rows: Vec<Vec<String>> = courses
        .into_iter()
        .map(|course| {
            let role = course.viewer_role.unwrap_or_default().to_lowercase();
            let title = if course.is_archived { format!("{} (archived)", course.title) } else { course.title };
            vec![course.id, role, title]
        })
        .collect();
    terminal::print(&terminal::table(&["ID", "YOU ARE", "COURSE"], &rows))?;
    Ok(0)
}

/// Joins a course.
pub async fn join(server: &Server, args: &JoinArgs) -> Result<u8, Failure> {
    let answer: JoinAnswer =
        server.ask(include_str!("operations/join.graphql"), json!({ "joinCode": args.code })).await?;
    if args.json {
        terminal::print_json(&answer.join_course.course)?;
    } else {
        terminal::print_line(&format!("You are in {}", answer.join_course.course.title))?;
    }
    Ok(0)
}

/// The course that a title, the beginning of one, or an id means.
pub async fn find(server: &Server, wanted: &str) -> Result<Course, Failure> {
    pick(own(server).await?, wanted)
}

async fn own(server: &Server) -> Result<Vec<Course>, Failure> {
    let answer: ViewerAnswer<WithCourses> = server.ask(include_str!("operations/courses.graphql"), ()).await?;
    answer
        .viewer
        .map(|viewer| viewer.courses)
        .ok_or_else(|| Failure::NotSignedIn { server: server.address().to_owned() })
}

fn pick(courses: Vec<Course>, wanted: &str) -> Result<Course, Failure> {
    let lower = wanted.to_lowercase();
    let matches: [&dyn Fn(&Course) -> bool; 3] =
        [&|course| course.id == wanted, &|course| course.title.to_lowercase() == lower, &|course| {
            course.title.to_lowercase().starts_with(&lower)
        }];
    let Some(is_match) = matches.into_iter().find(|is_match| courses.iter().any(is_match)) else {
        return Err(Failure::Usage(format!(
            "you are in no course called `{wanted}`: `codecanvas courses` lists yours"
        )));
    };
    let mut found = courses.into_iter().filter(is_match);
    match (found.next(), found.next()) {
        (Some(course), None) => Ok(course),
        (None | Some(_), _) => Err(Failure::Usage(format!("`{wanted}` may be several of your courses: give its id"))),
    }
}

/// Shows a class to its teacher and keeps it up to date.
pub async fn class(server: &Server, args: ClassArgs) -> Result<u8, Failure> {
    let course = find(server, &args.course).await?;
    let first = roster(server, &course.id).await?;
    if args.json {
        terminal::print_json(&first)?;
        return Ok(0);
    }
    if args.once || !terminal::is_stdout_watched() {
        terminal::print(&drawn(&first, usize::MAX))?;
        return Ok(0);
    }
    let screen = Screen::enter()?;
    let result = tokio::select! {
        result = keep_up_to_date(server, &course.id, &first) => result.map(|never| match never {}),
        _ = tokio::signal::ctrl_c() => Ok(0),
    };
    drop(screen);
    result
}

async fn keep_up_to_date(server: &Server, course_id: &str, first: &Class) -> Result<std::convert::Infallible, Failure> {
    let mut activity = follow::course(server, course_id);
    let mut resized = signal(SignalKind::window_change()).map_err(Failure::io("cannot watch the terminal"))?;
    draw(first)?;
    loop {
        tokio::select! {
            // Lines that were cut, or were not, are drawn anew at once.
            _ = resized.recv() => {}
            change = activity.next() => {
                if change?.is_none() {
                    return Err(server.bad_answer("the stream ended"));
                }
                // Waits a little, so that what happens together is drawn together.
                sleep(QUIET).await;
            }
            () = sleep(AGEING) => {}
        }
        draw(&follow::persist(|| roster(server, course_id)).await?)?;
    }
}

async fn roster(server: &Server, course_id: &str) -> Result<Class, Failure> {
    let answer: CourseAnswer<Class> =
        server.ask(include_str!("operations/roster.graphql"), json!({ "courseId": course_id })).await?;
    answer.course.ok_or_else(|| Failure::Usage("this course is not yours to see any more".to_owned()))
}

fn draw(class: &Class) -> Result<(), Failure> {
    // Home, the text with each line's rest cleared, then whatever is left below.
    let text = drawn(class, terminal::rows().unwrap_or(24)).replace('\n', "\x1b[K\r\n");
    terminal::print(&format!("\x1b[H{text}\x1b[J"))
}

/// The roster as text of at most so many lines, those who need help first.
fn drawn(class: &Class, lines: usize) -> String {
    let mut students: Vec<&RosterRow> = class.roster.iter().collect();
    students.sort_by_key(|row| (urgency(row), row.member.user.display_name.to_lowercase()));
    let stuck = students.iter().filter(|row| row.is_stuck).count();
    let room = lines.saturating_sub(5);
    let rows: Vec<Vec<String>> = students.iter().take(room).map(|row| line(row)).collect();
    let title = terminal::plain(&class.title);
    let table = terminal::table(&["STUDENT", "LAST RESULT", "WHEN", "FAILED IN A ROW", "OK", "RUNS", ""], &rows);
    let more = match students.len().saturating_sub(room) {
        0 => String::new(),
        more => format!("… and {more} more\n"),
    };
    let count = match students.len() {
        1 => "1 student".to_owned(),
        count => format!("{count} students"),
    };
    format!("{title}  ·  {count}  ·  {stuck} stuck\n\n{table}{more}")
}

fn line(row: &RosterRow) -> Vec<String> {
    let (result, at) = match &row.last_submission {
        Some(last) => (outcome::word(last.attempt.state, last.attempt.verdict), ago(last.created_at)),
        None => ("", String::new()),
    };
    vec![
        row.member.user.display_name.clone(),
        result.to_owned(),
        at,
        row.consecutive_failures.to_string(),
        row.ok_count.to_string(),
        row.submission_count.to_string(),
        if row.is_stuck { "stuck".to_owned() } else { String::new() },
    ]
}

/// Stuck, failing, running, idle, fine.
fn urgency(row: &RosterRow) -> u8 {
    match &row.last_submission {
        _ if row.is_stuck => 0,
        Some(last) if last.attempt.state != AttemptState::Finished => 2,
        Some(last) if last.attempt.verdict != Some(Verdict::Ok) => 1,
        None => 3,
        Some(_) => 4,
    }
}

fn ago(at: chrono::DateTime<Utc>) -> String {
    let seconds = (Utc::now() - at).num_seconds().max(0);
    match seconds {
        0..60 => "now".to_owned(),
        60..3600 => format!("{} min", seconds / 60),
        3600..86400 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86400),
    }
}

/// The alternate screen of the terminal; what was there before comes back when this is dropped.
struct Screen;

impl Screen {
    fn enter() -> Result<Self, Failure> {
        terminal::print("\x1b[?1049h\x1b[?25l")?;
        Ok(Self)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // Nothing better can be done where even this fails.
        let _ = terminal::print("\x1b[?25h\x1b[?1049l");
    }
}

/// Downloads an export of a course.
pub async fn export(server: &Server, args: ExportArgs) -> Result<u8, Failure> {
    if args.output.is_none() && args.format == Format::Zip && terminal::is_stdout_watched() {
        return Err(Failure::Usage("an archive does not belong on a terminal: name a file with --output".to_owned()));
    }
    let course = find(server, &args.course).await?;
    if course.id.contains(['/', '?', '#', '\\']) {
        return Err(server.bad_answer("the course's id cannot be part of an address"));
    }
    let mut response = server.download(&format!("export/course/{}.{}", course.id, args.format.extension())).await?;
    let mut sink: Box<dyn std::io::Write> = match &args.output {
        Some(path) => {
            Box::new(std::fs::File::create(path).map_err(Failure::io(format!("cannot write {}", path.display())))?)
        }
        None => Box::new(std::io::stdout()),
    };
    while let Some(chunk) = response.chunk().await.map_err(|error| server.unreachable(&error))? {
        let failed = |error| Failure::io("cannot write the export")(error);
        if args.output.is_none() && terminal::is_stdout_watched() {
            sink.write_all(terminal::plain_lines(&String::from_utf8_lossy(&chunk)).as_bytes()).map_err(failed)?;
        } else {
            sink.write_all(&chunk).map_err(failed)?;
        }
    }
    sink.flush().map_err(Failure::io("cannot write the export"))?;
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn course(id: &str, title: &str) -> Course {
        Course { id: id.into(), title: title.into(), is_archived: false, viewer_role: None }
    }

    #[test]
    fn a_course_is_found_by_id_title_or_its_beginning() {
        let courses = || vec![course("crs_1", "Intro"), course("crs_2", "Intro CS"), course("crs_3", "Logic")];
        let found =
            |wanted: &str| pick(courses(), wanted).map(|course| course.id).map_err(|failure| failure.to_string());
        assert_eq!(found("crs_2").as_deref(), Ok("crs_2"));
        assert_eq!(found("intro").as_deref(), Ok("crs_1"));
        assert_eq!(found("log").as_deref(), Ok("crs_3"));
        assert!(found("int").unwrap_err().contains("several"));
        assert!(found("art").unwrap_err().contains("no course"));
    }

    #[test]
    fn those_who_need_help_come_first_and_titles_are_harmless() {
        let row = |name: &str, is_stuck| RosterRow {
            member: super::super::answers::course::RosterMember {
                user: super::super::answers::NamedAuthor { username: name.into(), display_name: name.into() },
            },
            last_submission: None,
            submission_count: 5,
            ok_count: 1,
            consecutive_failures: 3,
            is_stuck,
        };
        let class = Class { title: "Intro\x1b[2J".into(), roster: vec![row("Ada", false), row("Grace\x07", true)] };
        let text = drawn(&class, 24);
        assert!(text.starts_with("Intro␛[2J  ·  2 students  ·  1 stuck\n"), "{text}");
        assert!(text.find("Grace␇").unwrap() < text.find("Ada").unwrap());
        assert!(drawn(&class, 6).contains("… and 1 more"));
    }
}
