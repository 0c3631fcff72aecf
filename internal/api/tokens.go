package api

import (
	"context"
	"net/http"
	"time"

	"weir/internal/control/access"
)

// Token is an API token.
type Token struct {
	ID         string     `json:"id"`
	Name       string     `json:"name"`
	Scopes     []string   `json:"scopes" nullable:"false"`
	CreatedAt  time.Time  `json:"created_at"`
	LastUsedAt *time.Time `json:"last_used_at"`
	Secret     string     `json:"secret,omitempty" doc:"Only in the answer to making it; it cannot be shown again"`
}

type (
	newTokenInput struct {
		Body struct {
			Name   string   `json:"name" maxLength:"200"`
			Scopes []string `json:"scopes" minItems:"1" maxItems:"16" enum:"streams:read,streams:write,keys:write,admin"`
		}
	}
	tokenOutput struct{ Body Token }
)

func (a *API) tokenRoutes() {
	const tag = "tokens"
	add(a, op{id: "list-tokens", method: http.MethodGet, path: "/tokens", summary: "API tokens", tag: tag, right: access.ScopeAdmin}, a.listTokens)
	add(a, op{id: "create-token", method: http.MethodPost, path: "/tokens", summary: "Make an API token", tag: tag, right: access.ScopeAdmin, status: http.StatusCreated}, a.createToken)
	add(a, op{id: "delete-token", method: http.MethodDelete, path: "/tokens/{id}", summary: "Delete an API token", tag: tag, right: access.ScopeAdmin, status: http.StatusNoContent}, a.deleteToken)
}

func (a *API) listTokens(ctx context.Context, in *PageInput) (*pageOutput[Token], error) {
	after, err := in.after()
	if err != nil {
		return nil, err
	}
	tokens, err := a.deps.Access.Tokens(ctx, after, in.Limit+1)
	if err != nil {
		return nil, err
	}
	list := make([]Token, 0, len(tokens))
	for _, t := range tokens {
		list = append(list, tokenOf(t, ""))
	}
	return paged(list, in.Limit, func(t Token) string { return t.ID }), nil
}

func tokenOf(t access.Token, secret string) Token {
	return Token{ID: t.ID, Name: t.Name, Scopes: orEmpty(t.Scopes), CreatedAt: t.CreatedAt, LastUsedAt: moment(t.LastUsedAt), Secret: secret}
}

func (a *API) createToken(ctx context.Context, in *newTokenInput) (*tokenOutput, error) {
	t, secret, err := a.deps.Access.CreateToken(ctx, in.Body.Name, in.Body.Scopes)
	if err != nil {
		return nil, err
	}
	return &tokenOutput{Body: tokenOf(t, secret)}, nil
}

func (a *API) deleteToken(ctx context.Context, in *idInput) (*struct{}, error) {
	return nil, a.deps.Access.DeleteToken(ctx, in.ID)
}
