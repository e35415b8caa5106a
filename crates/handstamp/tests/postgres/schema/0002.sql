-- A database as of schema 2, with something in every column. Not to be edited: the code of today has to read it.

CREATE TABLE handstamp_schema (version bigint PRIMARY KEY);

INSERT INTO handstamp_schema VALUES (1), (2);

CREATE TABLE handstamp_sessions (
    handle uuid NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    ends_at bigint NOT NULL,
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
    jwt_payload text NOT NULL,
    data text NOT NULL,
    PRIMARY KEY (app, tenant, handle),
    CHECK (expires_at <= ends_at),
    CHECK (sweep_at <= expires_at),
    CHECK ((child_hash IS NULL) = (child_nonce IS NULL) AND (child_hash IS NULL) = (child_given_at IS NULL)),
    CHECK ((previous_hash IS NULL) = (previous_superseded_at IS NULL))
)
WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);

CREATE INDEX handstamp_sessions_by_user ON handstamp_sessions (user_id, app, tenant);

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

INSERT INTO handstamp_sessions (
    app, tenant, handle, user_id, created_at, expires_at, ends_at, sweep_at, counter, child_given_at,
    previous_superseded_at, data_version, static_key, current_hash, current_nonce, child_hash, child_nonce,
    previous_hash, jwt_payload, data)
VALUES
    ('public', 'public', '00000000000000000000000001900001', 'user é 🦀 ', 1000, 10000, 100000, 9000, 7, 1500,
    1200, 3, true, '\x0101010101010101010101010101010101010101010101010101010101010101', '\x01010101010101010101010101010101', '\x0202020202020202020202020202020202020202020202020202020202020202', '\x02020202020202020202020202020202',
    '\x0303030303030303030303030303030303030303030303030303030303030303', '{"b":1.10,"a":null}', '{"cart":["\u0000",2]}'),
    ('shop', 't-1', '00000000000000000000000001900002', '', 2000, 20000, 20000, 20000, 0, NULL,
    NULL, 1, false, '\x0404040404040404040404040404040404040404040404040404040404040404', NULL, NULL, NULL,
    NULL, '{}', '{}');

INSERT INTO handstamp_tenants (app, tenant, created_at, config)
VALUES ('shop', 'public', 5, '{"x":"é"}'), ('shop', 't-1', 6, '{}');

INSERT INTO handstamp_keys (app, kind, generation, created_at, material)
VALUES ('public', 'refresh', 1, 9, '\x0707070707070707070707070707070707070707070707070707070707070707'), ('shop', 'dynamic-es256', 4294967295, -1, '\x00ff');
