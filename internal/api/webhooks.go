package api

import (
	"context"
	"net/http"
	"time"

	"weir/internal/control/access"
	"weir/internal/fault"
)

// Webhook is an address that is told of events, as Standard Webhooks says.
type Webhook struct {
	ID        string    `json:"id"`
	URL       string    `json:"url" doc:"Without the secrets in it"`
	Types     []string  `json:"types" nullable:"false" doc:"Empty: all"`
	CreatedAt time.Time `json:"created_at"`
	Secret    string    `json:"secret,omitempty" doc:"whsec_…, only in the answer to making it"`
}

type (
	newWebhookInput struct {
		Body struct {
			URL   string   `json:"url" maxLength:"2048"`
			Types []string `json:"types,omitempty" maxItems:"32" doc:"Types, or stream.* for all of a kind; empty: all"`
		}
	}
	webhookOutput struct{ Body Webhook }
)

func (a *API) webhookRoutes() {
	const tag = "webhooks"
	r := right(access.ScopeAdmin)
	add(a, op{id: "list-webhooks", method: http.MethodGet, path: "/webhooks", summary: "Webhooks", tag: tag, right: r}, a.listWebhooks)
	add(a, op{id: "create-webhook", method: http.MethodPost, path: "/webhooks", summary: "Have an address told of events", tag: tag, right: r, status: http.StatusCreated}, a.createWebhook)
	add(a, op{id: "delete-webhook", method: http.MethodDelete, path: "/webhooks/{id}", summary: "Delete a webhook", tag: tag, right: r, status: http.StatusNoContent}, a.deleteWebhook)
	add(a, op{id: "list-deliveries", method: http.MethodGet, path: "/webhooks/{id}/deliveries", summary: "The latest deliveries, the latest first", tag: tag, right: r}, a.listDeliveries)
}

func (a *API) listWebhooks(ctx context.Context, in *PageInput) (*pageOutput[Webhook], error) {
	hooks, err := a.deps.Access.Webhooks(ctx)
	if err != nil {
		return nil, err
	}
	list := make([]Webhook, 0, len(hooks))
	for i := range hooks {
		list = append(list, webhookOf(&hooks[i]))
	}
	return pageOf(list, *in, func(w Webhook) string { return w.ID })
}

func webhookOf(w *access.Webhook) Webhook {
	return Webhook{ID: w.ID, URL: access.MaskURL(w.URL), Types: orEmpty(w.Types), CreatedAt: w.CreatedAt}
}

func (a *API) createWebhook(ctx context.Context, in *newWebhookInput) (*webhookOutput, error) {
	if err := checkTypes(in.Body.Types); err != nil {
		return nil, err
	}
	w, err := a.deps.Access.AddWebhook(ctx, in.Body.URL, in.Body.Types)
	if err != nil {
		return nil, err
	}
	a.hooks.add(w, nil)
	out := webhookOf(&w)
	out.Secret = w.Secret
	return &webhookOutput{Body: out}, nil
}

func (a *API) deleteWebhook(ctx context.Context, in *idInput) (*struct{}, error) {
	if err := a.deps.Access.DeleteWebhook(ctx, in.ID); err != nil {
		return nil, err
	}
	a.hooks.remove(in.ID)
	return nil, nil
}

func (a *API) listDeliveries(_ context.Context, in *idInput) (*pageOutput[Delivery], error) {
	list, ok := a.hooks.deliveries(in.ID)
	if !ok {
		return nil, fault.New(fault.NotFound, "webhook_unknown", "There is no such webhook.", "It may have been deleted.")
	}
	return paged(list, len(list), nil), nil
}
