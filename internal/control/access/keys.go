package access

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"weir/internal/control/catalog"
	"weir/internal/fault"
	"weir/internal/streamname"
)

// The actions a key may be for.
const (
	ActionPublish = "publish"
	ActionPlay    = "play"
)

const maxNameRunes = 100

// Key is a stream key without its secret.
type Key struct {
	ID, Name, Pattern string
	Actions           []string
	Masked            string // "wk_••••3f"

	CreatedAt, RotatedAt, LastUsedAt time.Time // zero: never
	ShownCount                       int64
}

// Grant says under which key somebody was let in.
type Grant struct {
	KeyID, KeyName string
	lookup         string // the secret it was, so that rotation can be noticed
}

// NewKey is what a key is made from.
type NewKey struct {
	Name    string   // for people; empty: the pattern
	Pattern string   // the stream or streams it is for; empty: the name
	Actions []string // empty: publish
}

func (n *NewKey) complete() error {
	if n.Pattern == "" {
		n.Pattern = n.Name
	}
	if n.Name == "" {
		n.Name = n.Pattern
	}
	if len(n.Actions) == 0 {
		n.Actions = []string{ActionPublish}
	}
	for _, action := range n.Actions {
		if action != ActionPublish && action != ActionPlay {
			return fault.New(fault.Invalid, "action_unknown", fmt.Sprintf("A key cannot be for the action %.32q.", action), "The actions are publish and play.")
		}
	}
	slices.Sort(n.Actions)
	n.Actions = slices.Compact(n.Actions)
	if err := checkLabel(n.Name); err != nil {
		return err
	}
	return streamname.CheckPattern(n.Pattern)
}

// checkLabel keeps names for people short and printable.
func checkLabel(name string) error {
	unprintable := func(r rune) bool { return !unicode.IsPrint(r) }
	if name == "" || utf8.RuneCountInString(name) > maxNameRunes || !utf8.ValidString(name) || strings.ContainsFunc(name, unprintable) {
		return fault.New(fault.Invalid, "label_invalid", fmt.Sprintf("The name %.100q is empty, too long or not printable.", name),
			fmt.Sprintf("Use 1 to %d printable characters.", maxNameRunes))
	}
	return nil
}

// CreateKey makes a key and returns it with its secret.
func (a *Access) CreateKey(ctx context.Context, n NewKey) (Key, string, error) {
	if err := n.complete(); err != nil {
		return Key{}, "", err
	}
	secret := newSecret(keyPrefix, keySize)
	record := catalog.Key{ID: newID(), Name: n.Name, Pattern: n.Pattern, Actions: n.Actions, CreatedAt: time.Now().UTC()}
	record.Sealed, record.Lookup = a.sealKey(record.ID, secret)
	if err := a.store.AddKey(ctx, record); err != nil {
		return Key{}, "", failed(err, "key")
	}
	return a.key(record), secret, nil
}

func (a *Access) sealKey(id, secret string) (sealed, lookup string) {
	return a.vault.Seal("stream key "+id, secret), a.vault.Lookup("stream key", secret)
}

func (a *Access) openKey(k catalog.Key) (string, error) {
	return a.vault.Open("stream key "+k.ID, k.Sealed)
}

func (a *Access) key(k catalog.Key) Key {
	secret, err := a.openKey(k)
	if err != nil {
		secret = keyPrefix // listing must work although one secret is damaged
	}
	return Key{
		ID: k.ID, Name: k.Name, Pattern: k.Pattern, Actions: k.Actions, Masked: Mask(secret),
		CreatedAt: k.CreatedAt, RotatedAt: k.RotatedAt, LastUsedAt: k.LastUsedAt, ShownCount: k.ShownCount,
	}
}

// Keys returns up to limit keys made after the one with the ID after ("": from the first).
func (a *Access) Keys(ctx context.Context, after string, limit int) ([]Key, error) {
	records, err := a.store.Keys(ctx, after, limit)
	if err != nil {
		return nil, failed(err, "key")
	}
	keys := make([]Key, 0, len(records))
	for _, record := range records {
		keys = append(keys, a.key(record))
	}
	return keys, nil
}

// Key returns one key.
func (a *Access) Key(ctx context.Context, id string) (Key, error) {
	record, err := a.store.Key(ctx, id)
	if err != nil {
		return Key{}, failed(err, "key")
	}
	return a.key(record), nil
}

// PublishKey returns the oldest key made for publishing exactly the stream name, and
// makes one when there is none.
func (a *Access) PublishKey(ctx context.Context, name string) (Key, error) {
	if err := streamname.Check(name); err != nil {
		return Key{}, err
	}
	a.making.Lock()
	defer a.making.Unlock()
	records, err := a.store.KeysByPattern(ctx, name)
	if err != nil {
		return Key{}, failed(err, "key")
	}
	for _, record := range records {
		if slices.Contains(record.Actions, ActionPublish) {
			return a.key(record), nil
		}
	}
	k, _, err := a.CreateKey(ctx, NewKey{Pattern: name})
	return k, err
}

// ShowKey returns a key's secret and records that who saw it, and by which way
// ("console", "api", "command line").
func (a *Access) ShowKey(ctx context.Context, id, who, via string) (string, error) {
	record, err := a.store.ShowKey(ctx, catalog.Showing{ID: newID(), KeyID: id, Who: who, Via: via, At: time.Now().UTC()})
	if err != nil {
		return "", failed(err, "key")
	}
	return a.openKey(record)
}

// Showing is one record of a secret having been shown.
type Showing struct {
	At       time.Time
	Who, Via string
}

// Showings returns the latest showings of a key, newest first.
func (a *Access) Showings(ctx context.Context, id string, limit int) ([]Showing, error) {
	records, err := a.store.Showings(ctx, id, limit)
	if err != nil {
		return nil, failed(err, "key")
	}
	showings := make([]Showing, 0, len(records))
	for _, record := range records {
		showings = append(showings, Showing{At: record.At, Who: record.Who, Via: record.Via})
	}
	return showings, nil
}

// RotateKey gives a key a new secret; the old one stops working at once.
func (a *Access) RotateKey(ctx context.Context, id string) (Key, string, error) {
	secret := newSecret(keyPrefix, keySize)
	sealed, lookup := a.sealKey(id, secret)
	if err := a.store.RotateKey(ctx, id, sealed, lookup, time.Now().UTC()); err != nil {
		return Key{}, "", failed(err, "key")
	}
	a.revoked(id)
	k, err := a.Key(ctx, id)
	return k, secret, err
}

// DeleteKey removes a key; its secret stops working at once.
func (a *Access) DeleteKey(ctx context.Context, id string) error {
	if err := a.store.DeleteKey(ctx, id); err != nil {
		return failed(err, "key")
	}
	a.forget(id)
	a.revoked(id)
	return nil
}

// OnRevoke has f called when a key is rotated or deleted through this Access.
// What another process revokes is found by Valid.
func (a *Access) OnRevoke(f func(keyID string)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.onRevoke = f
}

func (a *Access) revoked(id string) {
	a.mu.Lock()
	f := a.onRevoke
	a.mu.Unlock()
	if f != nil {
		f(id)
	}
}

// CheckKey lets the bearer of a key, or of a pass, do an action with a stream, or refuses with
// key_wrong, key_wrong_stream or key_wrong_action.
func (a *Access) CheckKey(ctx context.Context, secret, name, action string) (Grant, error) {
	grant, err := a.checkKey(ctx, secret, name, action)
	a.counts.key(err)
	return grant, err
}

func (a *Access) checkKey(ctx context.Context, secret, name, action string) (Grant, error) {
	if strings.HasPrefix(secret, passPrefix) {
		return a.checkPass(secret, name, action)
	}
	if !wellFormed(secret, keyPrefix, keySize) {
		return Grant{}, fault.New(fault.Unauthorized, "key_wrong",
			fmt.Sprintf("The key given for %s is not a whole key of this server: it is mistyped or cut.", name), "Copy the key again, from wk_ to its last character.")
	}
	lookup := a.vault.Lookup("stream key", secret)
	record, err := a.store.KeyByLookup(ctx, lookup)
	if errors.Is(err, catalog.ErrNotFound) || err == nil && !equal(record.Lookup, lookup) {
		return Grant{}, fault.New(fault.Unauthorized, "key_wrong",
			fmt.Sprintf("The key given for %s is unknown: it was rotated or deleted, or belongs to another server.", name), "Copy the present key from the console.")
	}
	if err != nil {
		return Grant{}, failed(err, "key")
	}
	if !streamname.Match(record.Pattern, name) {
		return Grant{}, fault.New(fault.Forbidden, "key_wrong_stream",
			fmt.Sprintf("The key %q is for %s, not for %s.", record.Name, record.Pattern, name), "Use that stream name, or a key for this one.")
	}
	if !slices.Contains(record.Actions, action) {
		return Grant{}, fault.New(fault.Forbidden, "key_wrong_action",
			fmt.Sprintf("The key %q is for %s only.", record.Name, strings.Join(record.Actions, " and ")), fmt.Sprintf("Use a key that allows to %s.", action))
	}
	now := time.Now().UTC()
	if a.usedNow(record.ID, now) {
		if err := a.store.UseKey(ctx, record.ID, now); err != nil {
			a.log.Warn("the use of a key was not recorded", "key", record.ID, "error", err)
		}
	}
	return Grant{KeyID: record.ID, KeyName: record.Name, lookup: record.Lookup}, nil
}

// Valid reports whether a grant's key still has the secret that it was given for.
func (a *Access) Valid(ctx context.Context, g Grant) bool {
	if g.KeyID == "" {
		return true
	}
	record, err := a.store.Key(ctx, g.KeyID)
	if errors.Is(err, catalog.ErrNotFound) {
		return false
	}
	// A database that fails for a moment must not end what is running.
	return err != nil || equal(record.Lookup, g.lookup)
}
