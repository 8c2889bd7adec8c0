-- Handing in tells whether others wait, which is when nothing is announced to the worker, and takes fewer statements: files and
-- submission go in together, and why somebody has to wait is a part of the statement that asks.

-- squawk-ignore ban-drop-function -- Those who called it with the same arguments still can.
DROP FUNCTION hand_in(
    uuid, uuid, uuid, uuid, text, text, bytea, text[], boolean, text, bytea, text[], bytea[], bytea[], bytea[], text[], jsonb,
    integer, integer, integer, bigint
);
-- squawk-ignore ban-drop-function -- The same.
DROP FUNCTION find_refusal(uuid, integer, integer, bigint);

CREATE FUNCTION find_refusal(
    its_user_id uuid,
    max_waiting integer,
    max_per_minute integer,
    capacity bigint
) RETURNS TABLE (refusal text, retry_after_ms bigint, others_wait boolean)
LANGUAGE sql
STABLE
AS $$
    SELECT
        CASE
            WHEN c.rate_exceeded_for_ms IS NOT NULL THEN 'RATE'
            WHEN c.waiting >= max_waiting THEN 'WAITING'
            WHEN c.waiting_overall >= capacity THEN 'CAPACITY'
        END,
        c.rate_exceeded_for_ms,
        c.waiting_overall > 0
    FROM (
        SELECT
            (SELECT count(*) FROM queue AS q WHERE q.user_id = its_user_id AND q.lease_id IS NULL) AS waiting,
            (SELECT count(*) FROM (SELECT FROM queue AS q WHERE q.lease_id IS NULL LIMIT capacity) AS w) AS waiting_overall,
            (
                SELECT (1000 * extract(epoch FROM a.queued_at + interval '1 minute' - clock_timestamp()))::bigint
                FROM attempts AS a
                WHERE a.requested_by = its_user_id AND a.queued_at > clock_timestamp() - interval '1 minute'
                ORDER BY a.queued_at DESC
                OFFSET greatest(max_per_minute - 1, 0)
                LIMIT 1
            ) AS rate_exceeded_for_ms
    ) AS c
$$;
COMMENT ON FUNCTION find_refusal IS 'Why one more attempt of a user may not wait, in one row, null where it may; and whether others wait. Exact for the user while their advisory lock 0 is held, but for what is being claimed.';

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
) RETURNS TABLE (refusal text, retry_after_ms bigint, others_wait boolean, number integer, queued_at timestamptz)
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
AS $$
#variable_conflict use_column
DECLARE
    at timestamptz;
BEGIN
    PERFORM pg_advisory_xact_lock(uuid_hash_extended(its_author_id, 0));
    SELECT f.refusal, f.retry_after_ms, f.others_wait INTO refusal, retry_after_ms, others_wait
    FROM find_refusal(its_author_id, max_waiting, max_per_minute, capacity) AS f;
    IF refusal IS NULL THEN
        at := clock_timestamp();
        WITH stored AS (
            INSERT INTO sources (sha256, bytes, text)
            SELECT * FROM unnest(content_digests, contents, texts)
            ON CONFLICT DO NOTHING
        ), submitted AS (
            INSERT INTO submissions (
                id, author_id, course_id, language, main_path, stdin, arguments, is_interactive, idempotency_key,
                input_sha256, counted_attempt_id, counted_state, created_at
            )
            VALUES (
                new_id, its_author_id, its_course_id, its_language, its_main_path, its_stdin, its_arguments,
                its_interactivity, key, digest, first_attempt_id, 'QUEUED', at
            )
        )
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
