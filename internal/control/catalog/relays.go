package catalog

import (
	"context"
	"strings"
	"time"
)

// Direction says which way a relay carries a stream.
type Direction string

// The directions.
const (
	Pull Direction = "pull" // from another server into a stream here
	Push Direction = "push" // from a stream here to another server
)

// Relay is a pull or a push. Its address may hold a secret and is sealed.
type Relay struct {
	ID, Stream, SealedURL string
	Direction             Direction
	OnDemand              bool
	CreatedAt             time.Time
}

// Webhook is an address that is told of events of some types; its signing secret is sealed.
type Webhook struct {
	ID, URL, Sealed string
	Types           []string
	CreatedAt       time.Time
}

const (
	relayColumns   = `id, direction, stream, sealed_url, on_demand, created_at`
	webhookColumns = `id, url, types, sealed, created_at`
)

func scanRelay(row scanner) (Relay, error) {
	var r Relay
	var created, onDemand int64
	err := row.Scan(&r.ID, &r.Direction, &r.Stream, &r.SealedURL, &onDemand, &created)
	r.OnDemand, r.CreatedAt = onDemand != 0, instant(created)
	return r, notFound(err)
}

func scanWebhook(row scanner) (Webhook, error) {
	var w Webhook
	var types string
	var created int64
	err := row.Scan(&w.ID, &w.URL, &types, &w.Sealed, &created)
	w.Types, w.CreatedAt = strings.Fields(types), instant(created)
	return w, notFound(err)
}

// AddRelay stores a new relay, or gives ErrExists.
func (s *Store) AddRelay(ctx context.Context, r Relay) error {
	onDemand := 0
	if r.OnDemand {
		onDemand = 1
	}
	return s.insert(ctx, `INSERT INTO relays (`+relayColumns+`) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`,
		r.ID, string(r.Direction), r.Stream, r.SealedURL, onDemand, stamp(r.CreatedAt))
}

// Relays returns all relays of a direction in the order of IDs.
func (s *Store) Relays(ctx context.Context, d Direction) ([]Relay, error) {
	return list(ctx, s, scanRelay, `SELECT `+relayColumns+` FROM relays WHERE direction = $1 ORDER BY id`, string(d))
}

// DeleteRelay removes a relay of a direction, or gives ErrNotFound.
func (s *Store) DeleteRelay(ctx context.Context, d Direction, id string) error {
	return s.one(ctx, `DELETE FROM relays WHERE id = $1 AND direction = $2`, id, string(d))
}

// AddWebhook stores a new webhook, or gives ErrExists.
func (s *Store) AddWebhook(ctx context.Context, w Webhook) error {
	return s.insert(ctx, `INSERT INTO webhooks (`+webhookColumns+`) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`,
		w.ID, w.URL, strings.Join(w.Types, " "), w.Sealed, stamp(w.CreatedAt))
}

// Webhooks returns all webhooks in the order of IDs.
func (s *Store) Webhooks(ctx context.Context) ([]Webhook, error) {
	return list(ctx, s, scanWebhook, `SELECT `+webhookColumns+` FROM webhooks ORDER BY id`)
}

// DeleteWebhook removes a webhook, or gives ErrNotFound.
func (s *Store) DeleteWebhook(ctx context.Context, id string) error {
	return s.one(ctx, `DELETE FROM webhooks WHERE id = $1`, id)
}
