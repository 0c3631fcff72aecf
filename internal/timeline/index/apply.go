package index

import (
	"context"
	"database/sql"
	"errors"
)

type identity struct {
	volume     string
	generation int64
}

func (d *DB) identity(ctx context.Context) (identity, error) {
	var i identity
	var sum int64
	err := d.get[qMeta].QueryRowContext(ctx).Scan(&i.volume, &i.generation, &sum)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return i, damaged("the index does not say which volume it is of")
	case err != nil:
		return i, failed(err)
	case sum != sumMeta(i):
		return i, damaged("the volume's name in the index does not match its checksum")
	}
	return i, nil
}

func sumMeta(i identity) int64 {
	return int64(checksum(inMeta, []int64{i.generation}, []byte(i.volume)))
}

// Apply writes a batch: all of it, durably, or nothing. See Batch for the order.
func (d *DB) Apply(ctx context.Context, b Batch) error {
	if err := b.check(); err != nil {
		return err
	}
	if len(b.Runs)+len(b.Files)+len(b.Remove)+len(b.Cleaned) > 0 {
		if err := d.transact(ctx, func(w *writer) error { return w.apply(&b) }); err != nil {
			return err
		}
	}
	for _, name := range b.Release {
		if err := d.turn(ctx, name, false, nil); err != nil {
			return err
		}
	}
	return nil
}

// transact runs one transaction. What it taught about names and totals holds only if it is committed.
func (d *DB) transact(ctx context.Context, do func(*writer) error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed || d.conn == nil {
		return errClosed
	}
	if err := d.begin(ctx); err != nil {
		return err
	}
	w := newWriter(ctx, d)
	err := do(w)
	if err == nil {
		err = w.settle()
	}
	if err == nil {
		// Not to be broken off: nobody would know then whether it happened.
		_, err = d.conn.ExecContext(context.WithoutCancel(ctx), "COMMIT")
	}
	if err != nil {
		// The context may be over; the rollback must happen all the same. Where SQLite
		// has rolled back already this fails, and begin would notice one that is left.
		_, _ = d.conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
		return failed(err)
	}
	w.publish()
	return nil
}

// begin starts a transaction, after an earlier one that a failed disk left open is given up.
func (d *DB) begin(ctx context.Context) error {
	_, err := d.conn.ExecContext(ctx, "BEGIN IMMEDIATE")
	if err == nil {
		return nil
	}
	if _, undo := d.conn.ExecContext(ctx, "ROLLBACK"); undo != nil {
		return failed(err)
	}
	_, err = d.conn.ExecContext(ctx, "BEGIN IMMEDIATE")
	return failed(err)
}
