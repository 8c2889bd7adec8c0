//! The positions from which somebody can ask: the columns of the table.

/// Where somebody stands towards the course and what its student, the author, has handed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Not signed in.
    Nobody,
    /// A throw-away account.
    Guest,
    /// A student of another course.
    Stranger,
    /// The teacher of another course.
    Outsider,
    /// Another student of the course.
    Classmate,
    /// The student whom all questions are about.
    Author,
    /// The same by an access token.
    Token,
    /// An assistant of the course.
    Assistant,
    /// The teacher of the course.
    Teacher,
    /// Runs the server, and is in no course.
    Admin,
}

impl Role {
    pub const ALL: [Self; 10] = [
        Self::Nobody,
        Self::Guest,
        Self::Stranger,
        Self::Outsider,
        Self::Classmate,
        Self::Author,
        Self::Token,
        Self::Assistant,
        Self::Teacher,
        Self::Admin,
    ];

    /// The head of the column.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nobody => "nobody",
            Self::Guest => "guest",
            Self::Stranger => "stranger",
            Self::Outsider => "outsider",
            Self::Classmate => "classmate",
            Self::Author => "author",
            Self::Token => "token",
            Self::Assistant => "assistant",
            Self::Teacher => "teacher",
            Self::Admin => "admin",
        }
    }

    /// Their role on the server; `None` without an account.
    pub const fn on_the_server(self) -> Option<&'static str> {
        match self {
            Self::Nobody => None,
            Self::Guest => Some("GUEST"),
            Self::Stranger | Self::Classmate | Self::Author | Self::Token | Self::Assistant => Some("USER"),
            Self::Outsider | Self::Teacher => Some("TEACHER"),
            Self::Admin => Some("ADMIN"),
        }
    }

    /// Their role in the course; `None` outside it.
    pub const fn in_the_course(self) -> Option<&'static str> {
        match self {
            Self::Nobody | Self::Guest | Self::Stranger | Self::Outsider | Self::Admin => None,
            Self::Classmate | Self::Author | Self::Token => Some("STUDENT"),
            Self::Assistant => Some("ASSISTANT"),
            Self::Teacher => Some("TEACHER"),
        }
    }

    /// Their role in the other course; `None` outside it.
    pub const fn in_the_other_course(self) -> Option<&'static str> {
        match self {
            Self::Stranger => Some("STUDENT"),
            Self::Outsider => Some("TEACHER"),
            Self::Nobody
            | Self::Guest
            | Self::Classmate
            | Self::Author
            | Self::Token
            | Self::Assistant
            | Self::Teacher
            | Self::Admin => None,
        }
    }
}
