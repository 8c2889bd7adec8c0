-- Submissions, their attempts, the event log, and the queue.

CREATE EXTENSION IF NOT EXISTS pg_trgm;

CREATE TYPE attempt_state AS ENUM ('QUEUED', 'COMPILING', 'RUNNING', 'FINISHED');
CREATE TYPE verdict AS ENUM ('OK', 'COMPILE_ERROR', 'RUNTIME_ERROR', 'CPU_TIME_LIMIT', 'WALL_TIME_LIMIT', 'MEMORY_LIMIT', 'OUTPUT_LIMIT', 'CANCELLED', 'SYSTEM_ERROR');
CREATE TYPE step_kind AS ENUM ('COMPILE', 'RUN');
CREATE TYPE output_stream AS ENUM ('STDOUT', 'STDERR');
CREATE TYPE event_kind AS ENUM ('STATE_CHANGED', 'STEP_STARTED', 'OUTPUT_CHUNK', 'INPUT_CHUNK', 'STEP_FINISHED', 'ATTEMPT_FINISHED');

CREATE TABLE sources (
    sha256 bytea PRIMARY KEY CHECK (octet_length(sha256) = 32),
    bytes  bytea NOT NULL,
    text   text
);
CREATE INDEX sources_text ON sources USING gin (text gin_trgm_ops);
COMMENT ON TABLE sources IS 'Contents of source files, each once: students hand in the same file again and again.';
COMMENT ON COLUMN sources.text IS 'The contents for the text search; null where they are not UTF-8 or hold a NUL.';

CREATE TABLE submissions (
    id                 uuid PRIMARY KEY,
    author_id          uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    course_id          uuid REFERENCES courses ON DELETE SET NULL,
    language           text NOT NULL,
    main_path          text NOT NULL,
    stdin              bytea NOT NULL,
    arguments          text[] NOT NULL,
    is_interactive     boolean NOT NULL,
    created_at         timestamptz NOT NULL DEFAULT now(),
    idempotency_key    text CHECK (char_length(idempotency_key) BETWEEN 1 AND 200),
    input_sha256       bytea NOT NULL CHECK (octet_length(input_sha256) = 32),
    counted_attempt_id uuid NOT NULL,
    counted_state      attempt_state NOT NULL,
    counted_verdict    verdict,
    CONSTRAINT verdict_iff_finished CHECK ((counted_verdict IS NOT NULL) = (counted_state = 'FINISHED'))
);
CREATE INDEX submissions_author ON submissions (author_id, id DESC);
CREATE INDEX submissions_author_verdict ON submissions (author_id, counted_verdict, id DESC);
CREATE INDEX submissions_course ON submissions (course_id, id DESC) WHERE course_id IS NOT NULL;
CREATE INDEX submissions_course_verdict ON submissions (course_id, counted_verdict, id DESC) WHERE course_id IS NOT NULL;
CREATE INDEX submissions_course_author ON submissions (course_id, author_id, id DESC) WHERE course_id IS NOT NULL;
CREATE UNIQUE INDEX submissions_idempotency ON submissions (author_id, idempotency_key) WHERE idempotency_key IS NOT NULL;
COMMENT ON TABLE submissions IS 'What people handed in. Only the counted_ columns ever change.';
COMMENT ON COLUMN submissions.idempotency_key IS 'Freed (set to null) when it is older than 24 h.';
COMMENT ON COLUMN submissions.input_sha256 IS 'Digest of all that was handed in: tells a repeat from another use of the key.';
COMMENT ON COLUMN submissions.counted_attempt_id IS 'The newest attempt asked for by the author; state and verdict are copied for the filters.';

CREATE TABLE submission_files (
    submission_id uuid NOT NULL REFERENCES submissions ON DELETE CASCADE,
    position      integer NOT NULL CHECK (position >= 0),
    path          text NOT NULL CHECK (octet_length(path) BETWEEN 1 AND 255),
    sha256        bytea NOT NULL REFERENCES sources,
    PRIMARY KEY (submission_id, position),
    UNIQUE (submission_id, path)
);
CREATE INDEX submission_files_sha256 ON submission_files (sha256);
COMMENT ON TABLE submission_files IS 'The files of a submission in the order they were sent.';

CREATE TABLE attempts (
    id                  uuid PRIMARY KEY,
    submission_id       uuid NOT NULL REFERENCES submissions ON DELETE CASCADE,
    number              integer NOT NULL CHECK (number >= 1),
    requested_by        uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    requested_limits    jsonb NOT NULL,
    state               attempt_state NOT NULL,
    verdict             verdict,
    language_version    text,
    queued_at           timestamptz NOT NULL DEFAULT now(),
    started_at          timestamptz,
    finished_at         timestamptz,
    UNIQUE (submission_id, number),
    CONSTRAINT verdict_iff_finished CHECK ((verdict IS NOT NULL) = (state = 'FINISHED')),
    CONSTRAINT finished_at_iff_finished CHECK ((finished_at IS NOT NULL) = (state = 'FINISHED'))
);
CREATE INDEX attempts_requested_by ON attempts (requested_by, queued_at);
COMMENT ON TABLE attempts IS 'Executions of submissions.';

CREATE TABLE steps (
    attempt_id         uuid NOT NULL REFERENCES attempts ON DELETE CASCADE,
    kind               step_kind NOT NULL,
    limits             jsonb NOT NULL,
    verdict            verdict,
    exit_code          integer,
    signal             text,
    cpu_time_ms        integer CHECK (cpu_time_ms >= 0),
    wall_time_ms       integer CHECK (wall_time_ms >= 0),
    peak_memory_bytes  bigint CHECK (peak_memory_bytes >= 0),
    reason             text,
    is_cached          boolean NOT NULL DEFAULT false,
    stdout             bytea NOT NULL DEFAULT '',
    stdout_total_bytes bigint NOT NULL DEFAULT 0,
    stderr             bytea NOT NULL DEFAULT '',
    stderr_total_bytes bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (attempt_id, kind),
    CONSTRAINT exit_code_or_signal CHECK (exit_code IS NULL OR signal IS NULL)
);
COMMENT ON TABLE steps IS 'Sandboxed process trees of an attempt. Output is empty until the step has ended: until then it is in the events.';
COMMENT ON COLUMN steps.stdout_total_bytes IS 'All that was written; more than is stored where the output was cut.';

CREATE TABLE attempt_events (
    attempt_id  uuid NOT NULL REFERENCES attempts ON DELETE CASCADE,
    sequence    integer NOT NULL CHECK (sequence >= 0),
    at          timestamptz NOT NULL,
    kind        event_kind NOT NULL,
    state       attempt_state,
    step        step_kind,
    stream      output_stream,
    byte_offset bigint,
    bytes       bytea,
    is_end      boolean,
    PRIMARY KEY (attempt_id, sequence)
);
COMMENT ON TABLE attempt_events IS 'The log of attempts that are not packed yet: append-only, dense from 0.';

CREATE TABLE attempt_logs (
    attempt_id  uuid PRIMARY KEY REFERENCES attempts ON DELETE CASCADE,
    event_count integer NOT NULL CHECK (event_count > 0),
    packed      bytea NOT NULL,
    packed_at   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX attempt_logs_age ON attempt_logs (packed_at);
COMMENT ON TABLE attempt_logs IS 'The log of a finished attempt in one zstd-compressed row.';

CREATE TABLE attempt_input (
    attempt_id  uuid NOT NULL REFERENCES attempts ON DELETE CASCADE,
    byte_offset bigint NOT NULL CHECK (byte_offset >= 0),
    bytes       bytea NOT NULL,
    is_end      boolean NOT NULL,
    at          timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (attempt_id, byte_offset, is_end)
);
COMMENT ON TABLE attempt_input IS 'What was typed for an interactive attempt, on its way to the worker.';

CREATE TABLE workers (
    id           uuid PRIMARY KEY,
    hostname     text NOT NULL,
    slots        integer NOT NULL CHECK (slots > 0),
    busy_slots   integer NOT NULL DEFAULT 0,
    isolation    text[] NOT NULL,
    languages    jsonb NOT NULL,
    started_at   timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE workers IS 'Workers that run or ran lately. A worker is live while last_seen_at is recent.';
COMMENT ON COLUMN workers.languages IS 'The languages it offers, with versions, templates and limits.';

-- Small and busy: rows leave when the attempt ends, so that the claim stays fast however long the history is.
CREATE TABLE queue (
    attempt_id          uuid PRIMARY KEY REFERENCES attempts ON DELETE CASCADE,
    user_id             uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    language            text NOT NULL,
    turn                bigint NOT NULL,
    running_quota       integer NOT NULL CHECK (running_quota > 0),
    next_sequence       integer NOT NULL DEFAULT 1 CHECK (next_sequence > 0),
    tries               integer NOT NULL DEFAULT 0,
    enqueued_at         timestamptz NOT NULL DEFAULT now(),
    cancel_requested_at timestamptz,
    lease_id            uuid,
    worker_id           uuid,
    lease_expires_at    timestamptz,
    CONSTRAINT lease_is_whole CHECK ((lease_id IS NULL) = (worker_id IS NULL) AND (lease_id IS NULL) = (lease_expires_at IS NULL))
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.01, autovacuum_analyze_scale_factor = 0.01);
CREATE INDEX queue_waiting ON queue (turn, attempt_id) WHERE lease_id IS NULL;
CREATE INDEX queue_leased ON queue (lease_expires_at) WHERE lease_id IS NOT NULL;
CREATE INDEX queue_user ON queue (user_id);
COMMENT ON TABLE queue IS 'Attempts that wait or run.';
COMMENT ON COLUMN queue.turn IS 'Fair order: a user''s nth waiting attempt has a turn n behind the front, so users are served in turn.';
COMMENT ON COLUMN queue.running_quota IS 'How many attempts of the user may run at once.';
COMMENT ON COLUMN queue.next_sequence IS 'The sequence that the next event of the attempt gets; whoever appends to the log updates this row first.';
COMMENT ON COLUMN queue.tries IS 'How often a worker claimed it and was lost.';

CREATE TABLE activity (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    xid        xid8 NOT NULL DEFAULT pg_current_xact_id(),
    at         timestamptz NOT NULL DEFAULT now(),
    attempt_id uuid NOT NULL REFERENCES attempts ON DELETE CASCADE,
    author_id  uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    course_id  uuid REFERENCES courses ON DELETE CASCADE,
    state      attempt_state NOT NULL,
    verdict    verdict
);
CREATE INDEX activity_course ON activity (course_id, xid, id) WHERE course_id IS NOT NULL;
CREATE INDEX activity_author ON activity (author_id, xid, id);
CREATE INDEX activity_attempt ON activity (attempt_id);
COMMENT ON TABLE activity IS 'Changes of state of attempts, as a feed that can be resumed.';
COMMENT ON COLUMN activity.xid IS 'Readers take only rows of transactions older than all running ones, in order of (xid, id): nothing can appear behind a cursor.';

CREATE TABLE feedback (
    id            uuid PRIMARY KEY,
    submission_id uuid NOT NULL REFERENCES submissions ON DELETE CASCADE,
    author_id     uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    path          text,
    start_line    integer CHECK (start_line >= 1),
    end_line      integer CHECK (end_line >= start_line),
    body          text NOT NULL CHECK (char_length(body) BETWEEN 1 AND 10000),
    created_at    timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT lines_need_a_path CHECK (start_line IS NULL OR path IS NOT NULL),
    CONSTRAINT lines_are_whole CHECK ((start_line IS NULL) = (end_line IS NULL))
);
CREATE INDEX feedback_submission ON feedback (submission_id, id);
CREATE INDEX feedback_author ON feedback (author_id);
COMMENT ON TABLE feedback IS 'Remarks of teachers and assistants.';
