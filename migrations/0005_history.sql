-- Every condition of a list of submissions is decided in an index, of which Postgres reads no more than
-- the page: the 1000th page of a rare language among millions is as fast as the first of all.

DROP INDEX submissions_author;
DROP INDEX submissions_course;
DROP INDEX submissions_course_author;
CREATE INDEX submissions_author ON submissions (author_id, id DESC)
    INCLUDE (course_id, language, counted_verdict);
CREATE INDEX submissions_author_language ON submissions (author_id, language, counted_verdict, id DESC);
CREATE INDEX submissions_course ON submissions (course_id, id DESC)
    INCLUDE (author_id, language, counted_verdict, created_at) WHERE course_id IS NOT NULL;
CREATE INDEX submissions_course_author ON submissions (course_id, author_id, id DESC)
    INCLUDE (language, counted_verdict, created_at) WHERE course_id IS NOT NULL;
CREATE INDEX submissions_course_language ON submissions (course_id, language, id DESC)
    WHERE course_id IS NOT NULL;
CREATE INDEX submissions_course_language_verdict ON submissions (course_id, language, counted_verdict, id DESC)
    WHERE course_id IS NOT NULL;
COMMENT ON INDEX submissions_course IS 'Holds all that a course''s statistics count.';
COMMENT ON INDEX submissions_course_author IS 'Holds all that a course''s roster counts.';
