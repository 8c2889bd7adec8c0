//! What users of the service feel, but for the languages.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use tokio::task::JoinSet;

use crate::client::{Client, Socket};
use crate::languages::{LANGUAGES, at_the_shell};
use crate::report::{Report, Scale, ms, percentile};
use crate::server::Server;

/// Programs per second with everything kept, against a shell loop with as many jobs at once: both in
/// turn, so that what else the machine does falls on both.
pub async fn throughput(client: &Client, server: &Server, scale: &Scale, report: &mut Report) -> Result<()> {
    const TURNS: usize = 4;
    let mut load = Load::new("the same python3 program", report);
    for turn in 0..=TURNS {
        let shell = "/usr/bin/python3 main.py".to_owned();
        let program = Program { language: "python3", source: "print(sum(range(1000)))\n".to_owned(), shell };
        // The first is for both to get going.
        load.turn(client, server, &vec![program; scale.runs / TURNS], turn > 0).await?;
    }
    load.report(0.85);
    let mut load = Load::new("new hello worlds of eight languages", report);
    for turn in 0..=TURNS {
        let programs = (0..scale.mixed / TURNS).map(|number| {
            let language = &LANGUAGES[number % LANGUAGES.len()];
            let source = language.new_source(&format!("mixed {turn} {number}"));
            Program { language: language.name, shell: language.at_the_shell(), source }
        });
        load.turn(client, server, &programs.collect::<Vec<_>>(), turn > 0).await?;
    }
    load.report(0.85);
    Ok(())
}

/// A program of a sustained load, and how it is compiled and run at the shell.
#[derive(Clone)]
struct Program {
    language: &'static str,
    source: String,
    shell: String,
}

struct Load<'a> {
    what: &'static str,
    report: &'a mut Report,
    programs: usize,
    shell: Duration,
    ours: Duration,
    shell_cpu: Duration,
    cpu: BTreeMap<String, Duration>,
}

impl<'a> Load<'a> {
    fn new(what: &'static str, report: &'a mut Report) -> Self {
        let zero = Duration::ZERO;
        Self { what, report, programs: 0, shell: zero, ours: zero, shell_cpu: zero, cpu: BTreeMap::new() }
    }

    /// Runs all of the programs, at the shell and then here, and counts it where it is to be counted.
    async fn turn(&mut self, client: &Client, server: &Server, programs: &[Program], counts: bool) -> Result<()> {
        let jobs = std::thread::available_parallelism()?.get();
        let directory = tempfile::tempdir()?;
        let mut commands = Vec::new();
        for (number, program) in programs.iter().enumerate() {
            let file = LANGUAGES.iter().find(|language| language.name == program.language).context("no language")?.file;
            let own = directory.path().join(number.to_string());
            tokio::fs::create_dir(&own).await?;
            tokio::fs::write(own.join(file), &program.source).await?;
            commands.push(format!("cd {number} && {}\0", program.shell));
        }
        tokio::fs::write(directory.path().join("commands"), commands.concat()).await?;
        let first = programs.first().context("no programs")?;
        let loop_of_jobs = if programs.iter().all(|program| program.source == first.source) {
            // Nothing but the program itself is started.
            format!("cd 0 && seq {} | xargs -P {jobs} -I{{}} {}", programs.len(), first.shell)
        } else {
            format!("xargs -0 -a commands -P {jobs} -I{{}} sh -c '{{}}'")
        };

        let cpu_before = cpu_time(UsageWho::RUSAGE_CHILDREN)?;
        let shell = at_the_shell(&loop_of_jobs, directory.path()).await?;
        let shell_cpu = cpu_time(UsageWho::RUSAGE_CHILDREN)?.saturating_sub(cpu_before);

        let cpu_before = all_cpu_times(server)?;
        let began = Instant::now();
        let waiting = Arc::new(Mutex::new(programs.to_vec()));
        let mut running = JoinSet::new();
        for _ in 0..jobs * 8 {
            let (client, waiting) = (client.clone(), Arc::clone(&waiting));
            running.spawn(async move {
                let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).pop();
                while let Some(program) = next() {
                    client.run(program.language, &program.source).await?;
                }
                anyhow::Ok(())
            });
        }
        while let Some(result) = running.join_next().await {
            result??;
        }
        if counts {
            self.ours += began.elapsed();
            self.shell += shell;
            self.shell_cpu += shell_cpu;
            self.programs += programs.len();
            for (role, after) in all_cpu_times(server)? {
                let before = cpu_before.get(&role).copied().unwrap_or_default();
                *self.cpu.entry(role).or_default() += after.saturating_sub(before);
            }
        }
        Ok(())
    }

    fn report(self, target: f64) {
        let Self { what, report, programs, shell, ours, shell_cpu, cpu } = self;
        let per_second = |time: Duration| programs as f64 / time.as_secs_f64();
        let ratio = per_second(ours) / per_second(shell);
        println!("\n## Sustained: {what}, {programs} runs\n");
        println!("shell loop  {:>7.1} per second", per_second(shell));
        println!("codecanvas  {:>7.1} per second, ratio {ratio:.2}", per_second(ours));
        let each = |time: Duration| ms(time) / programs as f64;
        println!("CPU per program: shell loop {:.1} ms; codecanvas, programs not counted:", each(shell_cpu));
        for (role, time) in &cpu {
            println!("  {role:<12} {:>5.1} ms", each(*time));
        }
        report.add(
            &format!("programs per second with everything kept, against a shell loop with as many jobs: {what}"),
            &format!("{:.0} against {:.0}: {ratio:.2} ×", per_second(ours), per_second(shell)),
            &format!("≥ {target} ×"),
            ratio >= target,
            "throughput",
        );
    }
}

/// The time of processors that each part of the service has used so far, and this process as the client.
fn all_cpu_times(server: &Server) -> Result<BTreeMap<String, Duration>> {
    let mut times = server.cpu_times()?;
    times.insert("client".to_owned(), cpu_time(UsageWho::RUSAGE_SELF)?);
    Ok(times)
}

fn cpu_time(who: UsageWho) -> Result<Duration> {
    let usage = getrusage(who)?;
    let micros = [usage.user_time(), usage.system_time()].iter().map(TimeValLike::num_microseconds).sum::<i64>();
    Ok(Duration::from_micros(micros.try_into()?))
}

/// From a program's write to the subscriber, by the clock of the machine that both are on.
pub async fn latency(client: &Client, scale: &Scale, report: &mut Report) -> Result<()> {
    let source = format!(
        "import time\nfor _ in range({}):\n    print(time.time_ns(), flush=True)\n    time.sleep(0.02)\n",
        scale.writes
    );
    let mut socket = client.socket().await?;
    let attempt = client.submit("python3", &source).await?;
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
        if message["type"] != "next" {
            bail!("{message}");
        }
    }
    if delays.len() != scale.writes {
        bail!("{} writes arrived instead of {}", delays.len(), scale.writes);
    }
    let (p50, p99) = (percentile(&mut delays, 50), percentile(&mut delays, 99));
    println!("\n## From a program's write to the subscriber\n");
    println!("p50 {:.1} ms, p99 {:.1} ms ({} writes)", ms(p50), ms(p99), delays.len());
    report.add(
        "from a program's write to the subscriber",
        &format!("p50 {:.1} ms, p99 {:.1} ms", ms(p50), ms(p99)),
        "p50 ≤ 5 ms, p99 ≤ 25 ms",
        ms(p50) <= 5.0 && ms(p99) <= 25.0,
        "latency",
    );
    Ok(())
}

/// Many subscriptions on one api process: all events arrive, and what each costs while it waits.
pub async fn subscriptions(client: &Client, server: &Server, scale: &Scale, report: &mut Report) -> Result<()> {
    let count = scale.sockets * Scale::PER_SOCKET;
    // Waits for a word, so that all are subscribed before there is anything to deliver.
    let attempt = client.submit_interactive("bash", "read; for i in 1 2 3 4 5 6 7 8 9 10; do echo $i; done").await?;
    let mut witness = client.socket().await?;
    witness.subscribe("1", &attempt).await?;
    let first = witness.next().await?;
    if first["type"] != "next" {
        bail!("{first}");
    }
    let before = server.resident_of("api")?;
    let mut sockets = Vec::new();
    for _ in 0..scale.sockets {
        let mut socket = client.socket().await?;
        for id in 0..Scale::PER_SOCKET {
            socket.subscribe(&id.to_string(), &attempt).await?;
        }
        // What is there already comes to each.
        for _ in 0..Scale::PER_SOCKET {
            socket.next().await?;
        }
        sockets.push(socket);
    }
    let during = server.resident_of("api")?;
    let began = Instant::now();
    client.type_line(&attempt).await?;
    let mut reading = JoinSet::new();
    for socket in sockets {
        reading.spawn(until_complete(socket, Scale::PER_SOCKET));
    }
    let expected = until_complete(witness, 1).await?;
    let mut sequences = Vec::new();
    while let Some(result) = reading.join_next().await {
        sequences.extend(result??);
    }
    let took = began.elapsed();
    // Each had at least its first event before; the witness only that one.
    let all = expected.iter().map(Vec::len).sum::<usize>();
    let is_whole = |own: &Vec<i64>| own.is_sorted_by(|a, b| a + 1 == *b) && own.last() == expected[0].last();
    let whole = sequences.iter().filter(|own| is_whole(own)).count();
    let each = during.saturating_sub(before) as f64 / count as f64;
    println!("\n## {count} subscriptions on one api process\n");
    println!("{whole} of {count} received all of some {all} events, the last one after {:.2} s", took.as_secs_f64());
    println!("api process: {each:.1} KiB more per subscription, {} on each socket", Scale::PER_SOCKET);
    report.add(
        &format!("{count} subscriptions on one api process, on {} sockets", scale.sockets),
        &format!("{whole} received everything, {each:.1} KiB each"),
        "all, ≤ 20 KiB each",
        whole == count && each <= 20.0,
        "subscriptions",
    );
    Ok(())
}

/// The sequences that each subscription of a socket still receives, until all are over.
async fn until_complete(mut socket: Socket, subscriptions: usize) -> Result<Vec<Vec<i64>>> {
    let mut sequences: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    let mut complete = 0;
    while complete < subscriptions {
        let message = socket.next().await?;
        let id = message["id"].as_str().context("no id")?.to_owned();
        match message["type"].as_str() {
            Some("next") => {
                let sequence = message["payload"]["data"]["attemptEvents"]["sequence"].as_i64();
                sequences.entry(id).or_default().push(sequence.with_context(|| message.to_string())?);
            }
            Some("complete") => complete += 1,
            _ => bail!("{message}"),
        }
    }
    Ok(sequences.into_values().collect())
}
