//! Each language against its toolchain at the shell.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use tokio::process::Command;

use crate::client::Client;
use crate::report::{Scale, median, ms};

/// A language, and what somebody at the shell would do.
pub struct Language {
    pub name: &'static str,
    /// The file they would write.
    pub file: &'static str,
    /// What into it: `hello #` becomes something new each time.
    source: &'static str,
    /// How they would compile it; nothing where that is not done.
    compile: &'static str,
    /// How they would run it.
    run: &'static str,
    target: Target,
}

/// What the time from submitCode to the verdict is held against.
enum Target {
    /// So many times what it takes at the shell.
    Ratio(f64),
    /// So many milliseconds more than it takes at the shell.
    More(f64),
}

impl Language {
    /// A program that was not there before.
    pub fn new_source(&self, mark: &str) -> String {
        self.source.replace("hello #", &format!("hello {mark}"))
    }

    /// How it is compiled and run at the shell.
    pub fn at_the_shell(&self) -> String {
        match self.compile {
            "" => self.run.to_owned(),
            compile => format!("{compile} && {}", self.run),
        }
    }
}

/// Before each program, at the shell as well. People do not press Run thirty times a second; what is made ready for the next
/// program is made then, and the processors' caches hold something else.
const PAUSE: Duration = Duration::from_millis(100);

/// Programs before the first that is measured. A server that has just started has run none of its statements yet, and its
/// database plans each anew the first few times, in each of the connections that it then keeps.
const WARM_UP: usize = 60;

/// What running a compiled program once more may take beyond running it at the shell.
const AGAIN_MORE_MS: f64 = 8.0;

pub const LANGUAGES: &[Language] = &[
    Language {
        name: "c",
        file: "main.c",
        source: "#include <stdio.h>\nint main(void) { puts(\"hello #\"); return 0; }\n",
        compile: "gcc -O2 main.c -o main",
        run: "./main",
        target: Target::More(5.0),
    },
    Language {
        name: "c++",
        file: "main.cpp",
        source: "#include <iostream>\nint main() { std::cout << \"hello #\\n\"; }\n",
        compile: "g++ -O2 -std=c++20 main.cpp -o main",
        run: "./main",
        target: Target::Ratio(0.5),
    },
    Language {
        name: "go",
        file: "main.go",
        source: "package main\n\nimport \"fmt\"\n\nfunc main() { fmt.Println(\"hello #\") }\n",
        compile: "go build -o main main.go",
        run: "./main",
        target: Target::Ratio(1.0),
    },
    Language {
        name: "rust",
        file: "main.rs",
        source: "fn main() { println!(\"hello #\"); }\n",
        compile: "rustc -O main.rs",
        run: "./main",
        target: Target::Ratio(1.0),
    },
    Language {
        name: "java",
        file: "Main.java",
        source: "public class Main { public static void main(String[] a) { System.out.println(\"hello #\"); } }\n",
        compile: "javac Main.java",
        run: "java Main",
        target: Target::Ratio(0.6),
    },
    Language {
        name: "python3",
        file: "main.py",
        source: "print('hello #')\n",
        compile: "",
        run: "/usr/bin/python3 main.py",
        target: Target::Ratio(0.5),
    },
    Language {
        name: "nodejs",
        file: "main.js",
        source: "console.log('hello #')\n",
        compile: "",
        run: "node main.js",
        target: Target::Ratio(0.5),
    },
    Language {
        name: "bash",
        file: "main.sh",
        source: "echo hello #\n",
        compile: "",
        run: "bash main.sh",
        target: Target::More(5.0),
    },
];

/// From `submitCode` to AttemptFinished on the subscription, against the same toolchain at the shell. Interpreters
/// are started ahead, as they are by default.
pub async fn languages(client: &Client, languages: &[&Language], scale: &Scale) -> Result<()> {
    println!("\n## Hello world, from submitCode to the verdict on the subscription\n");
    println!("| language | shell ms | codecanvas ms | ratio | target | bare run ms | again ms | target |");
    println!("|---|---:|---:|---:|---|---:|---:|---|");
    let directory = tempfile::tempdir()?;
    let mut socket = client.socket().await?;
    for round in 0..WARM_UP {
        let attempt = client.submit("bash", &format!("echo warm {round}\n")).await?;
        socket.subscribe(&attempt, &attempt).await?;
        socket.finished().await?;
    }
    for language in languages {
        let (mut shell, mut bare, mut ours, mut again) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for round in 0..scale.rounds {
            let text = language.new_source(&format!("{} {round}", language.name));
            tokio::fs::write(directory.path().join(language.file), &text).await?;
            for (command, times) in [(language.at_the_shell().as_str(), &mut shell), (language.run, &mut bare)] {
                tokio::time::sleep(PAUSE).await;
                times.push(at_the_shell(command, directory.path()).await?);
            }
            for times in [&mut ours, &mut again] {
                tokio::time::sleep(PAUSE).await;
                let began = Instant::now();
                let attempt = client.submit(language.name, &text).await?;
                socket.subscribe(&attempt, &attempt).await?;
                let (verdict, ended) = socket.finished().await?;
                times.push(ended - began);
                if verdict != "OK" {
                    bail!("{}: {verdict}", language.name);
                }
            }
        }
        let [shell, bare, ours, again] = [&mut shell, &mut bare, &mut ours, &mut again].map(|times| ms(median(times)));
        let (target, is_met) = match language.target {
            Target::Ratio(ratio) => (format!("≤ {ratio} ×"), ours <= ratio * shell),
            Target::More(more) => (format!("≤ shell + {more} ms"), ours <= shell + more),
        };
        let met = |is_met| if is_met { "met" } else { "missed" };
        let again_target = if language.compile.is_empty() {
            String::new()
        } else {
            format!("≤ bare run + {AGAIN_MORE_MS} ms: {}", met(again <= bare + AGAIN_MORE_MS))
        };
        println!(
            "| {} | {shell:.1} | {ours:.1} | {:.2} | {target}: {} | {bare:.1} | {again:.1} | {again_target} |",
            language.name,
            ours / shell,
            met(is_met),
        );
    }
    Ok(())
}

pub async fn at_the_shell(command: &str, directory: &Path) -> Result<Duration> {
    let began = Instant::now();
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).current_dir(directory);
    // The toolchains that boxes use, not others that the user of the shell may have.
    let output = shell.env("PATH", "/usr/local/go/bin:/usr/bin:/bin").env("GOTOOLCHAIN", "local").output().await?;
    if !output.status.success() {
        bail!("{command}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(began.elapsed())
}
