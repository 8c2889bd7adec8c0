//! Every subscription, with all fields of what it delivers.

use serde_json::Value;

use super::role::Role;
use super::schema::{Field, Schema};
use super::stage::Stage;
use super::table::{Table, cell_of, cell_of_error};

/// Has everybody watch everything.
pub async fn walk(stage: &Stage, schema: &Schema, table: &mut Table) {
    let mut details = Vec::new();
    for field in schema.fields("Subscription") {
        let name = field.name.as_str();
        let inner = schema.fields(&field.of);
        let columns = match name {
            "attemptEvents" => watch(stage, field, inner, "(attemptId: $attempt)", None).await,
            "courseActivity" => watch(stage, field, inner, "(courseId: $course)", Some("course")).await,
            "viewerActivity" => watch(stage, field, inner, "", None).await,
            _ => panic!("no way to make {name} deliver something: add one"),
        };
        let line = |at: usize| columns.iter().map(|column| column[at].clone()).collect();
        table.add(format!("Subscription.{name}"), line(0));
        // The fields of events are told by what can be read of them.
        if name == "courseActivity" {
            for (number, inner) in inner.iter().enumerate() {
                details.push((format!("{}.{}", field.of, inner.name), line(number + 1)));
            }
        }
    }
    for (name, cells) in details {
        table.add(name, cells);
    }
}

/// For each position: what comes first, and each field of it.
async fn watch(
    stage: &Stage,
    field: &Field,
    inner: &[Field],
    arguments: &str,
    course: Option<&str>,
) -> Vec<Vec<String>> {
    let name = &field.name;
    let selection: Vec<_> = inner.iter().map(|field| format!("{}{}", field.name, field.selection())).collect();
    let query = stage.fill(&format!("subscription {{ {name}{arguments} {{ {} }} }}", selection.join(" ")));
    let mut sockets = Vec::new();
    for role in Role::ALL {
        let mut socket = stage.person(role).socket().await;
        socket.subscribe("1", &query, Value::Null).await;
        sockets.push((role, socket));
    }
    if course.is_some() {
        stage.submit(Role::Author, "echo live", course).await;
    }
    let mut columns = Vec::new();
    for (role, mut socket) in sockets {
        if name == "viewerActivity" && role != Role::Nobody {
            stage.submit(role, "echo mine", None).await;
        }
        let mut message = socket.receive().await;
        // All fields of a change of state are there when it is the last.
        while message["payload"]["data"][name].get("state").is_some_and(|state| state != "FINISHED") {
            message = socket.receive().await;
        }
        columns.push(match message["type"].as_str() {
            Some("error") => vec![cell_of_error(&message["payload"][0]); 1 + inner.len()],
            Some("next") => {
                let event = &message["payload"]["data"][name];
                assert!(message["payload"].get("errors").is_none(), "{role:?}: {message:#}");
                let cell = |field: &Field| cell_of(&event[&field.name]).to_owned();
                std::iter::once("yes".to_owned()).chain(inner.iter().map(cell)).collect()
            }
            _ => panic!("{role:?}: {message}"),
        });
    }
    columns
}
