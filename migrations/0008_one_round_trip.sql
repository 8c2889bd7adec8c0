-- Somebody waits for a program to be handed in, and for a worker to take it. Either takes several statements, because a
-- later one has to see what an earlier one waited for. As functions they are one round trip each.
--
-- Plans are made once per connection (plan_cache_mode): to make one takes longer than to execute it. They must do for
-- every length of the queue, also when it was empty at that moment (enable_seqscan).

CREATE FUNCTION find_refusal(
    its_user_id uuid,
    max_waiting integer,
    max_per_minute integer,
    capacity bigint
) RETURNS TABLE (refusal text, retry_after_ms bigint)
LANGUAGE plpgsql
STABLE
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT
        CASE
            WHEN c.rate_exceeded_for_ms IS NOT NULL THEN 'RATE'
            WHEN c.waiting >= max_waiting THEN 'WAITING'
            WHEN c.waiting_overall >= capacity THEN 'CAPACITY'
        END,
        c.rate_exceeded_for_ms
    FROM (
        SELECT
            (SELECT count(*) FROM queue WHERE user_id = its_user_id AND lease_id IS NULL) AS waiting,
            (SELECT count(*) FROM (SELECT FROM queue WHERE lease_id IS NULL LIMIT capacity) AS q) AS waiting_overall,
            (
                SELECT (1000 * extract(epoch FROM queued_at + interval '1 minute' - clock_timestamp()))::bigint
                FROM attempts
                WHERE requested_by = its_user_id AND queued_at > clock_timestamp() - interval '1 minute'
                ORDER BY queued_at DESC
                OFFSET greatest(max_per_minute - 1, 0)
                LIMIT 1
            ) AS rate_exceeded_for_ms
    ) AS c;
END
$$;
COMMENT ON FUNCTION find_refusal IS 'Why one more attempt of a user may not wait, in one row; null where it may. Exact for the user while their advisory lock 0 is held, but for what is being claimed.';

CREATE FUNCTION queue_attempt(
    new_id uuid,
    its_submission_id uuid,
    requester_id uuid,
    limits jsonb,
    its_language text,
    quota integer,
    its_author_id uuid,
    its_course_id uuid,
    at timestamptz
) RETURNS TABLE (number integer, queued_at timestamptz)
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH attempt AS (
        INSERT INTO attempts (id, submission_id, number, requested_by, requested_limits, state, queued_at)
        SELECT new_id, its_submission_id, coalesce(max(number), 0) + 1, requester_id, limits, 'QUEUED', at
        FROM attempts
        WHERE submission_id = its_submission_id
        RETURNING number, queued_at
    ), queued AS (
        INSERT INTO queue (attempt_id, user_id, language, running_quota, turn)
        SELECT new_id, requester_id, its_language, quota, greatest(
            (SELECT max(turn) + 1 FROM queue WHERE user_id = requester_id AND lease_id IS NULL),
            (SELECT min(turn) FROM queue WHERE lease_id IS NULL),
            0
        )
    ), logged AS (
        INSERT INTO attempt_events (attempt_id, sequence, at, kind, state)
        SELECT new_id, 0, queued_at, 'STATE_CHANGED', 'QUEUED' FROM attempt
    ), recorded AS (
        INSERT INTO activity (attempt_id, author_id, course_id, state)
        VALUES (new_id, its_author_id, its_course_id, 'QUEUED')
    )
    SELECT number, queued_at FROM attempt;
    PERFORM pg_notify('queue', ''), pg_notify('activity', concat_ws(' ', its_author_id, its_course_id));
END
$$;
COMMENT ON FUNCTION queue_attempt IS 'Puts an attempt into the queue, with event 0. The requester''s advisory lock 0 must be held.';

CREATE FUNCTION hand_in(
    new_id uuid,
    first_attempt_id uuid,
    its_author_id uuid,
    its_course_id uuid,
    its_language text,
    its_main_path text,
    its_stdin bytea,
    its_arguments text[],
    its_interactivity boolean,
    key text,
    digest bytea,
    paths text[],
    path_digests bytea[],
    content_digests bytea[],
    contents bytea[],
    texts text[],
    limits jsonb,
    quota integer,
    max_waiting integer,
    max_per_minute integer,
    capacity bigint
) RETURNS TABLE (refusal text, retry_after_ms bigint, number integer, queued_at timestamptz)
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz;
BEGIN
    PERFORM pg_advisory_xact_lock(uuid_hash_extended(its_author_id, 0));
    SELECT f.refusal, f.retry_after_ms INTO refusal, retry_after_ms
    FROM find_refusal(its_author_id, max_waiting, max_per_minute, capacity) AS f;
    IF refusal IS NULL THEN
        at := clock_timestamp();
        INSERT INTO sources (sha256, bytes, text)
        SELECT * FROM unnest(content_digests, contents, texts)
        ON CONFLICT DO NOTHING;
        INSERT INTO submissions (
            id, author_id, course_id, language, main_path, stdin, arguments, is_interactive, idempotency_key,
            input_sha256, counted_attempt_id, counted_state, created_at
        )
        VALUES (
            new_id, its_author_id, its_course_id, its_language, its_main_path, its_stdin, its_arguments,
            its_interactivity, key, digest, first_attempt_id, 'QUEUED', at
        );
        INSERT INTO submission_files (submission_id, position, path, sha256)
        SELECT new_id, (f.position - 1)::integer, f.path, f.sha256
        FROM unnest(paths, path_digests) WITH ORDINALITY AS f (path, sha256, position);
        SELECT q.number, q.queued_at INTO number, queued_at
        FROM queue_attempt(
            first_attempt_id, new_id, its_author_id, limits, its_language, quota, its_author_id, its_course_id, at
        ) AS q;
    END IF;
    RETURN NEXT;
END
$$;
COMMENT ON FUNCTION hand_in IS 'Stores a submission with what its files contain and queues its first attempt, unless its author has to wait: then it says why, and stores nothing.';

CREATE FUNCTION claim_attempt(
    new_lease_id uuid,
    its_worker_id uuid,
    lease_length interval,
    languages text[],
    versions text[],
    excluded_users uuid[]
) RETURNS TABLE (
    user_id uuid,
    attempt_id uuid,
    submission_id uuid,
    language text,
    main_path text,
    stdin bytea,
    arguments text[],
    is_interactive boolean,
    requested_limits jsonb,
    next_sequence integer,
    queued_at timestamptz,
    waited_ms bigint,
    paths text[],
    contents bytea[],
    has_more boolean
)
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
AS $$
#variable_conflict use_column
DECLARE
    candidate record;
BEGIN
    -- A claim that a crash of Postgres forgets was never made: its lease is not there either.
    PERFORM set_config('synchronous_commit', 'off', true);
    SELECT q.attempt_id, q.user_id INTO candidate
    FROM queue q
    WHERE q.lease_id IS NULL
      AND q.language = ANY (languages)
      AND q.user_id <> ALL (excluded_users)
      AND (SELECT count(*) FROM queue r WHERE r.user_id = q.user_id AND r.lease_id IS NOT NULL) < q.running_quota
    ORDER BY q.turn, q.attempt_id
    LIMIT 1
    FOR UPDATE OF q SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    -- What the user runs is counted again behind a lock: two workers cannot both take the last free place. It is not
    -- the lock of those who hand in: slots do not wait while the user hands in more, and the count of what waits can be
    -- one too many for that.
    PERFORM pg_advisory_xact_lock(uuid_hash_extended(candidate.user_id, 1));
    RETURN QUERY
    WITH claimed AS (
        UPDATE queue q
        SET lease_id = new_lease_id,
            worker_id = its_worker_id,
            lease_expires_at = clock_timestamp() + lease_length
        WHERE q.attempt_id = candidate.attempt_id
          AND q.lease_id IS NULL
          AND (SELECT count(*) FROM queue r WHERE r.user_id = q.user_id AND r.lease_id IS NOT NULL) < q.running_quota
        RETURNING q.attempt_id, q.next_sequence, q.enqueued_at
    ), started AS (
        UPDATE attempts a
        SET started_at = clock_timestamp(),
            language_version = (
                SELECT l.version
                FROM unnest(languages, versions) AS l (name, version)
                JOIN submissions s ON s.id = a.submission_id AND s.language = l.name
            )
        FROM claimed c
        WHERE a.id = c.attempt_id
        RETURNING a.submission_id, a.requested_limits, a.queued_at
    )
    SELECT
        candidate.user_id, c.attempt_id, s.id, s.language, s.main_path, s.stdin, s.arguments, s.is_interactive,
        t.requested_limits, c.next_sequence, t.queued_at,
        (1000 * extract(epoch FROM clock_timestamp() - c.enqueued_at))::bigint,
        ARRAY(SELECT f.path FROM submission_files f WHERE f.submission_id = s.id ORDER BY f.position),
        ARRAY(
            SELECT o.bytes
            FROM submission_files f
            JOIN sources o ON o.sha256 = f.sha256
            WHERE f.submission_id = s.id
            ORDER BY f.position
        ),
        -- As it was before this statement, so the claimed one is among them.
        (
            SELECT count(*) > 1
            FROM (SELECT FROM queue WHERE lease_id IS NULL ORDER BY turn, attempt_id LIMIT 2) AS waiting
        )
    FROM claimed c
    CROSS JOIN started t
    JOIN submissions s ON s.id = t.submission_id;
    IF NOT FOUND THEN
        RETURN QUERY SELECT candidate.user_id, null::uuid, null::uuid, null, null, null::bytea, null::text[], null::boolean,
            null::jsonb, null::integer, null::timestamptz, null::bigint, null::text[], null::bytea[], null::boolean;
    END IF;
END
$$;
COMMENT ON FUNCTION claim_attempt IS 'Leases the next attempt that a worker can run and its user may run now. No row: there is none. A row with the user alone: another worker took the last place of the user''s quota a moment ago; ask again without them, in another transaction.';
