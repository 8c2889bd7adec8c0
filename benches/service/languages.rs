//! Each language against its toolchain at the shell.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use tokio::process::Command;

use crate::client::Client;
use crate::report::{Scale, median, ms};

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
pub async fn languages(client: &Client, scale: &Scale) -> Result<()> {
    println!("\n## Hello world, from submitCode to the verdict on the subscription\n");
    println!("| language | shell ms | codecanvas ms | ratio | again ms |");
    println!("|---|---:|---:|---:|---:|");
    let directory = tempfile::tempdir()?;
    let mut socket = client.socket().await?;
    for (language, file, source, command) in LANGUAGES {
        let (mut shell, mut ours, mut again) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..scale.rounds {
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

pub async fn at_the_shell(command: &str, directory: &Path) -> Result<Duration> {
    let began = Instant::now();
    let output = Command::new("sh").args(["-c", command]).current_dir(directory).output().await?;
    if !output.status.success() {
        bail!("{command}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(began.elapsed())
}
