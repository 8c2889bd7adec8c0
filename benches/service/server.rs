//! A service of its own in a temporary directory, with quotas that do not get in the way.

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

    /// Resident memory of each process of the service but Postgres' backends, in KiB.
    pub fn resident_kib(&self) -> Result<Vec<(String, u64)>> {
        let root = self.child.id().context("the service has ended")?;
        let mut found = Vec::new();
        let mut waiting = vec![root];
        while let Some(pid) = waiting.pop() {
            let tasks = std::fs::read_dir(format!("/proc/{pid}/task"))?;
            for task in tasks.flatten() {
                let children = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
                waiting.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
            }
            let command = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let name: Vec<&str> = command.split('\0').take(2).collect();
            if !name.first().is_some_and(|first| first.contains("codecanvas")) {
                continue;
            }
            let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
            let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
            let kib = resident.and_then(|line| line.split_whitespace().next()).and_then(|kib| kib.parse().ok());
            found.push((format!("{} ({pid})", name.get(1).unwrap_or(&"")), kib.unwrap_or(0)));
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
