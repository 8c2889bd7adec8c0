//! Every language that is offered, with programs that read and compute.

use codecanvas::domain::verdict::Verdict;
use codecanvas::executor::{Job, SourceFile};

use super::support::{job, run, run_job, text, with_executor};

/// Sums the numbers of each line of its input: `1 2 3` → `6`.
const SUMS: &[(&str, &str)] = &[
    ("python3", "import sys\nfor line in sys.stdin:\n    print(sum(map(int, line.split())))"),
    (
        "nodejs",
        "const lines = require('fs').readFileSync(0, 'utf8').trim().split('\\n');\nfor (const l of lines) console.log(l.split(' ').map(Number).reduce((a, b) => a + b, 0));",
    ),
    (
        "c++",
        "#include <iostream>\n#include <sstream>\n#include <ranges>\n#include <string>\nint main() { std::string l; while (std::getline(std::cin, l)) { std::istringstream in(l); long s = 0, x; while (in >> x) s += x; std::cout << s << '\\n'; } }",
    ),
    (
        "c",
        "#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\nint main(void) { char l[256]; while (fgets(l, sizeof l, stdin)) { long s = 0; for (char *t = strtok(l, \" \\n\"); t; t = strtok(0, \" \\n\")) s += atol(t); printf(\"%ld\\n\", s); } }",
    ),
    (
        "go",
        "package main\n\nimport (\n\t\"bufio\"\n\t\"fmt\"\n\t\"os\"\n\t\"strconv\"\n\t\"strings\"\n)\n\nfunc main() {\n\tin := bufio.NewScanner(os.Stdin)\n\tfor in.Scan() {\n\t\ts := 0\n\t\tfor _, f := range strings.Fields(in.Text()) {\n\t\t\tn, _ := strconv.Atoi(f)\n\t\t\ts += n\n\t\t}\n\t\tfmt.Println(s)\n\t}\n}\n",
    ),
    ("bash", "while read -r -a numbers; do s=0; for n in \"${numbers[@]}\"; do s=$((s + n)); done; echo $s; done"),
    (
        "rust",
        "use std::io::BufRead;\nfn main() { for line in std::io::stdin().lock().lines() { let s: i64 = line.unwrap().split_whitespace().map(|n| n.parse::<i64>().unwrap()).sum(); println!(\"{s}\"); } }",
    ),
    (
        "java",
        "import java.util.*;\nimport java.util.stream.*;\npublic class Sums {\n    public static void main(String[] args) {\n        Scanner in = new Scanner(System.in);\n        while (in.hasNextLine()) System.out.println(Arrays.stream(in.nextLine().split(\" \")).mapToInt(Integer::parseInt).sum());\n    }\n}\n",
    ),
    (
        "typescript",
        "import * as fs from 'fs';\nconst sum = (line: string): number => line.split(' ').map(Number).reduce((a, b) => a + b, 0);\nfor (const line of fs.readFileSync(0, 'utf8').trim().split('\\n')) console.log(sum(line));",
    ),
];

#[test]
fn the_core_languages_read_and_compute() {
    for (language, source) in SUMS {
        let stdin = b"1 2 3\n10 20\n-5 5\n".to_vec();
        let (verdict, step) = run_job(Job { stdin, ..job(language, source) });
        assert_eq!(verdict, Verdict::Ok, "{language}: {step:?}");
        assert_eq!(text(&step.stdout), "6\n30\n0\n", "{language}");
        assert!(!step.wall_time.is_zero() && step.peak_memory.0 > 0, "{language}: {step:?}");
    }
}

#[test]
fn every_language_says_its_version_and_how_it_is_run() {
    with_executor(async |executor| {
        for language in executor.languages() {
            assert!(language.version.bytes().any(|b| b.is_ascii_digit()), "{language:?}");
            assert!(!language.run_command.contains('{'), "{language:?}");
            assert_eq!(language.is_compiled, language.compile_command.is_some());
        }
        let names: Vec<&str> = executor.languages().iter().map(|language| language.name.as_str()).collect();
        for core in ["bash", "c", "c++", "go", "java", "nodejs", "python3", "rust"] {
            assert!(names.contains(&core), "{core}: {:?}", executor.unavailable());
        }
    });
}

#[test]
fn several_files_make_one_program() {
    let file = |path: &str, text: &str| SourceFile { path: path.to_owned(), bytes: text.as_bytes().to_vec() };
    let cases = [
        (
            "c",
            "main.c",
            vec![
                file("lib/util.h", "int twice(int);\n"),
                file("lib/util.c", "#include \"util.h\"\nint twice(int x) { return 2 * x; }\n"),
                file(
                    "main.c",
                    "#include <stdio.h>\n#include \"lib/util.h\"\nint main(void) { printf(\"%d\\n\", twice(21)); }\n",
                ),
            ],
        ),
        (
            "python3",
            "main.py",
            vec![
                file("main.py", "from lib import util\nprint(util.twice(21))\n"),
                file("lib/util.py", "def twice(x): return 2 * x\n"),
            ],
        ),
        (
            "go",
            "main.go",
            vec![
                file("go.mod", "module example.org/twice\n\ngo 1.19\n"),
                file(
                    "main.go",
                    "package main\n\nimport (\n\t\"fmt\"\n\n\t\"example.org/twice/lib\"\n)\n\nfunc main() { fmt.Println(lib.Twice(21)) }\n",
                ),
                file("lib/util.go", "package lib\n\nfunc Twice(x int) int { return 2 * x }\n"),
            ],
        ),
        (
            "java",
            "App.java",
            vec![
                file(
                    "App.java",
                    "package a;\npublic class App { public static void main(String[] x) { System.out.println(Util.twice(21)); } }\n",
                ),
                file("Util.java", "package a;\nclass Util { static int twice(int x) { return 2 * x; } }\n"),
            ],
        ),
        (
            "rust",
            "main.rs",
            vec![
                file("main.rs", "mod util;\nfn main() { println!(\"{}\", util::twice(21)); }\n"),
                file("util.rs", "pub fn twice(x: i32) -> i32 { 2 * x }\n"),
            ],
        ),
        (
            "bash",
            "main.sh",
            vec![file("main.sh", "echo $(./twice.sh 21)\n"), file("twice.sh", "#!/bin/bash\necho $(($1 * 2))\n")],
        ),
    ];
    for (language, main, files) in cases {
        let job = Job { files, main_path: main.to_owned(), ..job(language, "") };
        let (verdict, step) = run_job(job);
        assert_eq!((verdict, text(&step.stdout).as_str()), (Verdict::Ok, "42\n"), "{language}: {step:?}");
    }
}

#[test]
fn java_takes_a_public_class_of_any_name() {
    let source = "// public class Wrong {}\npublic class Whatever {\n  static String s = \"public class Nope {\";\n  public static void main(String[] args) { System.out.println(args.length); }\n}\n";
    let (verdict, step) = run_job(Job { arguments: vec!["a".to_owned()], ..job("java", source) });
    assert_eq!((verdict, text(&step.stdout).as_str()), (Verdict::Ok, "1\n"), "{step:?}");
}

#[test]
fn programs_see_an_environment_made_from_nothing() {
    let (_, step) = run("bash", "env -u _ -u SHLVL -u PWD -u OLDPWD | sort; id -u; pwd");
    let out = text(&step.stdout);
    assert!(out.starts_with("HOME=/work\nLANG=C.UTF-8\nPATH=/usr/bin:/bin\nTMPDIR=/tmp\n"), "{out}");
    assert!(out.ends_with("/work\n") && !out.contains("\n0\n"), "{out}");
}

/// It starts by setting aside what it has made so far; what it does at its end must not show that.
#[test]
fn what_python_does_when_a_program_ends_is_what_it_always_does() {
    let source = r#"
import atexit, builtins, codecs, logging, os, pickle, site, sys, tempfile, threading, weakref, __main__

class Loud:
    def __init__(self, name): self.name = name
    def __del__(self): print("bye", self.name)
class Importing(Loud):
    def __del__(self):
        try:
            import os as found
            print(self.name, "imports", found is known, known.sep)
        except ImportError as error: print(self.name, error)

known = os
ours = Loud("global")
def use(): return ours
cycle = Loud("cycle")
cycle.me = cycle
importing = Importing("global")
importing_in_cycle = Importing("cycle")
importing_in_cycle.me = importing_in_cycle
class Child(Loud): pass
Child.one = Child("class")
def outer():
    held = Loud("closure")
    def inner(): return inner, held
    return inner
closure = outer()
for module in (builtins, sys, os, codecs, site): module.left = Loud(module.__name__)
sys.meta_path.append(Loud("path"))
sys.__interactivehook__ = Loud("hook")
codecs.register(lambda name, held=Loud("codec"): None)
def steps():
    try: yield
    finally: print("closed")
waiting = steps()
next(waiting)
weakref.finalize(ours, print, "finalised")
atexit.register(print, "at exit")
atexit.register(Importing("at exit").__del__)
logging.basicConfig(stream=sys.stdout)
atexit.register(logging.warning, "logged")
directory = tempfile.TemporaryDirectory()
atexit.register(lambda: print(os.path.isdir(directory.name)))
thread = threading.Thread(target=lambda: print("thread", sys.modules["os"] is os))
thread.start()
thread.join()
print(list(globals())[:12], __main__.ours is ours, sys.modules["__main__"].__dict__ is globals())
print(type(__main__), type(__loader__), __builtins__, __spec__, pickle.loads(pickle.dumps(Child)) is Child)
print("no line end", end="")
"#;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("main.py");
    std::fs::write(&path, source).unwrap();
    let ever = std::process::Command::new("/usr/bin/python3").arg(&path).output().unwrap();
    assert!(ever.status.success(), "{ever:?}");
    let (verdict, step) = run("python3", source);
    assert_eq!(verdict, Verdict::Ok, "{step:?}");
    assert_eq!(text(&step.stdout), String::from_utf8(ever.stdout).unwrap());
}
