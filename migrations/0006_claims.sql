-- A claim counts what its user runs, however much of theirs waits.

CREATE INDEX queue_running ON queue (user_id) WHERE lease_id IS NOT NULL;
COMMENT ON INDEX queue_running IS 'Without it a claim reads all that its user has in the queue.';
