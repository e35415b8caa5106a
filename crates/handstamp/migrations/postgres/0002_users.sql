-- Each index over sessions begins with a column that is asked for by one kind of question only. As long as nobody has counted the
-- rows, PostgreSQL takes an index for a good one when the question names its first column: one that begins with the app would be
-- read as a whole for each session.
CREATE INDEX handstamp_sessions_by_user ON handstamp_sessions (user_id, app, tenant);

DROP INDEX handstamp_sessions_of_user;
