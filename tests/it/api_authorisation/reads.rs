//! Every field that can be read, with the way that leads to it.

use serde_json::Value;

use super::role::Role;
use super::schema::{Field, Schema};
use super::stage::Stage;
use super::table::{Table, cell_of, cell_of_error};
use crate::support::Person;

/// Fields that are asked for together: there is a limit on aliases.
const TOGETHER: usize = 40;

/// Fields that everybody may ask for who sees what they count, but that count what the viewer may see.
const COUNTS: [&str; 3] =
    ["SubmissionConnection.totalCount", "CourseStatistics.submissions", "CourseStatistics.activeStudents"];

/// A field as the only leaf of a field of the root.
struct Question {
    name: String,
    /// From the root to the field.
    document: String,
    /// Whether an error leaves the answers to other questions alone.
    is_contained: bool,
}

/// Asks everybody for everything.
pub async fn walk(stage: &Stage, schema: &Schema, table: &mut Table) {
    let questions = questions(stage, schema);
    let mut columns = Vec::new();
    for role in Role::ALL {
        columns.push(ask(stage.person(role), &questions).await);
    }
    for (number, question) in questions.iter().enumerate() {
        table.add(&question.name, columns.iter().map(|column| column[number].clone()).collect());
    }
}

fn questions(stage: &Stage, schema: &Schema) -> Vec<Question> {
    let is_contained = |root: &str| {
        let field = schema.fields("Query").iter().find(|field| field.name == root);
        field.unwrap_or_else(|| panic!("no field {root} of the root")).is_nullable
    };
    let mut questions = Vec::new();
    for kind in std::iter::once("Query").chain(schema.types().filter(|name| *name != "Query")) {
        let Some(way) = way_to(kind) else { continue };
        for field in schema.fields(kind) {
            let leaf = format!("{}{}{}", field.name, arguments(kind, field), field.selection());
            let document = way.iter().rev().fold(leaf, |inner, outer| format!("{outer} {{ {inner} }}"));
            let root = document.split([' ', '(']).next().unwrap_or_default();
            questions.push(Question {
                name: format!("{kind}.{}", field.name),
                is_contained: is_contained(root),
                document: stage.fill(&document),
            });
        }
        for (what, document) in more_of(kind) {
            let document = stage.fill(document);
            questions.push(Question { name: format!("{kind}.{what}"), is_contained: true, document });
        }
    }
    questions
}

async fn ask(person: &Person, questions: &[Question]) -> Vec<String> {
    let mut cells = vec![String::new(); questions.len()];
    let numbered: Vec<_> = questions.iter().enumerate().collect();
    let (contained, others): (Vec<_>, Vec<_>) = numbered.into_iter().partition(|(_, question)| question.is_contained);
    for chunk in contained.chunks(TOGETHER).chain(others.chunks(1)) {
        let fields: Vec<_> =
            chunk.iter().map(|(number, question)| format!("f{number}: {}", question.document)).collect();
        let answer = person.answer(&format!("{{ {} }}", fields.join("\n")), Value::Null).await;
        for (number, question) in chunk {
            cells[*number] = cell(&answer, &format!("f{number}"), &question.name);
        }
    }
    cells
}

fn cell(answer: &Value, alias: &str, name: &str) -> String {
    let errors = answer["errors"].as_array().map_or(&[][..], Vec::as_slice);
    if let Some(error) = errors.iter().find(|error| error["path"][0] == alias) {
        return cell_of_error(error);
    }
    // An error without a path is one of the question.
    assert!(errors.iter().all(|error| error["path"].is_array()), "{name}: {answer:#}");
    let value = &answer["data"][alias];
    if COUNTS.contains(&name) && last(value) == 0 { "0".to_owned() } else { cell_of(value).to_owned() }
}

/// Where a chain of fields ends.
fn last(value: &Value) -> &Value {
    value.as_object().and_then(|fields| fields.values().next()).map_or(value, last)
}

/// The fields that lead from the root to a type. `None` for what mutations and subscriptions answer with.
fn way_to(kind: &str) -> Option<&'static [&'static str]> {
    Some(match kind {
        "Query" => &[],
        "Node" => &["node(id: $submission)"],
        "User" => &["node(id: $author)", "... on User"],
        "Session" => &["node(id: $session)", "... on Session"],
        "AccessToken" => &["node(id: $token)", "... on AccessToken"],
        "UserConnection" => &["users"],
        "UserEdge" => &["users", "edges"],
        "Language" => &["language(name: \"bash\")"],
        "Limits" => &["language(name: \"bash\")", "defaultLimits"],
        "Submission" => &["submission(id: $submission)"],
        "SourceFile" => &["submission(id: $submission)", "files"],
        "FileDiff" => &["submission(id: $submission)", "diff(from: $earlier)"],
        "SubmissionConnection" => &["node(id: $author)", "... on User", "submissions"],
        "SubmissionEdge" => &["course(id: $course)", "submissions", "edges"],
        "PageInfo" => &["course(id: $course)", "submissions(first: 1)", "pageInfo"],
        "Attempt" => &["attempt(id: $attempt)"],
        "Step" => &["attempt(id: $attempt)", "steps"],
        "Output" => &["attempt(id: $attempt)", "steps", "stdout"],
        "AttemptEvent" => &["attempt(id: $attempt)", "events"],
        "StateChanged" => &["attempt(id: $attempt)", "events", "... on StateChanged"],
        "StepStarted" => &["attempt(id: $attempt)", "events", "... on StepStarted"],
        "OutputChunk" => &["attempt(id: $attempt)", "events", "... on OutputChunk"],
        "InputChunk" => &["attempt(id: $attempt)", "events", "... on InputChunk"],
        "StepFinished" => &["attempt(id: $attempt)", "events", "... on StepFinished"],
        "AttemptFinished" => &["attempt(id: $attempt)", "events", "... on AttemptFinished"],
        "Course" => &["course(id: $course)"],
        "Member" => &["course(id: $course)", "members"],
        "RosterRow" => &["course(id: $course)", "roster"],
        "CourseStatistics" => &["course(id: $course)", "statistics"],
        "VerdictCount" => &["course(id: $course)", "statistics", "byVerdict"],
        "LanguageCount" => &["course(id: $course)", "statistics", "byLanguage"],
        "StudentCount" => &["course(id: $course)", "statistics", "byStudent"],
        "TimeBucket" => &["course(id: $course)", "statistics", "overTime"],
        "Feedback" => &["node(id: $feedback)", "... on Feedback"],
        "Server" => &["server"],
        "Worker" => &["node(id: $worker)", "... on Worker"],
        _ => return None,
    })
}

/// Arguments that say whom and what it is about.
fn arguments(kind: &str, field: &Field) -> &'static str {
    match (kind, field.name.as_str()) {
        ("Query", "node") => "(id: $author)",
        ("Query", "nodes") => "(ids: [$author])",
        ("Query", "language") => "(name: \"bash\")",
        ("Query", "submission") => "(id: $submission)",
        ("Query", "attempt") => "(id: $attempt)",
        ("Query", "course") => "(id: $course)",
        ("Submission", "diff") => "(from: $earlier)",
        (_, name) => {
            assert!(!field.needs_arguments, "no arguments for {kind}.{name}: add some");
            ""
        }
    }
}

/// Questions that a field answers differently, depending on what it is about.
fn more_of(kind: &str) -> &'static [(&'static str, &'static str)] {
    match kind {
        "Query" => &[
            ("submission of a private run", "submission(id: $private) { id }"),
            ("attempt of a private run", "attempt(id: $unseen) { id }"),
            ("course where others are", "course(id: $other) { id }"),
            ("node of the author's session", "node(id: $session) { id }"),
            ("node of the author's access token", "node(id: $token) { id }"),
            ("node of a remark", "node(id: $feedback) { id }"),
            ("node of a worker", "node(id: $worker) { id }"),
        ],
        "User" => &[
            ("courses of the viewer", "viewer { courses { id } }"),
            ("sessions of the viewer", "viewer { sessions { id } }"),
            ("accessTokens of the viewer", "viewer { accessTokens { id } }"),
            ("submissions of the teacher", "node(id: $teacher) { ... on User { submissions { nodes { id } } } }"),
            ("username of an outsider", "node(id: $outsider) { ... on User { username } }"),
        ],
        "Submission" => &[
            ("diff from a private run", "submission(id: $submission) { diff(from: $private) { path } }"),
            ("diff of a private run", "submission(id: $private) { diff(from: $submission) { path } }"),
        ],
        _ => &[],
    }
}
