package access

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"weir/internal/control/catalog"
	"weir/internal/fault"
)

// The scopes of API tokens. Admin contains all; ":write" contains ":read".
const (
	ScopeStreamsRead  = "streams:read"
	ScopeStreamsWrite = "streams:write"
	ScopeKeysWrite    = "keys:write"
	ScopeAdmin        = "admin"
)

// Scopes returns all scopes there are.
func Scopes() []string {
	return []string{ScopeStreamsRead, ScopeStreamsWrite, ScopeKeysWrite, ScopeAdmin}
}

// Identity is who makes a request.
type Identity struct {
	Kind   string // "token" or "user"
	ID     string // of the token or user
	Name   string // for people and records: the token's or user's name
	Role   string // of a user: "owner"
	scopes []string
}

// Allows reports whether the identity has a scope.
func (i Identity) Allows(scope string) bool {
	return slices.ContainsFunc(i.scopes, func(have string) bool {
		resource, write := strings.CutSuffix(have, ":write")
		return have == ScopeAdmin || have == scope || write && scope == resource+":read"
	})
}

// Require returns nil if the identity has a scope, or the fault scope_missing.
func (i Identity) Require(scope string) error {
	if i.Allows(scope) {
		return nil
	}
	return fault.New(fault.Forbidden, "scope_missing", fmt.Sprintf("The token %q lacks the scope %s.", i.Name, scope), "Make a token with that scope.")
}

// Token is an API token without its secret.
type Token struct {
	ID, Name              string
	Scopes                []string
	CreatedAt, LastUsedAt time.Time // zero: never
}

// CreateToken makes an API token and returns it with its secret, which is shown only now.
func (a *Access) CreateToken(ctx context.Context, name string, scopes []string) (Token, string, error) {
	if err := checkLabel(name); err != nil {
		return Token{}, "", err
	}
	if len(scopes) == 0 {
		return Token{}, "", fault.New(fault.Invalid, "scope_unknown", "A token needs at least one scope.", "The scopes are "+strings.Join(Scopes(), ", ")+".")
	}
	for _, scope := range scopes {
		if !slices.Contains(Scopes(), scope) {
			return Token{}, "", fault.New(fault.Invalid, "scope_unknown", fmt.Sprintf("There is no scope %.64q.", scope), "The scopes are "+strings.Join(Scopes(), ", ")+".")
		}
	}
	scopes = slices.Compact(slices.Sorted(slices.Values(scopes)))
	secret := newSecret(tokenPrefix, tokenSize)
	record := catalog.Token{ID: newID(), Name: name, Scopes: scopes, Lookup: a.vault.Lookup("api token", secret), CreatedAt: time.Now().UTC()}
	if err := a.store.AddToken(ctx, record); err != nil {
		return Token{}, "", failed(err, "token")
	}
	return tokenOf(record), secret, nil
}

func tokenOf(t catalog.Token) Token {
	return Token{ID: t.ID, Name: t.Name, Scopes: t.Scopes, CreatedAt: t.CreatedAt, LastUsedAt: t.LastUsedAt}
}

// Tokens returns up to limit tokens made after the one with the ID after ("": from the first).
func (a *Access) Tokens(ctx context.Context, after string, limit int) ([]Token, error) {
	records, err := a.store.Tokens(ctx, after, limit)
	if err != nil {
		return nil, failed(err, "token")
	}
	tokens := make([]Token, 0, len(records))
	for _, record := range records {
		tokens = append(tokens, tokenOf(record))
	}
	return tokens, nil
}

// DeleteToken removes a token; its secret stops working at once.
func (a *Access) DeleteToken(ctx context.Context, id string) error {
	a.forget(id)
	return failed(a.store.DeleteToken(ctx, id), "token")
}

// Token returns whose API token a secret is, or the fault token_wrong.
func (a *Access) Token(ctx context.Context, secret string) (Identity, error) {
	id, err := a.token(ctx, secret)
	a.counts.token(err)
	return id, err
}

func (a *Access) token(ctx context.Context, secret string) (Identity, error) {
	wrong := fault.New(fault.Unauthorized, "token_wrong", "The API token is unknown.", "Make one with `weir token create`.")
	if !wellFormed(secret, tokenPrefix, tokenSize) {
		return Identity{}, wrong
	}
	lookup := a.vault.Lookup("api token", secret)
	record, err := a.store.TokenByLookup(ctx, lookup)
	if errors.Is(err, catalog.ErrNotFound) || err == nil && !equal(record.Lookup, lookup) {
		return Identity{}, wrong
	}
	if err != nil {
		return Identity{}, failed(err, "token")
	}
	now := time.Now().UTC()
	if a.usedNow(record.ID, now) {
		if err := a.store.UseToken(ctx, record.ID, now); err != nil {
			a.log.Warn("the use of a token was not recorded", "token", record.ID, "error", err)
		}
	}
	return Identity{Kind: "token", ID: record.ID, Name: record.Name, scopes: record.Scopes}, nil
}
