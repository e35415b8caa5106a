-- One table for all of a session. A value of more than 2 kB is kept out of the row, and an UPDATE that does not touch it copies
-- a pointer; of a shorter one, which stands at the end of the row, the write-ahead log repeats nothing.
CREATE TABLE handstamp_sessions (
    handle uuid NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    ends_at bigint NOT NULL,
    -- When sweeping looks at the row: no later than it expires. An index over `expires_at` itself would have to be written at
    -- each rotation. Rotations leave this alone; a sweep that finds the session alive puts it off.
    sweep_at bigint NOT NULL,
    counter bigint NOT NULL CHECK (counter >= 0),
    child_given_at bigint,
    previous_superseded_at bigint,
    data_version bigint NOT NULL CHECK (data_version >= 1),
    static_key boolean NOT NULL,
    app text COLLATE "C" NOT NULL,
    tenant text COLLATE "C" NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    current_hash bytea NOT NULL CHECK (octet_length(current_hash) = 32),
    current_nonce bytea CHECK (octet_length(current_nonce) = 16),
    child_hash bytea CHECK (octet_length(child_hash) = 32),
    child_nonce bytea CHECK (octet_length(child_nonce) = 16),
    previous_hash bytea CHECK (octet_length(previous_hash) = 32),
    -- Never jsonb, which knows neither the order of members nor \u0000.
    jwt_payload text NOT NULL,
    data text NOT NULL,
    PRIMARY KEY (app, tenant, handle),
    CHECK (expires_at <= ends_at),
    CHECK (sweep_at <= expires_at),
    CHECK ((child_hash IS NULL) = (child_nonce IS NULL) AND (child_hash IS NULL) = (child_given_at IS NULL)),
    CHECK ((previous_hash IS NULL) = (previous_superseded_at IS NULL))
)
-- Room for the next version of a row beside it, so that no index learns of a rotation; and rows come and go all day.
WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);

CREATE INDEX handstamp_sessions_of_user ON handstamp_sessions (app, user_id, tenant);

CREATE INDEX handstamp_sessions_to_sweep ON handstamp_sessions (sweep_at);

CREATE TABLE handstamp_tenants (
    app text COLLATE "C" NOT NULL,
    tenant text COLLATE "C" NOT NULL,
    created_at bigint NOT NULL,
    config text NOT NULL,
    PRIMARY KEY (app, tenant)
);

CREATE TABLE handstamp_keys (
    app text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    generation bigint NOT NULL CHECK (generation BETWEEN 1 AND 4294967295),
    created_at bigint NOT NULL,
    material bytea NOT NULL,
    PRIMARY KEY (app, kind, generation)
);
