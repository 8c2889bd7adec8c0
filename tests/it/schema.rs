//! What a process does about the database that it finds.

use codecanvas::store::schema::{self, SchemaError};

use crate::support::{TestDatabase, database, empty_database};

#[tokio::test]
async fn an_empty_database_is_migrated_once() {
    let database = empty_database().await;
    assert!(matches!(schema::check(&database.pool).await, Err(SchemaError::Behind { .. })));
    assert!(!schema::migrate(&database.pool).await.unwrap().is_empty());
    assert_eq!(schema::migrate(&database.pool).await.unwrap(), []);
    schema::check(&database.pool).await.unwrap();
}

async fn change_migrations(database: &TestDatabase, sql: &'static str) {
    sqlx::query(sql).execute(&database.pool).await.unwrap();
}

#[tokio::test]
async fn a_newer_schema_is_left_alone() {
    let database = database().await;
    change_migrations(
        &database,
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9000, 'later', true, 'x', 1)",
    )
    .await;
    assert!(matches!(schema::migrate(&database.pool).await, Err(SchemaError::Newer { found: 9000, .. })));
}

#[tokio::test]
async fn a_half_migrated_schema_is_left_alone() {
    let failed = database().await;
    change_migrations(&failed, "UPDATE _sqlx_migrations SET success = false WHERE version = 2").await;
    assert!(matches!(schema::migrate(&failed.pool).await, Err(SchemaError::HalfMigrated { version: 2 })));
    let hole = database().await;
    change_migrations(&hole, "DELETE FROM _sqlx_migrations WHERE version = 1").await;
    assert!(matches!(schema::migrate(&hole.pool).await, Err(SchemaError::HalfMigrated { version: 1 })));
}

#[tokio::test]
async fn a_schema_of_another_text_is_left_alone() {
    let database = database().await;
    change_migrations(&database, "UPDATE _sqlx_migrations SET checksum = 'x' WHERE version = 1").await;
    assert!(matches!(schema::migrate(&database.pool).await, Err(SchemaError::Different { version: 1 })));
}
