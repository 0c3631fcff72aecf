package api

import (
	"context"
	"net/http"
	"time"

	"weir/internal/control/access"
)

// Key is a stream key.
type Key struct {
	ID         string     `json:"id"`
	Name       string     `json:"name"`
	Pattern    string     `json:"pattern" doc:"The stream or streams it is for: live/show, live/*, *" example:"live/*"`
	Actions    []string   `json:"actions" nullable:"false" enum:"publish,play"`
	Masked     string     `json:"masked" example:"wk_••••3f"`
	CreatedAt  time.Time  `json:"created_at"`
	RotatedAt  *time.Time `json:"rotated_at"`
	LastUsedAt *time.Time `json:"last_used_at"`
	ShownCount int64      `json:"shown_count" doc:"How often its secret was shown to somebody"`
	Secret     string     `json:"secret,omitempty" doc:"Only in the answer to making or rotating"`
}

// Secret is a key's secret.
type Secret struct {
	Secret string `json:"secret"`
}

type (
	newKeyInput struct {
		Body struct {
			Name    string   `json:"name" maxLength:"200" doc:"For people"`
			Pattern string   `json:"pattern,omitempty" maxLength:"1024" doc:"Empty: the name"`
			Actions []string `json:"actions,omitempty" maxItems:"2" enum:"publish,play" doc:"Empty: publish"`
		}
	}
	keyOutput    struct{ Body Key }
	secretOutput struct{ Body Secret }
)

func (a *API) keyRoutes() {
	const tag = "keys"
	r := right(access.ScopeKeysWrite) // to see keys is to be able to have their secrets shown
	add(a, op{id: "list-keys", method: http.MethodGet, path: "/keys", summary: "Stream keys", tag: tag, right: r}, a.listKeys)
	add(a, op{id: "create-key", method: http.MethodPost, path: "/keys", summary: "Make a key", tag: tag, right: r, status: http.StatusCreated}, a.createKey)
	add(a, op{id: "show-key", method: http.MethodGet, path: "/keys/{id}/secret", summary: "Show a key's secret; that is recorded", tag: tag, right: r}, a.showKey)
	add(a, op{id: "rotate-key", method: http.MethodPost, path: "/keys/{id}/rotate", summary: "Give a key a new secret", tag: tag, right: r}, a.rotateKey)
	add(a, op{id: "delete-key", method: http.MethodDelete, path: "/keys/{id}", summary: "Delete a key", tag: tag, right: r, status: http.StatusNoContent}, a.deleteKey)
}

func (a *API) listKeys(ctx context.Context, in *PageInput) (*pageOutput[Key], error) {
	after, err := in.after()
	if err != nil {
		return nil, err
	}
	keys, err := a.deps.Access.Keys(ctx, after, in.Limit+1)
	if err != nil {
		return nil, err
	}
	list := make([]Key, 0, len(keys))
	for i := range keys {
		list = append(list, keyOf(&keys[i], ""))
	}
	return paged(list, in.Limit, func(k Key) string { return k.ID }), nil
}

func keyOf(k *access.Key, secret string) Key {
	return Key{
		ID: k.ID, Name: k.Name, Pattern: k.Pattern, Actions: orEmpty(k.Actions), Masked: k.Masked, CreatedAt: k.CreatedAt,
		RotatedAt: moment(k.RotatedAt), LastUsedAt: moment(k.LastUsedAt), ShownCount: k.ShownCount, Secret: secret,
	}
}

// moment is null for never.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func (a *API) createKey(ctx context.Context, in *newKeyInput) (*keyOutput, error) {
	k, secret, err := a.deps.Access.CreateKey(ctx, access.NewKey{Name: in.Body.Name, Pattern: in.Body.Pattern, Actions: in.Body.Actions})
	if err != nil {
		return nil, err
	}
	return &keyOutput{Body: keyOf(&k, secret)}, nil
}

func (a *API) showKey(ctx context.Context, in *idInput) (*secretOutput, error) {
	c := callerOf(ctx)
	secret, err := a.deps.Access.ShowKey(ctx, in.ID, c.who(), c.via())
	return &secretOutput{Body: Secret{Secret: secret}}, err
}

func (a *API) rotateKey(ctx context.Context, in *idInput) (*keyOutput, error) {
	k, secret, err := a.deps.Access.RotateKey(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &keyOutput{Body: keyOf(&k, secret)}, nil
}

func (a *API) deleteKey(ctx context.Context, in *idInput) (*struct{}, error) {
	return nil, a.deps.Access.DeleteKey(ctx, in.ID)
}
