//! `login`, `logout`, `whoami` and `langs`: who one is, and what the server offers.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use clap::Args;
use serde_json::{Value, json};

use super::answers::{LanguagesAnswer, Person, SignInAnswer, ViewerAnswer};
use super::credentials::{Credential, Credentials};
use super::failure::Failure;
use super::server::Server;
use super::terminal;

/// What is said before a secret goes over plain http to another machine.
pub const READABLE_ON_THE_WAY: &str = "the connection is not encrypted, and others on the network can read your password and token: \
    use https where the server offers it";

/// What `login` takes.
#[derive(Debug, Args)]
pub struct LoginArgs {
    /// Your user name; asked for where it is absent
    #[arg(short, long)]
    username: Option<String>,
}

/// A switch that several listings have.
#[derive(Debug, Args)]
pub struct JsonArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Signs in by a token, else by user name and password, and keeps the credential. `server` carries
/// none, that of an earlier sign-in may have ended.
pub async fn login(server: &Server, token: Option<String>, args: LoginArgs) -> Result<u8, Failure> {
    let path = Credentials::path()?;
    let mut stored = Credentials::read(&path)?;
    if server.is_readable_on_the_way() {
        terminal::notice(READABLE_ON_THE_WAY);
    }
    let (token, person, is_session) = if let Some(token) = token {
        let token = if token == "-" { read_line("access token")? } else { token };
        let server = Server::with_given_token(server.address(), token.clone())?;
        let person = viewer(&server).await?.ok_or_else(|| server.unauthenticated())?;
        (token, person, false)
    } else {
        let username = args.username.map_or_else(|| read_line("user name"), Ok)?;
        let variables = json!({ "username": username, "password": read_password()? });
        let answer: SignInAnswer =
            server.ask(include_str!("operations/sign_in.graphql"), variables).await.map_err(wrong_password)?;
        (answer.sign_in.token, answer.sign_in.user, true)
    };
    let credential = Credential { token, username: person.username.clone(), is_session };
    stored.default_server = Some(server.address().to_owned());
    stored.servers.insert(server.address().to_owned(), credential);
    stored.write(&path)?;
    terminal::print_line(&format!("Signed in to {} as {}", server.address(), described(&person)))?;
    Ok(0)
}

/// Ends the session and forgets the credential.
pub async fn logout(server: &Server) -> Result<u8, Failure> {
    let path = Credentials::path()?;
    let mut stored = Credentials::read(&path)?;
    let Some(credential) = stored.servers.remove(server.address()) else {
        terminal::print_line(&format!("Not signed in to {}", server.address()))?;
        return Ok(0);
    };
    stored.default_server.take_if(|default| default == server.address());
    // Forgotten here first: whatever the server says, this machine is signed out.
    stored.write(&path)?;
    if credential.is_session {
        let server = Server::new(server.address(), Some(credential.token))?;
        match server.ask::<Value>(include_str!("operations/sign_out.graphql"), ()).await {
            Ok(_) => {}
            // It had ended by itself.
            Err(Failure::Refused { code, .. }) if code == "UNAUTHENTICATED" => {}
            Err(failure) => {
                terminal::notice("forgotten here, but the session at the server may go on until it expires");
                return Err(failure);
            }
        }
        terminal::print_line(&format!("Signed out of {}", server.address()))?;
    } else {
        terminal::print_line(&format!(
            "Forgot the access token for {}; it stays valid until it is revoked",
            server.address()
        ))?;
    }
    Ok(0)
}

/// Shows who the credential belongs to.
pub async fn whoami(server: &Server, args: &JsonArgs) -> Result<u8, Failure> {
    let person = viewer(server).await?.ok_or_else(|| server.unauthenticated())?;
    if args.json {
        terminal::print_json(&person)?;
    } else {
        terminal::print_line(&format!("{} at {}", described(&person), server.address()))?;
    }
    Ok(0)
}

/// Lists the languages that the server offers right now.
pub async fn langs(server: &Server, args: &JsonArgs) -> Result<u8, Failure> {
    let mut answer: LanguagesAnswer = server.ask(include_str!("operations/languages.graphql"), ()).await?;
    answer.languages.sort_by(|a, b| a.name.cmp(&b.name));
    if args.json {
        terminal::print_json(&answer.languages)?;
        return Ok(0);
    }
    if answer.languages.is_empty() {
        terminal::notice("no worker is running, so there is no language at the moment");
        return Ok(0);
    }
    let rows: Vec<Vec<String>> = answer
        .languages
        .into_iter()
        .map(|language| {
            vec![language.name, language.file_extensions.join(" "), language.aliases.join(", "), language.version]
        })
        .collect();
    terminal::print(&terminal::table(&["NAME", "FILES", "ALSO", "VERSION"], &rows))?;
    Ok(0)
}

async fn viewer(server: &Server) -> Result<Option<Person>, Failure> {
    let answer: ViewerAnswer<Person> = server.ask(include_str!("operations/viewer.graphql"), ()).await?;
    Ok(answer.viewer)
}

fn described(person: &Person) -> String {
    format!("{} ({}, {})", person.username, person.display_name, person.role.to_lowercase())
}

/// Where one is just signing in, "run `codecanvas login`" would not help.
fn wrong_password(failure: Failure) -> Failure {
    if let Failure::NotSignedIn { .. } = failure {
        let message = "user name or password is wrong".to_owned();
        Failure::Refused { code: "UNAUTHENTICATED".to_owned(), message, retry_after_ms: None, part: None }
    } else {
        failure
    }
}

/// One line from standard input; asked for where somebody types.
fn read_line(what: &str) -> Result<String, Failure> {
    if std::io::stdin().is_terminal() {
        write!(std::io::stderr(), "{what}: ").map_err(Failure::io("cannot ask"))?;
    }
    let mut line = String::new();
    let length =
        std::io::stdin().lock().read_line(&mut line).map_err(Failure::io(format!("cannot read the {what}")))?;
    let line = line.trim_end_matches(['\r', '\n']);
    if length == 0 || line.is_empty() {
        return Err(Failure::Usage(format!("no {what} was given")));
    }
    Ok(line.to_owned())
}

/// The password: typed unseen at a terminal, else a line of standard input.
fn read_password() -> Result<String, Failure> {
    if std::io::stdin().is_terminal() {
        rpassword::prompt_password("Password: ").map_err(Failure::io("cannot read the password"))
    } else {
        read_line("password")
    }
}
