package access

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"weir/internal/control/catalog"
	"weir/internal/fault"
	"weir/internal/streamname"
)

const (
	maxURL       = 2048
	maxRelays    = 1000 // of one direction
	maxWebhooks  = 100
	webhookBytes = 32 // of a signing secret, as Standard Webhooks recommends 24 to 64
)

// Relay is a pull or a push with its address in the clear: show MaskURL(URL) to people.
type Relay struct {
	ID, Stream, URL string
	OnDemand        bool
	CreatedAt       time.Time
}

// AddRelay stores a pull or push. Its address is sealed, because it may hold a key.
func (a *Access) AddRelay(ctx context.Context, d catalog.Direction, r Relay) (Relay, error) {
	if err := streamname.Check(r.Stream); err != nil {
		return Relay{}, err
	}
	schemes := []string{"rtmp", "rtmps"}
	if d == catalog.Pull {
		schemes = append(schemes, "http", "https") // HTTP-FLV
	}
	if err := checkURL(r.URL, schemes...); err != nil {
		return Relay{}, err
	}
	existing, err := a.store.Relays(ctx, d)
	if err != nil {
		return Relay{}, failed(err, string(d))
	}
	if len(existing) >= maxRelays {
		return Relay{}, fault.New(fault.TooMany, "too_many_relays", fmt.Sprintf("There are %d entries of this kind already.", len(existing)), "Delete one first.")
	}
	r.ID, r.CreatedAt = newID(), time.Now().UTC().Truncate(time.Millisecond)
	err = a.store.AddRelay(ctx, catalog.Relay{
		ID: r.ID, Direction: d, Stream: r.Stream, SealedURL: a.vault.Seal("relay "+r.ID, r.URL), OnDemand: r.OnDemand, CreatedAt: r.CreatedAt,
	})
	return r, failed(err, string(d))
}

// Relays returns all pulls or pushes, the oldest first.
func (a *Access) Relays(ctx context.Context, d catalog.Direction) ([]Relay, error) {
	records, err := a.store.Relays(ctx, d)
	if err != nil {
		return nil, failed(err, string(d))
	}
	relays := make([]Relay, 0, len(records))
	for _, record := range records {
		address, err := a.vault.Open("relay "+record.ID, record.SealedURL)
		if err != nil {
			return nil, err
		}
		relays = append(relays, Relay{ID: record.ID, Stream: record.Stream, URL: address, OnDemand: record.OnDemand, CreatedAt: record.CreatedAt})
	}
	return relays, nil
}

// DeleteRelay removes a pull or push.
func (a *Access) DeleteRelay(ctx context.Context, d catalog.Direction, id string) error {
	return failed(a.store.DeleteRelay(ctx, d, id), string(d))
}

// Webhook is an address that is told of events, with the secret that signs what it is told.
type Webhook struct {
	ID, URL, Secret string // the secret as in Standard Webhooks: "whsec_" and base64
	Types           []string
	CreatedAt       time.Time
}

// AddWebhook stores a webhook and makes its signing secret.
func (a *Access) AddWebhook(ctx context.Context, address string, types []string) (Webhook, error) {
	if err := checkURL(address, "http", "https"); err != nil {
		return Webhook{}, err
	}
	if len(types) > 64 || slices.ContainsFunc(types, badEventType) {
		return Webhook{}, fault.New(fault.Invalid, "event_type_invalid", "An event type is not a word like stream.started.", "See the list of event types in the API's reference.")
	}
	existing, err := a.store.Webhooks(ctx)
	if err != nil {
		return Webhook{}, failed(err, "webhook")
	}
	if len(existing) >= maxWebhooks {
		return Webhook{}, fault.New(fault.TooMany, "too_many_webhooks", fmt.Sprintf("There are %d webhooks already.", len(existing)), "Delete one first.")
	}
	raw := make([]byte, webhookBytes)
	_, _ = rand.Read(raw) // crypto/rand never fails: it crashes the program instead
	w := Webhook{ID: newID(), URL: address, Secret: "whsec_" + base64.StdEncoding.EncodeToString(raw), Types: types, CreatedAt: time.Now().UTC().Truncate(time.Millisecond)}
	err = a.store.AddWebhook(ctx, catalog.Webhook{ID: w.ID, URL: w.URL, Types: types, Sealed: a.vault.Seal("webhook "+w.ID, w.Secret), CreatedAt: w.CreatedAt})
	return w, failed(err, "webhook")
}

func badEventType(t string) bool {
	return t == "" || len(t) > 64 || strings.Trim(t, "abcdefghijklmnopqrstuvwxyz_.*") != ""
}

// Webhooks returns all webhooks, the oldest first.
func (a *Access) Webhooks(ctx context.Context) ([]Webhook, error) {
	records, err := a.store.Webhooks(ctx)
	if err != nil {
		return nil, failed(err, "webhook")
	}
	hooks := make([]Webhook, 0, len(records))
	for _, record := range records {
		secret, err := a.vault.Open("webhook "+record.ID, record.Sealed)
		if err != nil {
			return nil, err
		}
		hooks = append(hooks, Webhook{ID: record.ID, URL: record.URL, Secret: secret, Types: record.Types, CreatedAt: record.CreatedAt})
	}
	return hooks, nil
}

// DeleteWebhook removes a webhook.
func (a *Access) DeleteWebhook(ctx context.Context, id string) error {
	return failed(a.store.DeleteWebhook(ctx, id), "webhook")
}

// Deliveries returns what webhooks have still to be told of events since an instant, by webhook in the order of events.
// What is older, and that of webhooks that are gone, is forgotten.
func (a *Access) Deliveries(ctx context.Context, since time.Time) ([]catalog.Delivery, error) {
	list, err := a.store.Deliveries(ctx, since)
	return list, failed(err, "webhook")
}

// SaveDeliveries writes down what webhooks have still to be told, and takes out what they were told.
func (a *Access) SaveDeliveries(ctx context.Context, add, remove []catalog.Delivery) error {
	return failed(a.store.SaveDeliveries(ctx, add, remove), "webhook")
}

func checkURL(address string, schemes ...string) error {
	u, err := url.Parse(address)
	if err != nil || len(address) > maxURL || u.Host == "" || !slices.Contains(schemes, u.Scheme) {
		return fault.New(fault.Invalid, "address_invalid", fmt.Sprintf("The address %s cannot be used.", streamname.Quote(MaskURL(address))),
			"It must be a whole address that starts with "+strings.Join(schemes, ":// or ")+"://.")
	}
	if strings.HasPrefix(u.Scheme, "rtmp") && strings.Trim(u.Path, "/") == "" {
		return fault.New(fault.Invalid, "rtmp_url_bad", "This is no RTMP address: it names no stream.", "It looks like rtmp://host/live/show or rtmps://host/live/show.")
	}
	return nil
}

// MaskURL shows where an address leads without the secrets in it: the password, the
// values of the query, and, for RTMP, the last part of the path, which is the key.
func MaskURL(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "••••"
	}
	path := strings.TrimRight(u.EscapedPath(), "/")
	if at := strings.LastIndexByte(path, '/'); strings.HasPrefix(u.Scheme, "rtmp") && at > 0 {
		path = path[:at+1] + "••••"
	}
	masked := u.Scheme + "://"
	if u.User != nil {
		masked += u.User.Username() + ":••••@"
	}
	masked += u.Host + path
	if u.RawQuery != "" {
		var names []string
		for part := range strings.SplitSeq(u.RawQuery, "&") {
			name, _, _ := strings.Cut(part, "=")
			names = append(names, name+"=••••")
		}
		masked += "?" + strings.Join(names, "&")
	}
	return masked
}
