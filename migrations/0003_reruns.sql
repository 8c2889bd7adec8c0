-- Who ran again what somebody else had handed in.

CREATE INDEX attempts_reruns ON attempts (requested_by, submission_id) WHERE number > 1;
COMMENT ON INDEX attempts_reruns IS 'Tells whether a user is known to another one by a rerun, however much they have run themselves.';
