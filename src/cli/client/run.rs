//! `run`, `watch`, `rerun` and `cancel`: programs on their way.

use std::io::{IsTerminal as _, Read as _};
use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};
use tokio::sync::watch;
use uuid::Uuid;

use super::answers::{
    AttemptAnswer, FindAnswer, Found, LanguagesAnswer, Outcome, RerunAnswer, StepOutput, StepsOutput, SubmitAnswer,
};
use super::console::{self, Show};
use super::courses;
use super::failure::{Failure, exit};
use super::files::{self, Sources};
use super::follow::persist;
use super::keyboard::{self, Input};
use super::language;
use super::outcome;
use super::server::Server;
use super::terminal;
use crate::domain::verdict::AttemptState;

/// What a script needs to know, at the end of the long help.
const EXIT_CODES: &str = "\
Exit code: that of the program; 65 it did not compile, 124 time limit, 137 memory or output limit, 130 stopped, 69 \
trouble with the service, 77 not signed in, 64 wrong request. Ctrl-C stops the program; pressed again it leaves at once.";

/// What `run` takes.
#[derive(Debug, Args)]
#[command(after_long_help = EXIT_CODES)]
pub struct RunArgs {
    /// Source files, or directories with all their files
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Language; told from the file's extension where this is absent
    #[arg(short, long, value_name = "LANG")]
    language: Option<String>,
    /// Which file is run or compiled first
    #[arg(long, value_name = "FILE")]
    main: Option<PathBuf>,
    /// Standard input of the program: a file, or - for all of the input here before it starts
    ///
    /// Without this, input typed at a terminal goes to the program while it runs, and input from a pipe or a file is
    /// read to its end and sent with the program.
    #[arg(long, value_name = "FILE")]
    stdin: Option<PathBuf>,
    /// Hand in for this course: its title or id
    #[arg(long, value_name = "COURSE")]
    course: Option<String>,
    /// Only hand in and print the id; `watch` shows the rest
    #[arg(short, long)]
    detach: bool,
    /// Print one JSON document at the end instead of the output
    #[arg(long)]
    json: bool,
    /// Arguments of the program
    #[arg(last = true, value_name = "ARGS")]
    arguments: Vec<String>,
}

/// What `watch` takes.
#[derive(Debug, Args)]
pub struct WatchArgs {
    /// A submission or an attempt
    id: String,
    /// Print one JSON document at the end instead of the output
    #[arg(long)]
    json: bool,
}

/// What `rerun` takes.
#[derive(Debug, Args)]
pub struct RerunArgs {
    /// A submission, or one of its attempts
    id: String,
    /// Only start it and print the id; `watch` shows the rest
    #[arg(short, long)]
    detach: bool,
    /// Print one JSON document at the end instead of the output
    #[arg(long)]
    json: bool,
}

/// What `cancel` takes.
#[derive(Debug, Args)]
pub struct CancelArgs {
    /// A submission or an attempt
    id: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Hands in a program and shows it running.
pub async fn run(server: &Server, args: RunArgs) -> Result<u8, Failure> {
    let Sources { files, main_path } = files::collect(&args.files, args.main.as_deref())?;
    let (stdin, input) = stdin_of(&args)?;
    let offered: LanguagesAnswer = server.ask(include_str!("operations/languages.graphql"), ()).await?;
    let language = language::choose(&offered.languages, args.language.as_deref(), &files, main_path.as_deref())?;
    let course_id = match &args.course {
        Some(course) => Some(courses::find(server, course).await?.id),
        None => None,
    };
    let variables = json!({ "input": {
        "language": language,
        "files": files.iter().map(files::Source::to_input).collect::<Vec<_>>(),
        "mainPath": main_path,
        "stdin": stdin,
        "arguments": args.arguments,
        "isInteractive": input.is_some(),
        "courseId": course_id,
        // Handing in is repeated when the answer is lost; the key keeps it one submission.
        "idempotencyKey": Uuid::now_v7().to_string(),
    } });
    let submitted: SubmitAnswer = persist(|| server.ask(include_str!("operations/submit.graphql"), &variables))
        .await
        .map_err(|failure| naming_the_file(failure, &files))?;
    let submitted = submitted.submit_code;
    if args.detach {
        announce(&submitted.submission.id, &submitted.attempt.id, args.json)?;
        return Ok(0);
    }
    let show = if args.json { Show::Nothing } else { Show::Exact };
    see_through(server, &submitted.attempt.id, show, input).await
}

/// The service counts files, people know them by name.
fn naming_the_file(failure: Failure, files: &[files::Source]) -> Failure {
    let Failure::Refused { code, message, retry_after_ms, part: Some(part) } = failure else { return failure };
    let number = part.split('.').skip_while(|name| *name != "files").nth(1).and_then(|number| number.parse().ok());
    let message = match number.and_then(|number: usize| files.get(number)) {
        Some(file) => format!("{}: {message}", file.path),
        None => message,
    };
    Failure::Refused { code, message, retry_after_ms, part: Some(part) }
}

/// Shows an attempt from its beginning, whether it runs or has ended.
pub async fn watch(server: &Server, args: WatchArgs) -> Result<u8, Failure> {
    let found = find(server, &args.id).await?;
    let show = if args.json { Show::Nothing } else { console::show_for(found.is_own) };
    let (is_running, _) = watch::channel(false);
    // Leaving is all that Ctrl-C does here: the run is not this command's.
    let outcome = console::follow(server, &found.attempt_id, show, &is_running).await?;
    finish(server, &outcome, show).await
}

/// Runs a submission once more.
pub async fn rerun(server: &Server, args: RerunArgs) -> Result<u8, Failure> {
    let found = find(server, &args.id).await?;
    let variables = json!({ "submissionId": found.submission_id });
    let answer: RerunAnswer = server.ask(include_str!("operations/rerun.graphql"), variables).await?;
    let attempt_id = answer.rerun_submission.attempt.id;
    if args.detach {
        announce(&found.submission_id, &attempt_id, args.json)?;
        return Ok(0);
    }
    let show = if args.json { Show::Nothing } else { console::show_for(found.is_own) };
    see_through(server, &attempt_id, show, None).await
}

/// Stops an attempt; one that has ended stays as it is.
pub async fn cancel(server: &Server, args: CancelArgs) -> Result<u8, Failure> {
    let found = find(server, &args.id).await?;
    let is_over = found.state == AttemptState::Finished;
    if !is_over {
        ask_to_cancel(server, &found.attempt_id).await?;
    }
    if args.json {
        terminal::print_json(&json!({ "attemptId": found.attempt_id, "hadEnded": is_over }))?;
    } else {
        let what = if is_over { "has already ended" } else { "is being stopped" };
        terminal::print_line(&format!("{} {what}", found.attempt_id))?;
    }
    Ok(0)
}

/// More standard input than this no service takes, and a pipe may never end.
const MAX_STDIN_BYTES: u64 = 32 << 20;

/// Standard input as the API takes it, and what is to be sent while the program runs.
fn stdin_of(args: &RunArgs) -> Result<(Option<String>, Option<Input>), Failure> {
    let bytes = match &args.stdin {
        Some(path) if path.as_os_str() != "-" => {
            let failed = |error| Failure::io(format!("cannot read {}", path.display()))(error);
            read_bounded(std::fs::File::open(path).map_err(failed)?).map_err(failed)?
        }
        // A run that is left alone has nobody to type.
        None if std::io::stdin().is_terminal() => return Ok((None, (!args.detach).then_some(Input::Terminal))),
        Some(_) | None => read_bounded(std::io::stdin().lock()).map_err(Failure::io("cannot read standard input"))?,
    };
    if bytes.len() as u64 > MAX_STDIN_BYTES {
        let most = MAX_STDIN_BYTES >> 20;
        return Err(Failure::Usage(format!(
            "there is more than {most} MiB of standard input: send less, or give the program a file"
        )));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok((Some(text), None)),
        Err(_) if args.detach => {
            Err(Failure::Usage("standard input that is not UTF-8 cannot be sent with --detach".to_owned()))
        }
        Err(error) => Ok((None, Some(Input::Bytes(error.into_bytes())))),
    }
}

/// Everything, or a little more than what is taken.
fn read_bounded(input: impl std::io::Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    input.take(MAX_STDIN_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Follows an attempt of ours: Ctrl-C cancels it, input goes to it, its verdict is the exit code.
async fn see_through(server: &Server, attempt_id: &str, show: Show, input: Option<Input>) -> Result<u8, Failure> {
    let (is_running, when_running) = watch::channel(false);
    let outcome = tokio::select! {
        outcome = console::follow(server, attempt_id, show, &is_running) => outcome,
        never = interrupts(server, attempt_id) => match never {},
        never = typing(server, attempt_id, input, when_running) => match never {},
    };
    let outcome = match outcome {
        Ok(outcome) => outcome,
        Err(failure) => {
            match &failure {
                // As if the program itself had got SIGPIPE: nobody wants the rest.
                Failure::Io { .. } => ask_to_cancel(server, attempt_id).await?,
                Failure::Unreachable { .. } => {
                    terminal::notice(&format!("the program may still run: codecanvas watch {attempt_id}"));
                }
                Failure::Usage(_)
                | Failure::NotSignedIn { .. }
                | Failure::Refused { .. }
                | Failure::BadAnswer { .. } => {}
            }
            return Err(failure);
        }
    };
    finish(server, &outcome, show).await
}

async fn finish(server: &Server, outcome: &Outcome, show: Show) -> Result<u8, Failure> {
    if show == Show::Nothing {
        terminal::print_json(&with_output(server, outcome).await?)?;
    } else {
        console::conclude(outcome);
    }
    Ok(outcome::exit_code(outcome))
}

/// The outcome with everything that was written.
async fn with_output(server: &Server, outcome: &Outcome) -> Result<Value, Failure> {
    let variables = json!({ "attemptId": outcome.id });
    let answer: AttemptAnswer<StepsOutput> =
        persist(|| server.ask(include_str!("operations/output.graphql"), &variables)).await?;
    let outputs: Vec<StepOutput> = answer.attempt.map(|attempt| attempt.steps).unwrap_or_default();
    let mut document = json!(outcome);
    document["exitStatus"] = json!(outcome::exit_code(outcome));
    for output in outputs {
        let step = outcome.steps.iter().position(|step| step.kind == output.kind);
        for (name, stream) in [("stdout", output.stdout), ("stderr", output.stderr)] {
            if let Some(index) = step {
                document["steps"][index][name]["text"] = json!(stream.text);
                document["steps"][index][name]["bytes"] = json!(stream.bytes);
            }
        }
    }
    Ok(document)
}

/// First Ctrl-C: cancel and wait for the end. Second: leave.
async fn interrupts(server: &Server, attempt_id: &str) -> std::convert::Infallible {
    if tokio::signal::ctrl_c().await.is_ok() {
        if terminal::is_stderr_watched() {
            // What the terminal shows for the keys.
            terminal::note(b"^C");
            terminal::notice("stopping the program; once more leaves without waiting");
        }
        let cancelling = ask_to_cancel(server, attempt_id);
        tokio::select! {
            result = cancelling => {
                if let Err(failure) = result {
                    terminal::notice(&failure.to_string());
                }
            }
            _ = tokio::signal::ctrl_c() => {
                // Nobody knows whether the service has heard of it.
                terminal::notice(&format!("the program may still run: codecanvas cancel {attempt_id}"));
                std::process::exit(exit::CANCELLED.into());
            }
        }
        if tokio::signal::ctrl_c().await.is_ok() {
            std::process::exit(exit::CANCELLED.into());
        }
    }
    std::future::pending().await
}

/// Sends input where there is any. A program that ended or does not read is no failure of the run.
async fn typing(
    server: &Server,
    attempt_id: &str,
    input: Option<Input>,
    when_running: watch::Receiver<bool>,
) -> std::convert::Infallible {
    if let Some(input) = input
        && let Err(failure) = keyboard::send(server, attempt_id, input, when_running).await
        && !matches!(&failure, Failure::Refused { code, .. } if code == "CONFLICT")
    {
        terminal::notice(&format!("the program gets no more input: {failure}"));
    }
    std::future::pending().await
}

async fn ask_to_cancel(server: &Server, attempt_id: &str) -> Result<(), Failure> {
    let variables = json!({ "attemptId": attempt_id });
    persist(|| server.ask::<Value>(include_str!("operations/cancel.graphql"), &variables)).await.map(drop)
}

/// What an id that was typed stands for.
struct FoundAttempt {
    attempt_id: String,
    submission_id: String,
    state: AttemptState,
    is_own: bool,
}

async fn find(server: &Server, id: &str) -> Result<FoundAttempt, Failure> {
    let answer: FindAnswer = server.ask(include_str!("operations/find.graphql"), json!({ "id": id })).await?;
    let nothing = || Failure::Usage(format!("`{id}` is no submission or attempt that you may see"));
    let (attempt_id, submission_id, state, author) = match answer.node.ok_or_else(nothing)? {
        Found::Attempt { id, state, submission } => (id, submission.id, state, submission.author),
        Found::Submission { id, author, attempt } => (attempt.id, id, attempt.state, author),
        Found::Other => return Err(nothing()),
    };
    let is_own = answer.viewer.is_some_and(|viewer| viewer.username == author.username);
    Ok(FoundAttempt { attempt_id, submission_id, state, is_own })
}

fn announce(submission_id: &str, attempt_id: &str, is_json: bool) -> Result<(), Failure> {
    if is_json {
        return terminal::print_json(&json!({ "submissionId": submission_id, "attemptId": attempt_id }));
    }
    terminal::print_line(attempt_id)
}
