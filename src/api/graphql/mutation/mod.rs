//! Everything that can be changed.

mod courses;
mod people;
mod runs;

use async_graphql::MergedObject;

/// Everything that can be changed.
#[derive(Debug, Default, MergedObject)]
pub struct Mutation(people::PeopleMutation, runs::RunsMutation, courses::CoursesMutation);
