//! Who one is, and what the server offers.

use serde::{Deserialize, Serialize};

/// A person.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Person {
    pub username: String,
    pub display_name: String,
    pub role: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SignInAnswer {
    pub sign_in: SignIn,
}

#[derive(Debug, Deserialize)]
pub struct SignIn {
    pub token: String,
    pub user: Person,
}

#[derive(Debug, Deserialize)]
pub struct LanguagesAnswer {
    pub languages: Vec<Language>,
}

/// A language that the service offers.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Language {
    pub name: String,
    pub display_name: String,
    pub version: String,
    pub aliases: Vec<String>,
    pub file_extensions: Vec<String>,
    pub is_compiled: bool,
}
