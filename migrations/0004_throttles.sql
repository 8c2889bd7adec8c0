-- How often somebody tries what could be guessed, counted over all api processes.

-- Unlogged: a crash of Postgres forgets the counts, which costs a guesser no more than it gains them.
CREATE UNLOGGED TABLE throttles (
    kind    text NOT NULL,
    key     bytea NOT NULL,
    free_at timestamptz NOT NULL,
    PRIMARY KEY (kind, key)
) WITH (fillfactor = 70);
CREATE INDEX throttles_free_at ON throttles (free_at);
COMMENT ON TABLE throttles IS 'Who tried lately what could be guessed. A row says nothing once its time is over.';
COMMENT ON COLUMN throttles.kind IS 'What was tried.';
COMMENT ON COLUMN throttles.key IS 'By whom or at what: a digest, so that nothing that was typed is kept.';
COMMENT ON COLUMN throttles.free_at IS 'When all tries so far are made good; each try moves it on by the time that one costs.';
