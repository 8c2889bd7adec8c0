//! The schema that is committed is the schema that is served.

#[test]
fn the_committed_schema_is_the_one_that_is_served() {
    let committed = include_str!("../../schema.graphql");
    let served = codecanvas::api::graphql::sdl();
    assert!(committed == served, "schema.graphql is stale: run \"codecanvas schema > schema.graphql\"");
}
