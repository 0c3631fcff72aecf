package catalog

import (
	"context"
	"errors"
	"time"
)

// Delivery is an event that a webhook has still to be told of.
type Delivery struct {
	WebhookID, EventID, Type, Body string
	At                             time.Time // of the event
}

const deliveryColumns = `webhook_id, event_id, type, at, body`

func scanDelivery(row scanner) (Delivery, error) {
	var d Delivery
	var at int64
	err := row.Scan(&d.WebhookID, &d.EventID, &d.Type, &at, &d.Body)
	d.At = instant(at)
	return d, notFound(err)
}

// SaveDeliveries adds some deliveries and removes others, of which only the IDs count, all or none of them. To add one
// again, or to remove one that is not there, is no mistake.
func (s *Store) SaveDeliveries(ctx context.Context, add, remove []Delivery) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	for i := range add {
		d := &add[i]
		_, err = tx.ExecContext(ctx, `INSERT INTO webhook_deliveries (`+deliveryColumns+`) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`,
			d.WebhookID, d.EventID, d.Type, stamp(d.At), d.Body)
		if err != nil {
			return errors.Join(err, tx.Rollback())
		}
	}
	for i := range remove {
		_, err = tx.ExecContext(ctx, `DELETE FROM webhook_deliveries WHERE webhook_id = $1 AND event_id = $2`, remove[i].WebhookID, remove[i].EventID)
		if err != nil {
			return errors.Join(err, tx.Rollback())
		}
	}
	return tx.Commit()
}

// Deliveries forgets those of webhooks that are gone and of events before an instant, and returns the others by webhook in
// the order of events.
func (s *Store) Deliveries(ctx context.Context, since time.Time) ([]Delivery, error) {
	_, err := s.exec(ctx, `DELETE FROM webhook_deliveries WHERE at < $1 OR webhook_id NOT IN (SELECT id FROM webhooks)`, stamp(since))
	if err != nil {
		return nil, err
	}
	return list(ctx, s, scanDelivery, `SELECT `+deliveryColumns+` FROM webhook_deliveries ORDER BY webhook_id, event_id`)
}
