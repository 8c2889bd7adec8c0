-- People, how they sign in, and courses.

CREATE TYPE site_role AS ENUM ('GUEST', 'USER', 'TEACHER', 'ADMIN');
CREATE TYPE course_role AS ENUM ('STUDENT', 'ASSISTANT', 'TEACHER');

CREATE TABLE users (
    id            uuid PRIMARY KEY,
    username      text NOT NULL CHECK (username ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$'),
    display_name  text NOT NULL CHECK (char_length(display_name) BETWEEN 1 AND 80),
    role          site_role NOT NULL,
    password_hash text,
    created_at    timestamptz NOT NULL DEFAULT now(),
    expires_at    timestamptz,
    CONSTRAINT guests_have_no_password CHECK ((role = 'GUEST') = (password_hash IS NULL)),
    CONSTRAINT guests_expire CHECK ((role = 'GUEST') = (expires_at IS NOT NULL))
);
CREATE UNIQUE INDEX users_username_key ON users (lower(username));
CREATE INDEX users_search_username ON users (lower(username) text_pattern_ops, id);
CREATE INDEX users_search_display_name ON users (lower(display_name) text_pattern_ops, id);
CREATE INDEX users_expiring ON users (expires_at) WHERE expires_at IS NOT NULL;
COMMENT ON TABLE users IS 'People with an account, guests included. Deleting one deletes all that is theirs.';
COMMENT ON COLUMN users.username IS 'Unique without regard to case; shown as it was registered.';
COMMENT ON COLUMN users.password_hash IS 'argon2id in PHC string format; null for guests.';
COMMENT ON COLUMN users.expires_at IS 'When a guest and all that is theirs is deleted.';

CREATE TABLE sessions (
    id            uuid PRIMARY KEY,
    user_id       uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    secret_sha256 bytea NOT NULL UNIQUE CHECK (octet_length(secret_sha256) = 32),
    user_agent    text CHECK (char_length(user_agent) <= 200),
    created_at    timestamptz NOT NULL DEFAULT now(),
    last_used_at  timestamptz NOT NULL DEFAULT now(),
    expires_at    timestamptz NOT NULL
);
CREATE INDEX sessions_user ON sessions (user_id, id);
CREATE INDEX sessions_expiry ON sessions (expires_at);
COMMENT ON TABLE sessions IS 'Where people are signed in. The secret itself is nowhere.';

CREATE TABLE access_tokens (
    id            uuid PRIMARY KEY,
    user_id       uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    name          text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 80),
    secret_sha256 bytea NOT NULL UNIQUE CHECK (octet_length(secret_sha256) = 32),
    created_at    timestamptz NOT NULL DEFAULT now(),
    last_used_at  timestamptz,
    expires_at    timestamptz
);
CREATE INDEX access_tokens_user ON access_tokens (user_id, id);
COMMENT ON TABLE access_tokens IS 'Named credentials for scripts. The secret itself is nowhere.';

CREATE TABLE courses (
    id          uuid PRIMARY KEY,
    title       text NOT NULL CHECK (char_length(title) BETWEEN 1 AND 120),
    join_code   text NOT NULL UNIQUE,
    created_at  timestamptz NOT NULL DEFAULT now(),
    archived_at timestamptz
);
COMMENT ON TABLE courses IS 'Courses. They outlive the people who made them.';
COMMENT ON COLUMN courses.join_code IS 'What students type to join; renewed at will.';

CREATE TABLE course_members (
    course_id uuid NOT NULL REFERENCES courses ON DELETE CASCADE,
    user_id   uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    role      course_role NOT NULL,
    joined_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (course_id, user_id)
);
CREATE INDEX course_members_user ON course_members (user_id, course_id);
COMMENT ON TABLE course_members IS 'Who is what in which course.';
