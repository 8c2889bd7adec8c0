//! Cells and lines, and how those that were found compare with those that were promised.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;

use super::role::Role;

const LEGEND: &str = "\
# Who may see and do what: a line per field, a column per position. Written by the test in mod.rs, which says
# how to renew it; read by people.
#
# All questions are about one student, the author, and what they have handed in in a course.
#   stranger: a student of another course    classmate: another student of the course
#   outsider: the teacher of another course  token: the author, by an access token
#   admin: runs the server, and is in no course
#
# yes: a value      null: null           empty: an empty list   0: a count of nothing
# sign-in: UNAUTHENTICATED               no: FORBIDDEN          hidden: NOT_FOUND
#
# A line of a mutation stands for all fields of its payload. A line with a text behind the field asks for
# something else than the others do.
";

/// Lines in the order they are found.
#[derive(Default)]
pub struct Table {
    lines: Vec<Line>,
    /// Types that a line stands for as a whole.
    known: BTreeSet<String>,
}

struct Line {
    name: String,
    cells: Vec<String>,
}

impl Table {
    /// Adds a line: a cell for each position.
    pub fn add(&mut self, name: impl Into<String>, cells: Vec<String>) {
        assert_eq!(cells.len(), Role::ALL.len());
        self.lines.push(Line { name: name.into(), cells });
    }

    /// Notes that the lines so far tell about all fields of a type.
    pub fn know(&mut self, kind: &str) {
        self.known.insert(kind.to_owned());
    }

    /// Whether a line tells about the fields of a type.
    pub fn knows(&self, kind: &str) -> bool {
        let start = format!("{kind}.");
        self.known.contains(kind) || self.lines.iter().any(|line| line.name.starts_with(&start))
    }

    /// Fails with each cell that is not as promised.
    pub fn assert_is(&self, promised: &str) {
        let promised = Self::parse(promised);
        let mut wrong = String::new();
        for line in &self.lines {
            match promised.find(&line.name) {
                None => writeln!(wrong, "{}: no line; found {}", line.name, line.cells.join(" ")).unwrap(),
                Some(promised) => {
                    for ((role, found), promised) in Role::ALL.iter().zip(&line.cells).zip(&promised.cells) {
                        if found != promised {
                            let role = role.name();
                            writeln!(wrong, "{}, {role}: promised {promised}, found {found}", line.name).unwrap();
                        }
                    }
                }
            }
        }
        for line in promised.lines.iter().filter(|line| self.find(&line.name).is_none()) {
            writeln!(wrong, "{}: a line for what is not there", line.name).unwrap();
        }
        if !wrong.is_empty() {
            let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("authorisation.txt");
            std::fs::write(&path, self.to_string()).unwrap();
            panic!(
                "{wrong}\nWhere this is as it should be, and then read each cell that has changed:\n\
                 cp {} tests/it/api_authorisation/table.txt",
                path.display()
            );
        }
    }

    fn find(&self, name: &str) -> Option<&Line> {
        self.lines.iter().find(|line| line.name == name)
    }

    /// Reads what [`Self::to_string`] wrote, in whatever order.
    fn parse(text: &str) -> Self {
        let is_line = |line: &&str| !line.is_empty() && !line.starts_with('#');
        let mut lines = text.lines().filter(is_line).map(|line| {
            let words: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
            let at = words.len().checked_sub(Role::ALL.len()).unwrap_or_else(|| panic!("too few cells: {line}"));
            Line { name: words[..at].join(" "), cells: words[at..].to_vec() }
        });
        if let Some(head) = lines.next() {
            assert_eq!(head.cells, Role::ALL.map(Role::name), "the columns of the table are not the positions");
        }
        Self { lines: lines.collect(), known: BTreeSet::new() }
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let width = self.lines.iter().map(|line| line.name.len()).max().unwrap_or(0) + 2;
        let written = |name: &str, cells: &[&str]| {
            let line = cells.iter().fold(format!("{name:<width$}"), |line, cell| line + &format!("{cell:<11}"));
            line.trim_end().to_owned()
        };
        writeln!(f, "{LEGEND}\n{}", written("field", &Role::ALL.map(Role::name)))?;
        let mut kind = "";
        for line in &self.lines {
            let of = line.name.split('.').next().unwrap_or_default();
            if of != kind {
                writeln!(f)?;
                kind = of;
            }
            let cells: Vec<_> = line.cells.iter().map(String::as_str).collect();
            writeln!(f, "{}", written(&line.name, &cells))?;
        }
        Ok(())
    }
}

/// The cell for a value that one leaf leads to. Of several in a list the one that tells most.
pub fn cell_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) | Value::Number(_) | Value::String(_) => "yes",
        Value::Object(fields) => fields.values().next().map_or("yes", cell_of),
        Value::Array(entries) => {
            // Where a fragment does not apply there is nothing to see.
            let told = entries.iter().filter(|entry| entry.as_object().is_none_or(|fields| !fields.is_empty()));
            let cells: Vec<_> = told.map(cell_of).collect();
            ["yes", "null"].into_iter().find(|cell| cells.contains(cell)).unwrap_or("empty")
        }
    }
}

/// The cell for a refusal.
pub fn cell_of_error(error: &Value) -> String {
    match error["extensions"]["code"].as_str().unwrap_or_else(|| panic!("an error without a code: {error}")) {
        "UNAUTHENTICATED" => "sign-in".to_owned(),
        "FORBIDDEN" => "no".to_owned(),
        "NOT_FOUND" => "hidden".to_owned(),
        other => other.to_lowercase(),
    }
}
