//! A service of its own in a temporary directory, with quotas that do not get in the way.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};

pub struct Server {
    child: Child,
    pub url: String,
}

impl Server {
    /// Starts `codecanvas serve` and waits until it is ready; tells how long that took.
    pub async fn start(data_dir: &Path) -> Result<(Self, Duration)> {
        // The port is free again when the listener is dropped: nobody else takes it in between on a quiet machine.
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let began = Instant::now();
        let child = Command::new(env!("CARGO_BIN_EXE_codecanvas"))
            .arg("serve")
            .arg("--data-dir")
            .arg(data_dir)
            .args(["--listen", &format!("127.0.0.1:{port}")])
            .env("CODECANVAS_LOG_FILTER", "warn")
            .env("CODECANVAS_QUOTA_USER_RUNNING", "64")
            .env("CODECANVAS_QUOTA_USER_WAITING", "5000")
            .env("CODECANVAS_QUOTA_USER_PER_MINUTE", "1000000")
            .env("CODECANVAS_GRAPHQL_MAX_CONNECTIONS_PER_USER", "1000")
            .kill_on_drop(true)
            .spawn()
            .context("the service does not start")?;
        let url = format!("http://127.0.0.1:{port}");
        let http = crate::client::http()?;
        while !http.get(format!("{url}/readyz")).send().await.is_ok_and(|response| response.status().is_success()) {
            if began.elapsed() > Duration::from_mins(5) {
                bail!("the service is not ready after five minutes");
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok((Self { child, url }, began.elapsed()))
    }

    /// Every process of the service with what it is: its role, or `postgres`, or `box` for what runs below a keeper.
    fn processes(&self) -> Result<Vec<(u32, String)>> {
        let root = self.child.id().context("the service has ended")?;
        let mut found = Vec::new();
        let mut waiting = vec![(root, String::new())];
        while let Some((pid, parent)) = waiting.pop() {
            let command = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let mut arguments = command.split('\0');
            let program = arguments.next().unwrap_or_default();
            let role = match parent.as_str() {
                "keeper" | "box" => "box".to_owned(),
                "postgres" => parent,
                _ if program.contains("postgres") => "postgres".to_owned(),
                _ => arguments.next().unwrap_or_default().to_owned(),
            };
            // A process may end while it is looked at.
            for task in std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
                let children = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
                let children = children.split_whitespace().filter_map(|child| child.parse().ok());
                waiting.extend(children.map(|child| (child, role.clone())));
            }
            found.push((pid, role));
        }
        Ok(found)
    }

    /// The time of processors that each kind of process has used so far, those that have ended included. What boxes
    /// used is counted when they have ended.
    pub fn cpu_times(&self) -> Result<BTreeMap<String, Duration>> {
        // What the kernel tells programs is in hundredths of a second, whatever its own clock does.
        let time = |ticks: u64| Duration::from_millis(10 * ticks);
        let mut times: BTreeMap<String, Duration> = BTreeMap::new();
        for (pid, role) in self.processes()? {
            // proc_pid_stat(5): fields 14 to 17, counted behind the name, which may hold anything.
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let fields = stat.rsplit_once(") ").map(|(_, fields)| fields.split(' ')).into_iter().flatten();
            let ticks: Vec<u64> = fields.skip(11).take(4).filter_map(|field| field.parse().ok()).collect();
            let [user, system, children_user, children_system] = ticks[..] else { continue };
            let of_children = if role == "keeper" { "box" } else { role.as_str() };
            if matches!(role.as_str(), "keeper" | "postgres") {
                *times.entry(of_children.to_owned()).or_default() += time(children_user + children_system);
            }
            if role != "box" {
                *times.entry(role).or_default() += time(user + system);
            }
        }
        Ok(times)
    }

    /// Resident memory of each process of the service but Postgres' backends, in KiB.
    pub fn resident_kib(&self) -> Result<Vec<(String, u64)>> {
        let mut found = Vec::new();
        for (pid, role) in self.processes()? {
            if matches!(role.as_str(), "box" | "postgres") {
                continue;
            }
            let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
            let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
            let kib = resident.and_then(|line| line.split_whitespace().next()).and_then(|kib| kib.parse().ok());
            found.push((format!("{role} ({pid})"), kib.unwrap_or(0)));
        }
        Ok(found)
    }

    /// The same of the process with that role.
    pub fn resident_of(&self, role: &str) -> Result<u64> {
        let processes = self.resident_kib()?;
        let found = processes.iter().find(|(name, _)| name.split(' ').next() == Some(role));
        found.map(|(_, kib)| *kib).with_context(|| format!("there is no process {role} among {processes:?}"))
    }

    pub async fn stop(mut self) -> Result<()> {
        if let Some(pid) = self.child.id() {
            kill(Pid::from_raw(pid.cast_signed()), Signal::SIGTERM)?;
        }
        self.child.wait().await?;
        Ok(())
    }
}
