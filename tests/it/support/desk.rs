//! The use cases over a database of their own, without a server in front.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use codecanvas::auth::Viewer;
use codecanvas::config;
use codecanvas::domain::course::{Course, CourseRole};
use codecanvas::domain::ids::{AttemptId, CourseId, SubmissionId, UserId};
use codecanvas::domain::user::SiteRole;
use codecanvas::domain::verdict::{AttemptState, Verdict};
use codecanvas::service::people::Register;
use codecanvas::service::sessions::{Client, SignedIn};
use codecanvas::service::{Error, Services, Settings, admin, courses, people, sessions};

use super::database;

/// The password of everybody that [`Desk`] makes.
pub const PASSWORD: &str = "correct horse";

/// The use cases over a database of their own.
pub struct Desk {
    pub services: Arc<Services>,
}

impl Desk {
    /// With the default settings.
    pub async fn new() -> Self {
        Self::with(&[]).await
    }

    /// With some settings, written as for `--set`.
    pub async fn with(settings: &[(&str, &str)]) -> Self {
        let flags: config::Overrides =
            settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let environment = BTreeMap::from([("HOME".to_owned(), "/nonexistent".to_owned())]);
        let config = config::load(None, &environment, &flags).unwrap();
        let pool = database().await.pool;
        Self { services: Arc::new(Services::new(pool, Settings::from(&config)).unwrap()) }
    }

    /// Registers somebody with [`PASSWORD`].
    pub async fn register(&self, username: &str) -> Result<SignedIn, Error> {
        people::register(&self.services, None, &client(), registration(username)).await
    }

    /// Signs in with [`PASSWORD`].
    pub async fn sign_in(&self, username: &str) -> Viewer {
        sessions::sign_in(&self.services, &client(), username, PASSWORD).await.unwrap().viewer()
    }

    /// Somebody who has registered.
    pub async fn user(&self, username: &str) -> Viewer {
        self.register(username).await.unwrap().viewer()
    }

    /// Somebody with a role, signed in.
    pub async fn person(&self, username: &str, role: SiteRole) -> Viewer {
        let input = admin::CreateUser {
            username: username.to_owned(),
            password: PASSWORD.to_owned(),
            display_name: None,
            role,
        };
        admin::create_user(&self.services, &Viewer::operator(), input).await.unwrap();
        self.sign_in(username).await
    }

    /// Somebody who may create courses.
    pub async fn teacher(&self, username: &str) -> Viewer {
        self.person(username, SiteRole::Teacher).await
    }

    /// A course with its teacher.
    pub async fn course(&self, teacher: &Viewer) -> Course {
        courses::create(&self.services, teacher, "Intro CS").await.unwrap()
    }

    /// Somebody who has registered and joined the course in that role.
    pub async fn member(&self, teacher: &Viewer, course: &Course, username: &str, role: CourseRole) -> Viewer {
        let viewer = self.user(username).await;
        courses::join(&self.services, &viewer, course.join_code.as_deref().unwrap()).await.unwrap();
        courses::set_member_role(&self.services, teacher, course.id, viewer.user_id, role).await.unwrap();
        viewer
    }

    /// Who a secret belongs to.
    pub async fn authenticate(&self, secret: &str) -> Option<Viewer> {
        sessions::authenticate(&self.services, secret).await.unwrap()
    }

    /// Runs a statement that no use case has.
    pub async fn sql(&self, statement: &'static str, id: impl Into<uuid::Uuid>) -> u64 {
        sqlx::query(statement).bind(id.into()).execute(&self.services.pool).await.unwrap().rows_affected()
    }

    /// A number that no use case tells.
    pub async fn count(&self, statement: &'static str) -> i64 {
        sqlx::query_scalar(statement).fetch_one(&self.services.pool).await.unwrap()
    }

    /// Something that was handed in, with the files `main.py` and `b.txt`, run and finished.
    pub async fn submission(&self, handed_in: &HandedIn) -> SubmissionId {
        let created_at = Utc::now() - TimeDelta::from_std(handed_in.ago).unwrap();
        let (submission, attempt) = (id_at(created_at), AttemptId::new());
        let mut tx = self.services.pool.begin().await.unwrap();
        sqlx::query(
            "INSERT INTO submissions (id, author_id, course_id, language, main_path, stdin, arguments, is_interactive,
                 created_at, input_sha256, counted_attempt_id, counted_state, counted_verdict)
             VALUES ($1, $2, $3, $4, 'main.py', '', '{}', false, $5, sha256('x'), $6, $7, $8)",
        )
        .bind(submission)
        .bind(handed_in.author)
        .bind(handed_in.course)
        .bind(handed_in.language)
        .bind(created_at)
        .bind(attempt)
        .bind(if handed_in.verdict.is_some() { AttemptState::Finished } else { AttemptState::Running })
        .bind(handed_in.verdict)
        .execute(&mut *tx)
        .await
        .unwrap();
        for (position, (path, text)) in [("main.py", handed_in.source), ("b.txt", "")].into_iter().enumerate() {
            sqlx::query(
                "WITH source AS (
                     INSERT INTO sources (sha256, bytes, text) VALUES (sha256($3::bytea), $3::bytea, $4)
                     ON CONFLICT DO NOTHING
                 )
                 INSERT INTO submission_files (submission_id, position, path, sha256)
                 VALUES ($1, $2, $5, sha256($3::bytea))",
            )
            .bind(submission)
            .bind(i32::try_from(position).unwrap())
            .bind(text.as_bytes())
            .bind(text)
            .bind(path)
            .execute(&mut *tx)
            .await
            .unwrap();
        }
        sqlx::query(
            "INSERT INTO attempts (id, submission_id, number, requested_by, requested_limits, state, verdict, finished_at)
             VALUES ($1, $2, 1, $3, '{}', $4, $5, CASE WHEN $5 IS NOT NULL THEN now() END)",
        )
        .bind(attempt)
        .bind(submission)
        .bind(handed_in.author)
        .bind(if handed_in.verdict.is_some() { AttemptState::Finished } else { AttemptState::Running })
        .bind(handed_in.verdict)
        .execute(&mut *tx)
        .await
        .unwrap();
        tx.commit().await.unwrap();
        submission
    }
}

/// Something to be handed in.
pub struct HandedIn {
    pub author: UserId,
    pub course: Option<CourseId>,
    pub language: &'static str,
    pub source: &'static str,
    /// `None` while it runs.
    pub verdict: Option<Verdict>,
    pub ago: Duration,
}

impl HandedIn {
    /// A Python program that ended well just now.
    pub fn by(author: &Viewer, course: Option<&Course>) -> Self {
        Self {
            author: author.user_id,
            course: course.map(|course| course.id),
            language: "python3",
            source: "print(1)\nprint(2)\n",
            verdict: Some(Verdict::Ok),
            ago: Duration::ZERO,
        }
    }
}

/// An id that sorts as if it had been made then.
fn id_at(at: DateTime<Utc>) -> SubmissionId {
    let random: [u8; 10] = rand::random();
    let millis = u64::try_from(at.timestamp_millis()).unwrap();
    SubmissionId::from_uuid(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
}

/// Where everybody is.
pub fn client() -> Client {
    Client::new(IpAddr::V4(Ipv4Addr::LOCALHOST), Some("test"))
}

/// What somebody with [`PASSWORD`] gives to register.
pub fn registration(username: &str) -> Register {
    Register { username: username.to_owned(), password: PASSWORD.to_owned(), display_name: None, invitation_code: None }
}

/// The stable code of a refusal.
pub fn code<T>(result: Result<T, Error>) -> &'static str {
    match result {
        Ok(_) => "OK",
        Err(error) => error.code(),
    }
}
