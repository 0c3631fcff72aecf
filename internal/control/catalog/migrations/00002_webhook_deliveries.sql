-- What webhooks have still to be told. No reference to webhooks: a row that is written just after its webhook was deleted
-- must not spoil those that are written with it; it goes at the next start.

-- +goose Up
CREATE TABLE webhook_deliveries (
    webhook_id TEXT NOT NULL,
    event_id   TEXT NOT NULL,
    type       TEXT NOT NULL,
    at         BIGINT NOT NULL,
    body       TEXT NOT NULL,
    PRIMARY KEY (webhook_id, event_id)
);
