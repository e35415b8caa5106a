CREATE TABLE sessions (
    id INTEGER PRIMARY KEY,
    app TEXT NOT NULL,
    tenant TEXT NOT NULL,
    handle BLOB NOT NULL CHECK (length(handle) = 16),
    user_id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    ends_at INTEGER NOT NULL,
    static_key INTEGER NOT NULL CHECK (static_key IN (0, 1)),
    counter INTEGER NOT NULL CHECK (counter >= 0),
    current_hash BLOB NOT NULL CHECK (length(current_hash) = 32),
    current_nonce BLOB CHECK (length(current_nonce) = 16),
    child_hash BLOB CHECK (length(child_hash) = 32),
    child_nonce BLOB CHECK (length(child_nonce) = 16),
    child_given_at INTEGER,
    previous_hash BLOB CHECK (length(previous_hash) = 32),
    previous_superseded_at INTEGER,
    -- Last, so that the other columns are read without walking through a long one.
    jwt_payload TEXT NOT NULL,
    UNIQUE (app, tenant, handle),
    CHECK (expires_at <= ends_at),
    CHECK ((child_hash IS NULL) = (child_nonce IS NULL) AND (child_hash IS NULL) = (child_given_at IS NULL)),
    CHECK ((previous_hash IS NULL) = (previous_superseded_at IS NULL))
) STRICT;

CREATE INDEX sessions_of_user ON sessions (app, user_id, tenant);

CREATE INDEX sessions_by_end ON sessions (expires_at);

-- By itself, because a rotation rewrites the whole row of `sessions`, and the data may be long.
CREATE TABLE session_data (
    session_id INTEGER PRIMARY KEY REFERENCES sessions (id) ON DELETE CASCADE,
    version INTEGER NOT NULL CHECK (version >= 1),
    data TEXT NOT NULL
) STRICT;

CREATE TABLE tenants (
    app TEXT NOT NULL,
    tenant TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    config TEXT NOT NULL,
    PRIMARY KEY (app, tenant)
) STRICT;

CREATE TABLE keys (
    app TEXT NOT NULL,
    kind TEXT NOT NULL,
    generation INTEGER NOT NULL CHECK (generation BETWEEN 1 AND 4294967295),
    created_at INTEGER NOT NULL,
    material BLOB NOT NULL,
    PRIMARY KEY (app, kind, generation)
) STRICT;

-- "HSTP". Set together with the version, so that a file is either ours or empty.
PRAGMA application_id = 1213420624;

PRAGMA user_version = 1;
