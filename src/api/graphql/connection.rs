//! Pages as Relay wants them: connections, edges, cursors, and ids that say of what kind they are.

use std::fmt::Display;
use std::str::FromStr;

use async_graphql::{ID, SimpleObject};

use crate::domain::page::{Page, PageRequest};
use crate::service::Error;

/// Where a page is in its list.
#[derive(Debug, Clone, SimpleObject)]
pub struct PageInfo {
    /// Whether there are nodes behind this page.
    has_next_page: bool,
    /// Whether there are nodes in front of this page.
    has_previous_page: bool,
    /// The cursor of the first node; null where there is none.
    start_cursor: Option<String>,
    /// The cursor of the last node; null where there is none.
    end_cursor: Option<String>,
}

impl PageInfo {
    /// Of a page of rows that are found again by `cursor`.
    pub fn of<T, C: Display>(page: &Page<T>, cursor: impl Fn(&T) -> C) -> Self {
        Self {
            has_next_page: page.has_next,
            has_previous_page: page.has_previous,
            start_cursor: page.items.first().map(|item| cursor(item).to_string()),
            end_cursor: page.items.last().map(|item| cursor(item).to_string()),
        }
    }
}

/// The four arguments of every connection.
#[derive(Debug)]
pub struct PageArguments {
    /// Nodes from the top.
    pub first: Option<i32>,
    /// Behind this cursor.
    pub after: Option<String>,
    /// Nodes from the bottom.
    pub last: Option<i32>,
    /// In front of this cursor.
    pub before: Option<String>,
}

impl PageArguments {
    /// Checks them. Cursors are keys of the list.
    pub fn parse<K: FromStr>(self) -> Result<PageRequest<K>, Error> {
        let after = parse_cursor("after", self.after.as_deref())?;
        let before = parse_cursor("before", self.before.as_deref())?;
        Ok(PageRequest::new(self.first, after, self.last, before)?)
    }
}

/// Reads a cursor that this server gave out.
pub fn parse_cursor<K: FromStr>(field: &'static str, text: Option<&str>) -> Result<Option<K>, Error> {
    let parsed = text.map(K::from_str).transpose();
    parsed.map_err(|_| Error::invalid(field, "This is not a cursor of this list. Use one that the list gave you."))
}

/// Reads an id of one kind; what is no such id names nothing that exists.
pub fn parse_id<K: FromStr>(id: &ID, kind: &'static str) -> Result<K, Error> {
    id.parse().map_err(|_| Error::NotFound(kind))
}

/// What a page may cost: each node as much as its selection.
pub fn page_cost(first: Option<i32>, last: Option<i32>, child: usize) -> usize {
    let size = first.or(last).map_or(20, |size| usize::try_from(size).unwrap_or(0).min(100));
    list_cost(size, child)
}

/// What a list of so many entries may cost. Far above every limit it no longer matters by how much, and
/// sums must not overflow.
pub fn list_cost(size: usize, child: usize) -> usize {
    size.saturating_mul(child).saturating_add(1).min(1_000_000_000)
}

/// A count for a field of type Int.
pub fn count(number: i64) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
