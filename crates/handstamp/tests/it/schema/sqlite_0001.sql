-- A database as of schema 1, with something in every column. Not to be edited: the code of today has to read it.

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
    jwt_payload TEXT NOT NULL,
    UNIQUE (app, tenant, handle),
    CHECK (expires_at <= ends_at),
    CHECK ((child_hash IS NULL) = (child_nonce IS NULL) AND (child_hash IS NULL) = (child_given_at IS NULL)),
    CHECK ((previous_hash IS NULL) = (previous_superseded_at IS NULL))
) STRICT;

CREATE INDEX sessions_of_user ON sessions (app, user_id, tenant);

CREATE INDEX sessions_by_end ON sessions (expires_at);

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

PRAGMA application_id = 1213420624;

PRAGMA user_version = 1;

INSERT INTO sessions (
    id, app, tenant, handle, user_id, created_at, expires_at, ends_at, static_key, counter, current_hash, current_nonce,
    child_hash, child_nonce, child_given_at, previous_hash, previous_superseded_at, jwt_payload)
VALUES
    (11, 'public', 'public', X'00000000000000000000000001900001', 'user é 🦀 ', 1000, 10000, 100000, 1, 7,
    X'0101010101010101010101010101010101010101010101010101010101010101', X'01010101010101010101010101010101', X'0202020202020202020202020202020202020202020202020202020202020202', X'02020202020202020202020202020202', 1500,
    X'0303030303030303030303030303030303030303030303030303030303030303', 1200, '{"b":1.10,"a":null}'),
    (12, 'shop', 't-1', X'00000000000000000000000001900002', '', 2000, 20000, 20000, 0, 0,
    X'0404040404040404040404040404040404040404040404040404040404040404', NULL, NULL, NULL, NULL, NULL, NULL, '{}');

INSERT INTO session_data (session_id, version, data) VALUES (11, 3, '{"cart":["\u0000",2]}'), (12, 1, '{}');

INSERT INTO tenants (app, tenant, created_at, config)
VALUES ('shop', 'public', 5, '{"x":"é"}'), ('shop', 't-1', 6, '{}');

INSERT INTO keys (app, kind, generation, created_at, material)
VALUES ('public', 'refresh', 1, 9, X'0707070707070707070707070707070707070707070707070707070707070707'), ('shop', 'dynamic-es256', 4294967295, -1, X'00ff');
