// Package access knows who may do what: stream keys, API tokens, the owner's
// password, web sessions and login links, address rules and request rates. What
// belongs here: making, storing, showing, rotating and checking secrets, and rules
// that need nothing but an address or a name. What does not: the order in which a
// publisher or viewer is checked (control/session), HTTP callbacks (control/hook)
// and routes.
package access

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"

	"weir/internal/control/catalog"
	"weir/internal/fault"
)

// keyFileCheck is the setting that tells whether the key file is the records' own.
const keyFileCheck = "key_file_check"

// Access answers questions about secrets. All methods are safe for concurrent use;
// the server and the command line may each have one over the same data folder.
type Access struct {
	store *catalog.Store
	vault *Vault
	log   *slog.Logger

	logins  *Limiter
	hashing chan struct{} // bounds the memory that password hashing takes

	counts counts

	making sync.Mutex // so that two askers for a stream's first key get one

	mu       sync.Mutex
	used     map[string]time.Time // when the use of a key or token was last written down
	onRevoke func(keyID string)
}

// Open returns the access to the secrets in the data folder dir, whose records are in store.
func Open(ctx context.Context, store *catalog.Store, dir string, log *slog.Logger) (*Access, error) {
	if err := checkKeyFileLost(ctx, store, dir); err != nil {
		return nil, err
	}
	vault, created, err := OpenVault(dir)
	if err != nil {
		return nil, err
	}
	a := &Access{store: store, vault: vault, log: log, hashing: make(chan struct{}, 2), used: make(map[string]time.Time)}
	if a.logins, err = NewLimiter(map[string]Rate{loginAddress: loginRate, loginAccount: loginRate}); err != nil {
		return nil, err
	}
	if err := a.checkKeyFile(ctx); err != nil {
		return nil, err
	}
	if created {
		log.Info("made a key file for sealing secrets", "file", KeyFile, "dir", dir)
	}
	return a, nil
}

// checkKeyFileLost holds that no new key file is made beside records that need the old one.
func checkKeyFileLost(ctx context.Context, store *catalog.Store, dir string) error {
	_, err := store.Setting(ctx, keyFileCheck)
	if errors.Is(err, catalog.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("access: %w", err)
	}
	if _, err := os.Stat(filepath.Join(dir, KeyFile)); errors.Is(err, fs.ErrNotExist) {
		return fault.New(fault.Internal, "secret_key_lost", "The key file secret.key is missing from the data folder, whose records need it.",
			"Restore secret.key from a backup, or begin with an empty data folder.")
	}
	return nil
}

// checkKeyFile holds that the records were made under this key file: with another
// one every key would be refused as wrong, and nobody could tell why.
func (a *Access) checkKeyFile(ctx context.Context) error {
	want := a.vault.Lookup("key file", "check")
	have, err := a.store.InitSetting(ctx, keyFileCheck, want)
	if err != nil {
		return fmt.Errorf("access: %w", err)
	}
	if !equal(have, want) {
		return fault.New(fault.Internal, "secret_key_foreign", "The key file secret.key does not belong to the data folder's records.",
			"Restore the secret.key that was in this data folder before.")
	}
	return nil
}

// Vault seals other secrets with the same key file.
func (a *Access) Vault() *Vault { return a.vault }

// newID gives a name for a record; names sort by time.
func newID() string { return ulid.Make().String() }

// usedNow reports whether the use of a record at now should be written down: at
// most once a minute, because a busy key would make a write of every request.
func (a *Access) usedNow(id string, now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if last, ok := a.used[id]; ok && now.Sub(last) < time.Minute {
		return false
	}
	a.used[id] = now
	return true
}

func (a *Access) forget(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.used, id)
}

// failed turns an error of the catalog into a fault.
func failed(err error, what string) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, catalog.ErrNotFound) {
		return fault.Wrap(err, fault.NotFound, what+"_unknown", fmt.Sprintf("There is no such %s.", what), "It may have been deleted.")
	}
	return fault.Wrap(err, fault.Internal, "catalog_failed", "The server's records could not be read or written.", "The log has the details.")
}
