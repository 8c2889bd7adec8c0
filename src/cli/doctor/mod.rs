//! `codecanvas doctor`

mod host;

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::bail;
use clap::Args;
use codecanvas_sandbox::probe::REQUIRED_PROTECTIONS;
use tokio_util::sync::CancellationToken;

use super::settings::SettingFlags;
use crate::attack::{Arena, Attack, suite};
use crate::config::Config;
use crate::executor::Executor;
use crate::lifecycle::exit;
use crate::worker;

/// Say which protections hold on this host, what is missing, and how to fix it
///
/// Exit code 3: a worker would refuse to start here, no language can be offered, the database cannot be used,
/// or an attack got through.
#[derive(Debug, Args)]
pub struct Doctor {
    /// Run the attack suite, hostile programs in boxes of this host, and say what held; takes minutes
    #[arg(long)]
    attack: bool,
    /// Run only those attacks whose names contain one of these words: --only fork,memory,network
    #[arg(long, value_name = "WORDS", value_delimiter = ',', requires = "attack")]
    only: Vec<String>,
    #[command(flatten)]
    settings: SettingFlags,
}

/// How a line of the report stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// As it should be.
    Good,
    /// Works, but less well than it could.
    Reduced,
    /// Not there; nothing depends on it.
    Absent,
    /// Must be fixed.
    Bad,
}

/// A part of the report. Each has words of its own for how its lines stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Section {
    Host,
    Postgres,
    Protections,
    Languages,
    Attacks,
}

impl Section {
    const fn title(self) -> &'static str {
        match self {
            Self::Host => "Host",
            Self::Postgres => "Postgres",
            Self::Protections => "Protections",
            Self::Languages => "Languages",
            Self::Attacks => "Attacks",
        }
    }

    const fn word(self, state: State) -> &'static str {
        let (good, absent, bad) = match self {
            Self::Host | Self::Postgres => ("ok", "absent", "wrong"),
            Self::Protections => ("in force", "absent", "missing"),
            Self::Languages => ("offered", "absent", "missing"),
            Self::Attacks => ("held", "not run", "broken"),
        };
        match state {
            State::Good => good,
            State::Reduced => "reduced",
            State::Absent => absent,
            State::Bad => bad,
        }
    }
}

/// Prints the report, and remembers whether something must be fixed.
struct Report {
    output: std::io::Stdout,
    section: Section,
    is_healthy: bool,
}

impl Report {
    fn section(&mut self, section: Section) -> std::io::Result<()> {
        self.section = section;
        writeln!(self.output, "\n{}", section.title())
    }

    fn line(&mut self, state: State, name: &str, text: &str) -> std::io::Result<()> {
        self.is_healthy &= state != State::Bad;
        writeln!(self.output, "  {:<8} {name:<26} {text}", self.section.word(state))
    }
}

impl Doctor {
    /// Runs the command.
    #[tokio::main]
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let config = self.settings.load_quietly()?;
        let attacks = self.attacks()?;
        let mut report = Report { output: std::io::stdout(), section: Section::Host, is_healthy: true };
        writeln!(report.output, "codecanvas {}", env!("CARGO_PKG_VERSION"))?;
        host::check(&mut report, &config).await?;
        let shutdown = CancellationToken::new();
        if let Some(executor) = check_boxes(&mut report, &config, &shutdown).await?
            && self.attack
        {
            attack(&mut report, executor, &attacks).await?;
        }
        shutdown.cancel();
        let code = if report.is_healthy { 0 } else { exit::UNHEALTHY };
        Ok(ExitCode::from(code))
    }

    /// The attacks that were asked for.
    fn attacks(&self) -> anyhow::Result<Vec<Attack>> {
        let mut attacks = suite::all()?;
        if let Some(word) = self.only.iter().find(|word| !attacks.iter().any(|attack| attack.name.contains(*word))) {
            bail!("no attack has {word:?} in its name: \"codecanvas doctor --attack\" runs and names all of them");
        }
        attacks.retain(|attack| self.only.is_empty() || self.only.iter().any(|word| attack.name.contains(word)));
        Ok(attacks)
    }
}

/// Makes boxes as the worker would, and tries out the languages in them.
async fn check_boxes(
    report: &mut Report,
    config: &Config,
    shutdown: &CancellationToken,
) -> anyhow::Result<Option<Executor>> {
    report.section(Section::Protections)?;
    let mut settings = worker::Settings::from(config).executor;
    // Beside a running worker: not in its control groups. Two slots are what the attack suite needs.
    settings.cgroup_parent = Some(format!("{}-doctor", config.worker.cgroup_parent));
    settings.slots = std::num::NonZero::new(2);
    let executor = match Executor::start(settings.clone(), shutdown.clone()).await {
        Ok(executor) => executor,
        Err(refused) => {
            // Without what a worker insists on there may be boxes all the same: all of it is told, not the first only.
            settings.waived_protections = REQUIRED_PROTECTIONS.map(str::to_owned).to_vec();
            let weaker = Executor::start(settings, shutdown.clone()).await.ok();
            let Some(weaker) = weaker.filter(|weaker| !missing(weaker).is_empty()) else {
                report.line(State::Bad, "boxes", &format!("{:#}", anyhow::Error::new(refused)))?;
                writeln!(report.output, "  A worker refuses to start on this host.")?;
                return Ok(None);
            };
            say_protections(report, &weaker)?;
            writeln!(report.output, "  {}", how_to_go_without(&weaker))?;
            say_languages(report, &weaker)?;
            // Hostile programs are not let loose where nothing may stop them.
            return Ok(None);
        }
    };
    say_protections(report, &executor)?;
    say_languages(report, &executor)?;
    Ok(Some(executor))
}

/// The protections that boxes do not have at all.
fn missing(executor: &Executor) -> Vec<String> {
    executor.protections().into_iter().filter(|(_, extent)| *extent == 0.0).map(|(name, _)| name).collect()
}

/// What an operator who cannot have what is missing may do.
fn how_to_go_without(executor: &Executor) -> String {
    format!(
        "A worker refuses to start on this host. Where programs are trusted, what is missing may be: \
         --set worker.allow_missing={}",
        missing(executor).join(",")
    )
}

fn say_protections(report: &mut Report, executor: &Executor) -> std::io::Result<()> {
    for line in executor.isolation() {
        // As the worker records it: name, state, detail.
        let mut parts = line.splitn(3, ": ");
        let (name, state, detail) = (parts.next(), parts.next(), parts.next());
        let state = match state {
            Some("in force") => State::Good,
            Some("missing") => State::Bad,
            Some(_) | None => State::Reduced,
        };
        report.line(state, name.unwrap_or_default(), detail.unwrap_or_default())?;
    }
    Ok(())
}

fn say_languages(report: &mut Report, executor: &Executor) -> std::io::Result<()> {
    report.section(Section::Languages)?;
    for language in executor.languages() {
        report.line(State::Good, &language.name, &language.version)?;
    }
    for language in executor.unavailable() {
        let fix = format!("{} (fix: apt-get install {})", language.reason, language.packages.join(" "));
        report.line(State::Absent, &language.name, &fix)?;
    }
    if executor.languages().is_empty() {
        report.line(State::Bad, "languages", "none can be offered (fix: install the packages above)")?;
    }
    Ok(())
}

async fn attack(report: &mut Report, executor: Executor, attacks: &[Attack]) -> anyhow::Result<()> {
    report.section(Section::Attacks)?;
    let arena = Arena::new(executor)?;
    for attack in attacks {
        if !arena.can_run(attack) {
            report.line(State::Absent, &attack.name, &format!("{} is not offered here", attack.language))?;
            continue;
        }
        let judgement = arena.run(attack).await;
        if judgement.has_held() {
            report.line(State::Good, &judgement.name, &judgement.attempt)?;
        } else {
            report.line(State::Bad, &judgement.name, &judgement.problems.join(" "))?;
        }
    }
    Ok(())
}
