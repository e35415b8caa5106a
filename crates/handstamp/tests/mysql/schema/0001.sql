-- A database as of schema 1, with something in every column. Not to be edited: the code of today has to read it.

CREATE TABLE handstamp_schema (version bigint PRIMARY KEY) ENGINE = InnoDB;

INSERT INTO handstamp_schema VALUES (1);

CREATE TABLE handstamp_sessions (
    app varbinary(64) NOT NULL,
    tenant varbinary(64) NOT NULL,
    handle binary(16) NOT NULL,
    user_id varbinary(512) NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    ends_at bigint NOT NULL,
    sweep_at bigint NOT NULL,
    counter bigint NOT NULL,
    child_given_at bigint,
    previous_superseded_at bigint,
    data_version bigint NOT NULL,
    payload_version bigint NOT NULL,
    static_key boolean NOT NULL,
    current_hash binary(32) NOT NULL,
    current_nonce binary(16),
    child_hash binary(32),
    child_nonce binary(16),
    previous_hash binary(32),
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

CREATE TABLE handstamp_tenants (
    app varbinary(64) NOT NULL,
    tenant varbinary(64) NOT NULL,
    created_at bigint NOT NULL,
    config longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    PRIMARY KEY (app, tenant)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;

CREATE TABLE handstamp_keys (
    app varbinary(64) NOT NULL,
    kind varbinary(32) NOT NULL,
    generation bigint NOT NULL,
    created_at bigint NOT NULL,
    material varbinary(8192) NOT NULL,
    PRIMARY KEY (app, kind, generation),
    CONSTRAINT handstamp_keys_generation CHECK (generation BETWEEN 1 AND 4294967295)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;

INSERT INTO handstamp_sessions (
    app, tenant, handle, user_id, created_at, expires_at, ends_at, sweep_at, counter, child_given_at,
    previous_superseded_at, data_version, payload_version, static_key, current_hash, current_nonce, child_hash, child_nonce,
    previous_hash, jwt_payload, data)
VALUES
    ('public', 'public', X'00000000000000000000000001900001', 'user é 🦀 ', 1000, 10000, 100000, 9000, 7, 1500,
    1200, 3, 2, 1, X'0101010101010101010101010101010101010101010101010101010101010101', X'01010101010101010101010101010101', X'0202020202020202020202020202020202020202020202020202020202020202', X'02020202020202020202020202020202',
    X'0303030303030303030303030303030303030303030303030303030303030303', '{"b":1.10,"a":null}', '{"cart":["\\u0000",2]}'),
    ('shop', 't-1', X'00000000000000000000000001900002', '', 2000, 20000, 20000, 20000, 0, NULL,
    NULL, 1, 1, 0, X'0404040404040404040404040404040404040404040404040404040404040404', NULL, NULL, NULL,
    NULL, '{}', '{}');

INSERT INTO handstamp_tenants (app, tenant, created_at, config)
VALUES ('shop', 'public', 5, '{"x":"é"}'), ('shop', 't-1', 6, '{}');

INSERT INTO handstamp_keys (app, kind, generation, created_at, material)
VALUES ('public', 'refresh', 1, 9, X'0707070707070707070707070707070707070707070707070707070707070707'), ('shop', 'dynamic-es256', 4294967295, -1, X'00ff');
