-- Years of a school: courses, one of them huge; users who handed in thousands of times and many who did so
-- seldom; verdicts and languages that are frequent, rare, and rare together.
-- `seed.rows` says how many submissions; indexes are made again at the end, which is ten times as fast.

CREATE FUNCTION pg_temp.id(at timestamptz, salt bigint) RETURNS uuid
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    -- UUIDv7: 48 bits of time, the version, and what tells ids of one millisecond apart.
    RETURN (
        lpad(to_hex((1000 * extract(epoch FROM at))::bigint), 12, '0') || '7' || substr(md5(salt::text), 1, 3)
        || '8' || substr(md5(salt::text), 4, 15)
    )::uuid;

CREATE TEMP TABLE person AS
SELECT n, pg_temp.id(now() - interval '4 years', n) AS id
FROM generate_series(1, greatest(100, current_setting('seed.rows')::int / 500)) AS n;
INSERT INTO users (id, username, display_name, role, password_hash)
SELECT id, 'user' || n, 'User ' || n, 'USER', 'none' FROM person;

CREATE TEMP TABLE class AS
SELECT n, pg_temp.id(now() - interval '4 years', -n) AS id
FROM generate_series(1, greatest(20, current_setting('seed.rows')::int / 20000)) AS n;
INSERT INTO courses (id, title, join_code)
SELECT id, 'Course ' || n, lpad(n::text, 6, '0') FROM class;
-- The first user teaches all courses; everybody else learns in four, the eager ones in the first one, too.
CREATE FUNCTION pg_temp.class_of(person bigint, seat int, classes bigint) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN 1 + (person * 7919 + seat * 104729) % classes;
INSERT INTO course_members (course_id, user_id, role)
SELECT class.id, person.id, 'TEACHER'::course_role FROM class, person WHERE person.n = 1;
INSERT INTO course_members (course_id, user_id, role)
SELECT class.id, person.id, 'STUDENT'
FROM person
CROSS JOIN (VALUES (0), (1), (2), (3), (NULL)) AS seats (seat)
JOIN class ON class.n = coalesce(pg_temp.class_of(person.n, seat, (SELECT count(*) FROM class)), 1)
WHERE person.n > 2 AND (seat IS NOT NULL OR person.n <= 200)
ON CONFLICT DO NOTHING;

-- Neither the foreign keys nor the indexes are looked at row by row.
SET session_replication_role = replica;
CREATE TEMP TABLE dropped AS
SELECT indexrelid::regclass::text AS name, pg_get_indexdef(indexrelid) AS definition
FROM pg_index
WHERE indrelid IN ('sources'::regclass, 'submissions'::regclass, 'submission_files'::regclass) AND NOT indisprimary
    AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid);
DO $$
BEGIN
    EXECUTE (SELECT 'DROP INDEX ' || string_agg(name, ', ') FROM dropped);
END
$$;

INSERT INTO sources (sha256, bytes, text)
SELECT sha256(text::bytea), text::bytea, text
FROM (
    SELECT format(
        E'# exercise %s\nimport sys\n\ndef solve_%s(values):\n    total = %s\n    for value in values:\n        total += value * %s\n    return total\n\nprint(solve_%s([int(word) for word in sys.stdin.read().split()]))\n',
        n % 300, substr(md5(n::text), 1, 6), n, n % 17, substr(md5(n::text), 1, 6)
    ) AS text
    FROM generate_series(1, greatest(1000, current_setting('seed.rows')::int / 10)) AS n
) AS program;
CREATE TEMP TABLE program AS
SELECT row_number() OVER () AS n, sha256 FROM sources;
CREATE INDEX ON program (n);
ANALYZE program;

CREATE TEMP TABLE made AS
SELECT
    n,
    -- Three years, evenly.
    now() - interval '3 years' * (1 - n::double precision / current_setting('seed.rows')::int) AS at,
    person,
    CASE
        WHEN random() < 0.25 THEN NULL
        WHEN person <= 200 AND random() < 0.5 THEN 1
        ELSE pg_temp.class_of(person, floor(random() * 4)::int, classes)
    END AS class,
    random() AS of_verdict,
    random() AS of_language,
    1 + floor(random() * programs)::int AS program
FROM (
    SELECT
        n,
        -- One in four hundred is of the third user, one in ten of the eager ones.
        CASE
            WHEN n % 400 = 0 THEN 3
            WHEN n % 10 = 1 THEN 3 + floor(random() * (least(200, people) - 2))::int
            ELSE 3 + floor(random() * (people - 2))::int
        END AS person
    FROM generate_series(1, current_setting('seed.rows')::int) AS n,
        (SELECT count(*) AS people FROM person) AS p
    OFFSET 0
) AS handed_in,
    (SELECT count(*) AS classes FROM class) AS c,
    (SELECT count(*) AS programs FROM sources) AS s;

INSERT INTO submissions (
    id, author_id, course_id, language, main_path, stdin, arguments, is_interactive, created_at, input_sha256,
    counted_attempt_id, counted_state, counted_verdict
)
SELECT
    pg_temp.id(at, made.n), person.id, class.id,
    CASE
        WHEN of_language < 0.5 THEN 'python3'
        WHEN of_language < 0.8 THEN 'java'
        WHEN of_language < 0.95 THEN 'c++'
        WHEN of_language < 0.999 THEN 'bash'
        WHEN of_language < 0.99999 THEN 'haskell'
        ELSE 'cobol'
    END,
    'main.txt', '', '{}', false, at, sha256(made.n::text::bytea), pg_temp.id(at, -made.n), 'FINISHED',
    CASE
        WHEN of_verdict < 0.55 THEN 'OK'
        -- What is not compiled has no such errors: frequent each, never together.
        WHEN of_verdict < 0.75 AND of_language BETWEEN 0.5 AND 0.95 THEN 'COMPILE_ERROR'
        WHEN of_verdict < 0.95 THEN 'RUNTIME_ERROR'
        WHEN of_verdict < 0.99 THEN 'CPU_TIME_LIMIT'
        WHEN of_verdict < 0.999 THEN 'MEMORY_LIMIT'
        WHEN of_verdict < 0.99999 THEN 'OUTPUT_LIMIT'
        ELSE 'SYSTEM_ERROR'
    END::verdict
FROM made
JOIN person ON person.n = made.person
LEFT JOIN class ON class.n = made.class
ORDER BY made.n;

INSERT INTO submission_files (submission_id, position, path, sha256)
SELECT pg_temp.id(at, made.n), 0, 'main.txt', sha256
FROM made
JOIN program ON program.n = made.program
ORDER BY made.n;

DO $$
DECLARE statement text;
BEGIN
    FOR statement IN SELECT definition FROM dropped LOOP
        EXECUTE statement;
    END LOOP;
END
$$;
SET session_replication_role = DEFAULT;
