//! `codecanvas admin …`: accounts, for whoever sits at the server.
//!
//! The same use cases as in the API, as [`Viewer::operator`].

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use super::backup::Dump;
use super::database::OpenDatabase;
use super::settings::SettingFlags;
use crate::auth::Viewer;
use crate::domain::page::PageRequest;
use crate::domain::user::SiteRole;
use crate::service::admin::{self, CreateUser};
use crate::service::{self, Services, Settings};

/// Make and change accounts, back up and restore everything
///
/// Works on the database that the settings name; without one on the embedded database, whether the service
/// runs or not. Passwords are asked for at a terminal, else read from the first line of standard input.
#[derive(Debug, Args)]
pub struct Admin {
    #[command(flatten)]
    settings: SettingFlags,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    #[command(flatten)]
    Accounts(Accounts),
    #[command(flatten)]
    Dump(Dump),
}

#[derive(Debug, Subcommand)]
enum Accounts {
    /// Make an account
    CreateUser {
        /// The name to sign in with
        username: String,
        /// What the person may do
        #[arg(long, default_value = "user")]
        role: Role,
        /// What others see [default: the username]
        #[arg(long)]
        display_name: Option<String>,
    },
    /// Make somebody a user, teacher or admin
    SetRole {
        /// The name they sign in with
        username: String,
        /// What they may do from now on
        role: Role,
    },
    /// Set another password and end all sessions and access tokens of the account
    ResetPassword {
        /// The name they sign in with
        username: String,
    },
    /// List accounts, newest first
    List {
        /// Only those whose username or display name begins with this
        #[arg(long)]
        search: Option<String>,
        /// Print JSON, a document a line
        #[arg(long)]
        json: bool,
    },
    /// Delete an account and everything that is its own
    DeleteUser {
        /// The name they sign in with
        username: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Role {
    User,
    Teacher,
    Admin,
}

impl From<Role> for SiteRole {
    fn from(role: Role) -> Self {
        match role {
            Role::User => Self::User,
            Role::Teacher => Self::Teacher,
            Role::Admin => Self::Admin,
        }
    }
}

impl Admin {
    /// Runs the command.
    #[tokio::main(flavor = "current_thread")]
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let config = self.settings.load()?;
        // Ask before a database is started and held.
        let secret = match &self.action {
            Action::Accounts(action) => action.ask()?,
            Action::Dump(_) => String::new(),
        };
        let database = OpenDatabase::open(&config).await?;
        let result = async {
            match self.action {
                Action::Dump(action) => action.perform(&config, &database).await,
                Action::Accounts(action) => {
                    database.bring_up_to_date().await?;
                    let services = Services::new(database.pool.clone(), Settings::from(&config))?;
                    action.perform(&services, secret).await
                }
            }
        }
        .await;
        database.close().await;
        result.map_err(name_the_input)?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Accounts {
    /// Asks for what must not stand on the command line.
    fn ask(&self) -> anyhow::Result<String> {
        match self {
            Self::CreateUser { .. } | Self::ResetPassword { .. } => read_password(),
            Self::DeleteUser { username, yes: false } => {
                confirm(username)?;
                Ok(String::new())
            }
            Self::SetRole { .. } | Self::List { .. } | Self::DeleteUser { yes: true, .. } => Ok(String::new()),
        }
    }

    async fn perform(self, services: &Services, password: String) -> anyhow::Result<()> {
        let operator = Viewer::operator();
        let mut output = std::io::stdout();
        match self {
            Self::CreateUser { username, role, display_name } => {
                let input = CreateUser { username, password, display_name, role: role.into() };
                let user = admin::create_user(services, &operator, input).await?;
                writeln!(output, "made {} ({})", user.username, name_of(user.role))?;
            }
            Self::SetRole { username, role } => {
                let user = admin::find_by_username(services, &operator, &username).await?;
                let user = admin::set_user_role(services, &operator, user.id, role.into()).await?;
                writeln!(output, "{} is {} now", user.username, name_of(user.role))?;
            }
            Self::ResetPassword { username } => {
                let user = admin::reset_password(services, &operator, &username, &password).await?;
                writeln!(output, "{} has a new password and is signed out everywhere", user.username)?;
            }
            Self::List { search, json } => list(services, &operator, search.as_deref(), json).await?,
            Self::DeleteUser { username, .. } => {
                let user = admin::find_by_username(services, &operator, &username).await?;
                admin::delete_user(services, &operator, user.id).await?;
                writeln!(output, "deleted {} and everything that was theirs", user.username)?;
            }
        }
        Ok(())
    }
}

/// Forms show a message beside its field; a line has to name it.
fn name_the_input(error: anyhow::Error) -> anyhow::Error {
    match error.downcast_ref() {
        Some(service::Error::InvalidInput { path, message }) => anyhow::anyhow!("{path}: {message}"),
        Some(_) | None => error,
    }
}

async fn list(services: &Services, operator: &Viewer, search: Option<&str>, is_json: bool) -> anyhow::Result<()> {
    let mut output = std::io::stdout();
    let mut request = PageRequest::top();
    loop {
        let page = admin::search_users(services, operator, search, &request).await?;
        for user in &page.items {
            if is_json {
                let document = json!({
                    "username": user.username,
                    "displayName": user.display_name,
                    "role": user.role,
                    "createdAt": user.created_at,
                });
                writeln!(output, "{document}")?;
                continue;
            }
            let created = user.created_at.format("%Y-%m-%d");
            writeln!(output, "{:<40} {:<8} {created}  {}", user.username, name_of(user.role), user.display_name)?;
        }
        if !page.has_next {
            return Ok(());
        }
        request.after = page.items.last().map(|user| user.id);
    }
}

const fn name_of(role: SiteRole) -> &'static str {
    match role {
        SiteRole::Guest => "guest",
        SiteRole::User => "user",
        SiteRole::Teacher => "teacher",
        SiteRole::Admin => "admin",
    }
}

fn read_password() -> anyhow::Result<String> {
    if std::io::stdin().is_terminal() {
        let password = rpassword::prompt_password("Password: ").context("the password cannot be read")?;
        if rpassword::prompt_password("The same again: ").context("the password cannot be read")? != password {
            bail!("the passwords differ");
        }
        return Ok(password);
    }
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).context("the password cannot be read from standard input")?;
    let password = line.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        bail!("the password is read from standard input, which is empty");
    }
    Ok(password.to_owned())
}

fn confirm(username: &str) -> anyhow::Result<()> {
    if !std::io::stdin().is_terminal() {
        bail!("deleting cannot be undone: say --yes");
    }
    write!(std::io::stderr(), "Delete {username} and everything they ever ran? Type the name again: ")?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    if line.trim() != username {
        bail!("nothing was deleted");
    }
    Ok(())
}
