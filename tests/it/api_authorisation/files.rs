//! What can be downloaded beside the schema, with the same credential.

use serde_json::Value;

use super::role::Role;
use super::stage::Stage;
use super::table::{Table, cell_of_error};
use crate::support::client;

/// Asks everybody for every file of the course.
pub async fn walk(stage: &Stage, table: &mut Table) {
    for extension in ["csv", "jsonl", "zip"] {
        let url = stage.app.url(&format!("/export/course/{}.{extension}", stage.id("course")));
        let mut cells = Vec::new();
        for role in Role::ALL {
            let mut request = client().get(&url);
            if let Some(token) = &stage.person(role).token {
                request = request.bearer_auth(token);
            }
            let response = request.send().await.unwrap();
            cells.push(if response.status().is_success() {
                "yes".to_owned()
            } else {
                cell_of_error(&response.json::<Value>().await.unwrap()["errors"][0])
            });
        }
        table.add(format!("GET /export/course/{{id}}.{extension}"), cells);
    }
}
