-- Times are milliseconds since the Unix epoch (0: never). Lists are words joined by spaces.
-- Only what SQLite and PostgreSQL both understand.

-- +goose Up
CREATE TABLE settings (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE stream_keys (
    id           TEXT PRIMARY KEY,
    name         TEXT NOT NULL,
    pattern      TEXT NOT NULL,
    actions      TEXT NOT NULL,
    sealed       TEXT NOT NULL,
    lookup       TEXT NOT NULL UNIQUE,
    created_at   BIGINT NOT NULL,
    rotated_at   BIGINT NOT NULL,
    last_used_at BIGINT NOT NULL,
    shown_count  BIGINT NOT NULL
);
CREATE INDEX stream_keys_pattern ON stream_keys (pattern);

CREATE TABLE key_showings (
    id     TEXT PRIMARY KEY,
    key_id TEXT NOT NULL REFERENCES stream_keys (id) ON DELETE CASCADE,
    at     BIGINT NOT NULL,
    who    TEXT NOT NULL,
    via    TEXT NOT NULL
);
CREATE INDEX key_showings_key ON key_showings (key_id);

CREATE TABLE api_tokens (
    id           TEXT PRIMARY KEY,
    name         TEXT NOT NULL,
    scopes       TEXT NOT NULL,
    lookup       TEXT NOT NULL UNIQUE,
    created_at   BIGINT NOT NULL,
    last_used_at BIGINT NOT NULL
);

CREATE TABLE users (
    id            TEXT PRIMARY KEY,
    name          TEXT NOT NULL UNIQUE,
    role          TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    created_at    BIGINT NOT NULL
);

CREATE TABLE web_sessions (
    lookup     TEXT PRIMARY KEY,
    user_id    TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    agent      TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX web_sessions_user ON web_sessions (user_id);

CREATE TABLE login_links (
    lookup     TEXT PRIMARY KEY,
    user_id    TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at    BIGINT NOT NULL
);

CREATE TABLE relays (
    id         TEXT PRIMARY KEY,
    direction  TEXT NOT NULL,
    stream     TEXT NOT NULL,
    sealed_url TEXT NOT NULL,
    on_demand  BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX relays_direction ON relays (direction, stream);

CREATE TABLE webhooks (
    id         TEXT PRIMARY KEY,
    url        TEXT NOT NULL,
    types      TEXT NOT NULL,
    sealed     TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
