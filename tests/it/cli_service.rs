//! The whole service for tests of the command line: the api, and a worker as a process of its own with
//! three languages.

use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::cli_command::Cli;
use crate::support::{TestApp, client, executable};

/// Api and worker.
pub struct Service {
    pub app: TestApp,
    worker: Child,
    data: TempDir,
}

impl Service {
    /// Starts it and waits until it can run programs.
    pub async fn start() -> Self {
        // Limits on processes count per user of the host: each worker has users of its own.
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let uid_base = 40_000 + 1000 * COUNT.fetch_add(1, Ordering::Relaxed);
        let app = TestApp::start().await;
        let data = tempfile::tempdir().unwrap();
        let log = std::fs::File::create(data.path().join("log")).unwrap();
        // As under systemd, where files of the service are for nobody else.
        let worker = Command::new("/bin/sh")
            .args(["-c", "umask 077 && exec \"$0\" worker"])
            .arg(executable())
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("DATABASE_URL", app.database.url.expose())
            .env("CODECANVAS_DATA_DIR", data.path())
            .env("CODECANVAS_WORKER_LANGUAGES", "bash,c,python3")
            .env("CODECANVAS_WORKER_SLOTS", "2")
            .env("CODECANVAS_WORKER_UID_BASE", uid_base.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut service = Self { app, worker, data };
        let mut ask_again = tokio::time::interval(Duration::from_millis(50));
        while !client().get(service.app.url("/readyz")).send().await.unwrap().status().is_success() {
            ask_again.tick().await;
            if let Some(status) = service.worker.try_wait().unwrap() {
                panic!("{status}: {}", service.log());
            }
        }
        let offered = service.app.nobody().ask("{ languages { name } }", serde_json::Value::Null).await;
        assert_eq!(offered["languages"].as_array().unwrap().len(), 3, "{offered}: {}", service.log());
        service
    }

    /// What the worker logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.data.path().join("log")).unwrap()
    }

    /// The command line of somebody new.
    pub async fn student(&self, username: &str) -> Cli {
        let person = self.app.student(username).await;
        Cli::new(self.app.url(""), person.token.as_deref())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let pid = Pid::from_raw(self.worker.id().try_into().unwrap());
        // It may have ended by itself.
        kill(pid, Signal::SIGTERM).ok();
        self.worker.wait().unwrap();
    }
}

/// A way to the service that can be cut.
pub struct Cable {
    pub address: String,
    cut: watch::Sender<()>,
}

impl Cable {
    /// Lays one to this address.
    pub async fn lay(target: std::net::SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (cut, _) = watch::channel(());
        let cuts = cut.clone();
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let mut cut = cuts.subscribe();
                tokio::spawn(async move {
                    let mut far = TcpStream::connect(target).await.unwrap();
                    tokio::select! {
                        _ = copy_bidirectional(&mut near, &mut far) => {}
                        _ = cut.changed() => {}
                    }
                });
            }
        });
        Self { address, cut }
    }

    /// Breaks every connection that is there now; new ones can be made.
    pub fn cut(&self) {
        self.cut.send_replace(());
    }
}
