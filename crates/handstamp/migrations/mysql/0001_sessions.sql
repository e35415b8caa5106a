-- MySQL commits after each of these, so each may be run again after the next one failed: IF NOT EXISTS everywhere.
--
-- Ids are bytes: no collation folds cases or accents, or pads with spaces. One table for all of a session: a long value is kept on
-- pages of its own, and an UPDATE that does not touch it does not copy it.
CREATE TABLE IF NOT EXISTS handstamp_sessions (
    app varbinary(64) NOT NULL,
    tenant varbinary(64) NOT NULL,
    handle binary(16) NOT NULL,
    user_id varbinary(512) NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    ends_at bigint NOT NULL,
    -- When sweeping looks at the row: no later than it expires. An index over `expires_at` itself would have to be written at
    -- each rotation. Rotations leave this alone; a sweep that finds the session alive puts it off.
    sweep_at bigint NOT NULL,
    counter bigint NOT NULL,
    child_given_at bigint,
    previous_superseded_at bigint,
    data_version bigint NOT NULL,
    -- Counts what the counter does not: with it, a confirmation knows that the row is the one it has read.
    payload_version bigint NOT NULL,
    static_key boolean NOT NULL,
    current_hash binary(32) NOT NULL,
    current_nonce binary(16),
    child_hash binary(32),
    child_nonce binary(16),
    previous_hash binary(32),
    -- Never json, which knows neither the order of members nor what a number looked like.
    jwt_payload longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    data longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    PRIMARY KEY (app, tenant, handle),
    KEY handstamp_sessions_of_user (app, user_id, tenant),
    KEY handstamp_sessions_to_sweep (sweep_at),
    CONSTRAINT handstamp_sessions_counted CHECK (counter >= 0 AND data_version >= 1 AND payload_version >= 1),
    CONSTRAINT handstamp_sessions_ending CHECK (expires_at <= ends_at AND sweep_at <= expires_at),
    CONSTRAINT handstamp_sessions_child CHECK (
        (child_hash IS NULL) = (child_nonce IS NULL) AND (child_hash IS NULL) = (child_given_at IS NULL)),
    CONSTRAINT handstamp_sessions_previous CHECK ((previous_hash IS NULL) = (previous_superseded_at IS NULL))
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;

CREATE TABLE IF NOT EXISTS handstamp_tenants (
    app varbinary(64) NOT NULL,
    tenant varbinary(64) NOT NULL,
    created_at bigint NOT NULL,
    config longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    PRIMARY KEY (app, tenant)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;

CREATE TABLE IF NOT EXISTS handstamp_keys (
    app varbinary(64) NOT NULL,
    kind varbinary(32) NOT NULL,
    generation bigint NOT NULL,
    created_at bigint NOT NULL,
    material varbinary(8192) NOT NULL,
    PRIMARY KEY (app, kind, generation),
    CONSTRAINT handstamp_keys_generation CHECK (generation BETWEEN 1 AND 4294967295)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;
