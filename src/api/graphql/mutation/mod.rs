//! Everything that can be changed.

mod people;

use async_graphql::MergedObject;

/// Everything that can be changed.
#[derive(Debug, Default, MergedObject)]
pub struct Mutation(people::PeopleMutation);
