//! The command line for users: everything they can do in the app, without a part of the server.
//!
//! ```text
//!  account  run  history  courses      one function per command: ask, then print
//!      │     ├─ files, language        what is handed in
//!      │     ├─ console, keyboard      the program's output and input while it runs
//!      │     └─ outcome                verdict → exit code and sentence
//!      ▼     ▼
//!  server (HTTP)   follow → socket (graphql-transport-ws, resumed behind the cursor)
//! ```
//!
//! The server is not trusted with the terminal (`terminal`), nor with more memory than an answer
//! needs (`server`, `socket`). Documents are in `operations/`, what they answer in `answers`.

mod account;
mod answers;
mod console;
mod courses;
mod credentials;
mod failure;
mod files;
mod follow;
mod history;
mod keyboard;
mod language;
mod outcome;
mod run;
mod server;
mod socket;
mod terminal;

use std::error::Error as _;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use clap_complete::Shell;

use credentials::Credentials;
use failure::Failure;
use server::Server;

/// Where the server is if nobody says otherwise.
const DEFAULT_SERVER: &str = "http://localhost:10100";

/// Which server, and as whom.
#[derive(Debug, Args)]
pub struct Connection {
    /// Address of the server; without it the one of the last login, else `http://localhost:10100`
    #[arg(long, env = "CODECANVAS_SERVER", value_name = "URL", help_heading = "Server")]
    server: Option<String>,
    /// Access token; without it the one that `login` stored
    ///
    /// Other users of this machine may see it in the list of processes: prefer the environment variable, or `login
    /// --token -`, which reads it from standard input.
    #[arg(long, env = "CODECANVAS_TOKEN", hide_env_values = true, value_name = "TOKEN", help_heading = "Server")]
    token: Option<String>,
}

/// The arguments of a command together with the server that they are for.
#[derive(Debug, Args)]
pub struct At<T: Args> {
    #[command(flatten)]
    args: T,
    #[command(flatten)]
    connection: Connection,
}

/// The commands for users.
#[derive(Debug, Subcommand)]
pub enum ClientCommand {
    /// Sign in to a server, by password or by --token, and stay signed in
    Login(At<account::LoginArgs>),
    /// Sign out and forget the credential
    Logout(Connection),
    /// Show who you are
    Whoami(At<account::JsonArgs>),
    /// List the languages that can be run
    Langs(At<account::JsonArgs>),
    /// Run a program and show its output as it comes
    Run(At<run::RunArgs>),
    /// Show a run from its beginning until it ends
    Watch(At<run::WatchArgs>),
    /// Show a submission: its files, verdict and output
    Show(At<history::ShowArgs>),
    /// List what was run before
    History(At<history::HistoryArgs>),
    /// Run a submission once more
    Rerun(At<run::RerunArgs>),
    /// Stop a run
    Cancel(At<run::CancelArgs>),
    /// List your courses
    Courses(At<account::JsonArgs>),
    /// Join a course by its code
    Join(At<courses::JoinArgs>),
    /// Watch a class that you teach, those who need help first
    Class(At<courses::ClassArgs>),
    /// Download the history or the programs of a course that you teach
    Export(At<courses::ExportArgs>),
    /// Print the completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page
    Man,
}

/// Carries out a command and tells the exit code. `program` is the whole command line, for the
/// completions and the manual.
pub fn run(command: ClientCommand, program: clap::Command) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let result = match runtime {
        Ok(runtime) => {
            let result = runtime.block_on(dispatch(command, program));
            // A write to a terminal that is stopped, or a name that is being resolved, holds nobody up.
            runtime.shutdown_background();
            result
        }
        Err(error) => Err(Failure::io("cannot start")(error)),
    };
    result.map_or_else(|failure| report(&failure), ExitCode::from)
}

fn report(failure: &Failure) -> ExitCode {
    let code = failure.exit_code();
    // Whoever closed the pipe has seen enough.
    if code != failure::exit::BROKEN_PIPE {
        match (failure, failure.source()) {
            (Failure::Unreachable { .. }, _) => terminal::notice(&format!("{failure}; --server names another one")),
            (_, Some(source)) => terminal::notice(&format!("{failure}: {source}")),
            (_, None) => terminal::notice(&failure.to_string()),
        }
    }
    ExitCode::from(code)
}

async fn dispatch(command: ClientCommand, program: clap::Command) -> Result<u8, Failure> {
    match command {
        ClientCommand::Login(At { connection, args }) => {
            let (server, token) = connection.without_empty().for_login()?;
            account::login(&server, token, args).await
        }
        ClientCommand::Logout(connection) => account::logout(&connection.without_empty().open()?).await,
        ClientCommand::Whoami(At { connection, args }) => {
            account::whoami(&connection.without_empty().open()?, &args).await
        }
        ClientCommand::Langs(At { connection, args }) => {
            account::langs(&connection.without_empty().open()?, &args).await
        }
        ClientCommand::Run(At { connection, args }) => run::run(&connection.without_empty().open()?, args).await,
        ClientCommand::Watch(At { connection, args }) => run::watch(&connection.without_empty().open()?, args).await,
        ClientCommand::Show(At { connection, args }) => history::show(&connection.without_empty().open()?, args).await,
        ClientCommand::History(At { connection, args }) => {
            history::history(&connection.without_empty().open()?, args).await
        }
        ClientCommand::Rerun(At { connection, args }) => run::rerun(&connection.without_empty().open()?, args).await,
        ClientCommand::Cancel(At { connection, args }) => run::cancel(&connection.without_empty().open()?, args).await,
        ClientCommand::Courses(At { connection, args }) => {
            courses::list(&connection.without_empty().open()?, &args).await
        }
        ClientCommand::Join(At { connection, args }) => courses::join(&connection.without_empty().open()?, &args).await,
        ClientCommand::Class(At { connection, args }) => {
            courses::class(&connection.without_empty().open()?, args).await
        }
        ClientCommand::Export(At { connection, args }) => {
            courses::export(&connection.without_empty().open()?, args).await
        }
        ClientCommand::Completions { shell } => completions(shell, program),
        ClientCommand::Man => manual(program),
    }
}

impl Connection {
    /// An empty variable in the environment counts as absent.
    fn without_empty(self) -> Self {
        let filled = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
        Self { server: filled(self.server), token: filled(self.token) }
    }

    /// The server with the credential for it: given, else stored.
    fn open(self) -> Result<Server, Failure> {
        // A token in the environment must work where there is no home directory, as in CI.
        if let (Some(address), Some(token)) = (&self.server, &self.token) {
            let server = Server::with_given_token(address, token.clone())?;
            // For a stored one `login` has said so.
            if server.is_readable_on_the_way() && terminal::is_stderr_watched() {
                terminal::notice(account::READABLE_ON_THE_WAY);
            }
            return Ok(server);
        }
        // Without a home directory nothing is stored.
        let mut stored = match Credentials::path() {
            Ok(path) => Credentials::read(&path)?,
            Err(_) => Credentials::default(),
        };
        let address = self.server.or(stored.default_server).unwrap_or_else(|| DEFAULT_SERVER.to_owned());
        let server = Server::new(&address, None)?;
        if let Some(token) = self.token {
            return Server::with_given_token(&address, token);
        }
        let stored = stored.servers.remove(server.address());
        Server::new(&address, stored.map(|credential| credential.token))
    }

    /// The server without a credential, and the token to sign in by.
    fn for_login(self) -> Result<(Server, Option<String>), Failure> {
        let address = match self.server {
            Some(address) => address,
            None => {
                Credentials::read(&Credentials::path()?)?.default_server.unwrap_or_else(|| DEFAULT_SERVER.to_owned())
            }
        };
        Ok((Server::new(&address, None)?, self.token))
    }
}

fn completions(shell: Shell, mut program: clap::Command) -> Result<u8, Failure> {
    let mut script = Vec::new();
    let name = program.get_name().to_owned();
    clap_complete::generate(shell, &mut program, name, &mut script);
    terminal::print(&String::from_utf8_lossy(&script))?;
    Ok(0)
}

/// One page for the program with a section for each command, so that `man` needs one file.
fn manual(mut program: clap::Command) -> Result<u8, Failure> {
    let failed = |error| Failure::io("cannot write the manual page")(error);
    let mut page = Vec::new();
    program.build();
    front(&program, &mut page).map_err(failed)?;
    sections(&program, "", &mut page).map_err(failed)?;
    terminal::print(&String::from_utf8_lossy(&page))?;
    Ok(0)
}

/// What stands before the commands' sections. The usual list of commands names a page for each.
fn front(program: &clap::Command, page: &mut Vec<u8>) -> std::io::Result<()> {
    let manual = clap_mangen::Man::new(program.clone());
    manual.render_title(page)?;
    manual.render_name_section(page)?;
    manual.render_synopsis_section(page)?;
    manual.render_description_section(page)?;
    manual.render_options_section(page)?;
    let mut list = Vec::new();
    manual.render_subcommands_section(&mut list)?;
    let list = String::from_utf8_lossy(&list).replace("codecanvas\\-", "codecanvas ").replace("(1)", "");
    page.extend_from_slice(list.as_bytes());
    manual.render_extra_section(page)
}

/// A section for each command below `parent`, and for those below it.
fn sections(parent: &clap::Command, prefix: &str, page: &mut Vec<u8>) -> std::io::Result<()> {
    for command in parent.get_subcommands().filter(|command| !command.is_hide_set() && command.get_name() != "help") {
        let name = format!("{prefix}{}", command.get_name());
        let manual = clap_mangen::Man::new(command.clone());
        page.extend_from_slice(format!(".SH \"{}\"\n", name.to_uppercase()).as_bytes());
        manual.render_synopsis_section(page)?;
        manual.render_description_section(page)?;
        manual.render_options_section(page)?;
        sections(command, &format!("{name} "), page)?;
    }
    Ok(())
}
