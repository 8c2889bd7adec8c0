-- What a language never ends with, such as an error of a compiler that it does not have, is found by the index
-- of both: without this, Postgres takes it for frequent and reads a whole course for it.

CREATE STATISTICS submissions_language_verdict (mcv) ON language, counted_verdict FROM submissions;
COMMENT ON STATISTICS submissions_language_verdict IS 'Which verdicts go with which language.';
ANALYZE submissions;
