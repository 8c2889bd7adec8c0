//! Pages of long lists, by key: stable while new rows come in, as fast at the end as at the start.
//!
//! A store function reads [`PageRequest::limit`] rows (one more than asked for) in the direction of
//! the request and hands them to [`Page::new`].

/// How many rows a page has at most.
pub const MAX_PAGE_SIZE: usize = 100;
/// How many rows a page has when nobody says.
pub const DEFAULT_PAGE_SIZE: usize = 20;

/// From which end of the list the rows are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// `first`: from the top of the list.
    First,
    /// `last`: from the bottom of the list.
    Last,
}

/// Which rows of a list are wanted. `K` is the key that the list is sorted by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest<K> {
    /// Only rows behind this one.
    pub after: Option<K>,
    /// Only rows in front of this one.
    pub before: Option<K>,
    /// At most so many: 0 to [`MAX_PAGE_SIZE`].
    pub size: usize,
    /// From which end.
    pub end: End,
}

/// Arguments that ask for no page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPage {
    /// Both ends at once.
    #[error("Give first or last, not both.")]
    BothEnds,
    /// A size out of range.
    #[error("{field} must be between 0 and {MAX_PAGE_SIZE}.")]
    Size {
        /// `first` or `last`.
        field: &'static str,
    },
}

impl InvalidPage {
    /// Which argument is wrong.
    pub const fn field(self) -> &'static str {
        match self {
            Self::BothEnds => "last",
            Self::Size { field } => field,
        }
    }
}

impl<K> PageRequest<K> {
    /// Takes the arguments of a connection as Relay names them.
    pub fn new(
        first: Option<i32>,
        after: Option<K>,
        last: Option<i32>,
        before: Option<K>,
    ) -> Result<Self, InvalidPage> {
        let size = |field, asked: i32| match usize::try_from(asked) {
            Ok(size) if size <= MAX_PAGE_SIZE => Ok(size),
            Ok(_) | Err(_) => Err(InvalidPage::Size { field }),
        };
        let (end, size) = match (first, last) {
            (Some(_), Some(_)) => return Err(InvalidPage::BothEnds),
            (Some(first), None) => (End::First, size("first", first)?),
            (None, Some(last)) => (End::Last, size("last", last)?),
            (None, None) => (End::First, DEFAULT_PAGE_SIZE),
        };
        Ok(Self { after, before, size, end })
    }

    /// The top of the list, as many rows as a page may have.
    pub const fn top() -> Self {
        Self { after: None, before: None, size: MAX_PAGE_SIZE, end: End::First }
    }

    /// How many rows to read: one more than asked for tells whether there are more.
    pub fn limit(&self) -> i64 {
        i64::try_from(self.size).unwrap_or(i64::MAX - 1) + 1
    }

    /// Whether the statement has to read the list from its bottom.
    pub const fn is_from_bottom(&self) -> bool {
        match self.end {
            End::First => false,
            End::Last => true,
        }
    }
}

/// Some rows of a list, in the order of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Whether there are rows behind them.
    pub has_next: bool,
    /// Whether there are rows in front of them.
    pub has_previous: bool,
}

impl<T> Page<T> {
    /// Takes up to [`PageRequest::limit`] rows, read in the direction of the request.
    pub fn new<K>(mut rows: Vec<T>, request: &PageRequest<K>) -> Self {
        let has_more = rows.len() > request.size;
        rows.truncate(request.size);
        match request.end {
            End::First => Self { items: rows, has_next: has_more, has_previous: request.after.is_some() },
            End::Last => {
                rows.reverse();
                Self { items: rows, has_next: request.before.is_some(), has_previous: has_more }
            }
        }
    }

    /// The same page of something made of each row.
    pub fn map<U>(self, make: impl FnMut(T) -> U) -> Page<U> {
        Page {
            items: self.items.into_iter().map(make).collect(),
            has_next: self.has_next,
            has_previous: self.has_previous,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_tells_whether_there_are_more_rows() {
        let request = PageRequest::<i32>::new(Some(2), None, None, None).unwrap();
        assert_eq!(request.limit(), 3);
        assert_eq!(Page::new(vec![1, 2, 3], &request), Page { items: vec![1, 2], has_next: true, has_previous: false });
        let request = PageRequest::new(None, None, Some(2), Some(9)).unwrap();
        assert_eq!(Page::new(vec![8, 7, 6], &request), Page { items: vec![7, 8], has_next: true, has_previous: true });
    }

    #[test]
    fn sizes_out_of_range_are_refused() {
        let new = |first, last| PageRequest::<i32>::new(first, None, last, None).map(|page| page.size);
        assert_eq!(new(None, None), Ok(DEFAULT_PAGE_SIZE));
        assert_eq!(new(Some(0), None), Ok(0));
        assert_eq!(new(Some(101), None), Err(InvalidPage::Size { field: "first" }));
        assert_eq!(new(None, Some(-1)), Err(InvalidPage::Size { field: "last" }));
        assert_eq!(new(Some(1), Some(1)), Err(InvalidPage::BothEnds));
    }
}
