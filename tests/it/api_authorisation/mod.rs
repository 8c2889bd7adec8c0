//! Who may see and do what: every field of the schema, asked for in every position that somebody can be in,
//! compared with `table.txt`.
//!
//! The fields come from introspection, so a new one without a line in the table fails, and so does a line
//! without a field. Where table and service differ, the test names each line and column, and leaves the
//! table as it found it in `target/tmp/authorisation.txt`. Where that is as it should be:
//!
//! ```text
//! cp target/tmp/authorisation.txt tests/it/api_authorisation/table.txt
//! ```
//!
//! and then read what has changed: each cell is a promise about what somebody else cannot see.
//!
//! - [`role`]: the columns
//! - [`stage`]: a course, the people around it, and what they have left there
//! - [`schema`]: what introspection tells
//! - [`reads`], [`mutations`], [`streams`], [`files`]: the lines
//! - [`table`]: cells, and comparing

mod files;
mod mutations;
mod reads;
pub mod role;
pub mod schema;
pub mod stage;
mod streams;
mod table;

use self::schema::Schema;
use self::stage::Stage;
use self::table::Table;

#[tokio::test]
async fn everybody_may_do_what_the_table_says_and_nothing_else() {
    let stage = Stage::set().await;
    let schema = Schema::read(&stage.app).await;
    let mut found = Table::default();
    // Reading first: what follows changes what there is to read.
    reads::walk(&stage, &schema, &mut found).await;
    files::walk(&stage, &mut found).await;
    streams::walk(&stage, &schema, &mut found).await;
    mutations::walk(&stage, &schema, &mut found).await;
    let unreached: Vec<_> = schema.types().filter(|kind| !found.knows(kind)).collect();
    assert!(unreached.is_empty(), "no line asks for a field of {unreached:?}: add a way to them in reads.rs");
    found.assert_is(include_str!("table.txt"));
    stage.clear().await;
}
