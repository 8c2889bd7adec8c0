//! What is measured.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use tokio::process::Command;
use tokio::task::JoinSet;

use crate::client::Client;
use crate::server::Server;

/// A language, the file a shell user would write, a hello world with `hello #` to be something new each
/// time, and the shell user's command.
const LANGUAGES: &[(&str, &str, &str, &str)] = &[
    (
        "c",
        "main.c",
        "#include <stdio.h>\nint main(void) { puts(\"hello #\"); return 0; }\n",
        "gcc -O2 main.c -o main && ./main",
    ),
    (
        "c++",
        "main.cpp",
        "#include <iostream>\nint main() { std::cout << \"hello #\\n\"; }\n",
        "g++ -O2 -std=c++20 main.cpp -o main && ./main",
    ),
    (
        "go",
        "main.go",
        "package main\n\nimport \"fmt\"\n\nfunc main() { fmt.Println(\"hello #\") }\n",
        "go build -o main main.go && ./main",
    ),
    ("rust", "main.rs", "fn main() { println!(\"hello #\"); }\n", "rustc -O main.rs && ./main"),
    (
        "java",
        "Main.java",
        "public class Main { public static void main(String[] a) { System.out.println(\"hello #\"); } }\n",
        "javac Main.java && java Main",
    ),
    ("python3", "main.py", "print('hello #')\n", "/usr/bin/python3 main.py"),
    ("nodejs", "main.js", "console.log('hello #')\n", "node main.js"),
    ("bash", "main.sh", "echo hello #\n", "bash main.sh"),
];

/// From `submitCode` to AttemptFinished on the subscription, against the same toolchain at the shell.
pub async fn languages(client: &Client) -> Result<()> {
    println!("\n## Hello world, from submitCode to the verdict on the subscription\n");
    println!("| language | shell ms | codecanvas ms | ratio | again ms |");
    println!("|---|---:|---:|---:|---:|");
    let directory = tempfile::tempdir()?;
    let mut socket = client.socket().await?;
    for (language, file, source, command) in LANGUAGES {
        let (mut shell, mut ours, mut again) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..7 {
            let text = source.replace("hello #", &format!("hello {language} {round}"));
            tokio::fs::write(directory.path().join(file), &text).await?;
            shell.push(at_the_shell(command, directory.path()).await?);
            for times in [&mut ours, &mut again] {
                let began = Instant::now();
                let attempt = client.submit(language, &text).await?;
                socket.subscribe(&attempt, &attempt).await?;
                let verdict = socket.finished().await?;
                times.push(began.elapsed());
                if verdict != "OK" {
                    bail!("{language}: {verdict}");
                }
            }
        }
        let (shell, ours, again) = (median(&mut shell), median(&mut ours), median(&mut again));
        println!(
            "| {language} | {:.1} | {:.1} | {:.2} | {:.1} |",
            ms(shell),
            ms(ours),
            ours.as_secs_f64() / shell.as_secs_f64(),
            ms(again)
        );
    }
    Ok(())
}

async fn at_the_shell(command: &str, directory: &Path) -> Result<Duration> {
    let began = Instant::now();
    let output = Command::new("sh").args(["-c", command]).current_dir(directory).output().await?;
    if !output.status.success() {
        bail!("{command}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(began.elapsed())
}

/// Programs per second with everything kept, against a shell loop with as many jobs at once.
pub async fn throughput(client: &Client) -> Result<()> {
    const RUNS: usize = 400;
    println!("\n## Sustained, {RUNS} python3 programs\n");
    let directory = tempfile::tempdir()?;
    tokio::fs::write(directory.path().join("main.py"), "print(sum(range(1000)))\n").await?;
    let jobs = std::thread::available_parallelism()?.get();
    let shell =
        at_the_shell(&format!("seq {RUNS} | xargs -P {jobs} -I{{}} /usr/bin/python3 main.py"), directory.path())
            .await?;
    let began = Instant::now();
    let mut running = JoinSet::new();
    for _ in 0..jobs * 8 {
        let client = client.clone();
        running.spawn(async move {
            for _ in 0..RUNS / (jobs * 8) {
                client.run("python3", "print(sum(range(1000)))\n").await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(result) = running.join_next().await {
        result??;
    }
    let ours = began.elapsed();
    let done = (RUNS / (jobs * 8) * jobs * 8) as f64;
    let (per_shell, per_ours) = (RUNS as f64 / shell.as_secs_f64(), done / ours.as_secs_f64());
    println!("shell loop  {per_shell:>7.1} per second");
    println!("codecanvas  {per_ours:>7.1} per second, ratio {:.2}", per_ours / per_shell);
    Ok(())
}

/// From a program's write to the subscriber, by the clock of the machine that both are on.
pub async fn latency(client: &Client) -> Result<()> {
    let source = "import time\nfor _ in range(300):\n    print(time.time_ns(), flush=True)\n    time.sleep(0.02)\n";
    let mut socket = client.socket().await?;
    let attempt = client.submit("python3", source).await?;
    socket.subscribe("1", &attempt).await?;
    let mut delays = Vec::new();
    loop {
        let message = socket.next().await?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        let event = &message["payload"]["data"]["attemptEvents"];
        if let Some(text) = event["text"].as_str() {
            for line in text.lines() {
                delays.push(now.saturating_sub(Duration::from_nanos(line.parse().context("not a time")?)));
            }
        }
        if event["__typename"] == "AttemptFinished" {
            break;
        }
    }
    delays.sort();
    println!("\n## From a program's write to the subscriber\n");
    println!(
        "p50 {:.1} ms, p99 {:.1} ms ({} writes)",
        ms(delays[delays.len() / 2]),
        ms(delays[delays.len() * 99 / 100]),
        delays.len()
    );
    Ok(())
}

/// Many subscriptions on one api process: all events arrive, and what each costs.
pub async fn subscriptions(client: &Client, server: &Server) -> Result<()> {
    const SOCKETS: usize = 100;
    const PER_SOCKET: usize = 50;
    let api =
        |list: Vec<(String, u64)>| list.into_iter().find(|(role, _)| role.starts_with("api")).map_or(0, |(_, kib)| kib);
    let before = api(server.resident_kib()?);
    let attempt = client.submit("bash", "for i in 1 2 3 4 5 6 7 8 9 10; do sleep 1; echo $i; done").await?;
    let mut sockets = Vec::new();
    for _ in 0..SOCKETS {
        let mut socket = client.socket().await?;
        for id in 0..PER_SOCKET {
            socket.subscribe(&id.to_string(), &attempt).await?;
        }
        sockets.push(socket);
    }
    let mut reading = JoinSet::new();
    for mut socket in sockets {
        reading.spawn(async move {
            let (mut events, mut complete) = (0, 0);
            while complete < PER_SOCKET {
                let message = socket.next().await?;
                events += usize::from(message["type"] == "next");
                complete += usize::from(message["type"] == "complete");
            }
            anyhow::Ok(events)
        });
    }
    let mut during = 0;
    let mut events = 0;
    while let Some(result) = reading.join_next().await {
        if during == 0 {
            during = api(server.resident_kib()?);
        }
        events += result??;
    }
    println!("\n## {} subscriptions on one api process\n", SOCKETS * PER_SOCKET);
    println!("{events} events delivered, {:.1} per subscription", events as f64 / (SOCKETS * PER_SOCKET) as f64);
    println!(
        "api process: {:.1} KiB more per subscription",
        during.saturating_sub(before) as f64 / (SOCKETS * PER_SOCKET) as f64
    );
    Ok(())
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
