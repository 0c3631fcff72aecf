package rtmp

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"weir/internal/fault"
	"weir/internal/format/flv"
	"weir/internal/format/rtmpmsg"
	"weir/internal/hub"
)

// PullFLV reads an HTTP-FLV stream and publishes it in the hub under name, until the
// other server ends it (nil), goes, or ctx ends. One attempt. client dials, guarded; cfg.Dial and cfg.TLS are not used.
func PullFLV(ctx context.Context, cfg PullConfig, client *http.Client, h *hub.Hub, name string) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, cfg.URL, nil)
	if err != nil {
		return fault.Wrap(err, fault.Invalid, "flv_url_bad", "This is no HTTP-FLV address.", "It looks like http://host/live/show.flv.")
	}
	host := req.URL.Host
	resp, err := client.Do(req)
	if err != nil {
		if f := (*fault.Error)(nil); errors.As(err, &f) {
			return f
		}
		return fault.Wrap(err, fault.Unavailable, "remote_unreachable", "The server "+host+" cannot be reached.", "Check the address, and that it is up.")
	}
	defer resp.Body.Close() //nolint:errcheck // read only
	if resp.StatusCode != http.StatusOK {
		return flvStatus(host, resp.StatusCode)
	}
	in := cfg.ingest(h, name, "http-flv", host)
	in.offer.Origin.Via = clipVia(resp.Header.Get(hub.ViaHeader))
	watchdog := time.AfterFunc(cfg.Idle, func() { cancel(errSilent(host)) })
	defer watchdog.Stop()
	err = readFLV(resp.Body, in, func(n int) {
		watchdog.Reset(cfg.Idle)
		if cfg.Received != nil {
			cfg.Received(n)
		}
		if cfg.Live != nil {
			cfg.Live()
			cfg.Live = nil
		}
	})
	if cause := context.Cause(ctx); cause != nil && err != nil {
		err = cause
	}
	if errors.Is(err, flv.ErrNotFLV) {
		err = fault.Wrap(err, fault.Unsupported, "remote_no_flv", "The server "+host+" answered with something that is no FLV.", "Check the address.")
	}
	err = lost(host, err)
	in.close(err)
	return err
}

func errSilent(host string) error {
	return fault.New(fault.Unavailable, "remote_silent", "The server "+host+" keeps the connection open and sends nothing.", "Check that the stream is live there.")
}

func flvStatus(host string, status int) error {
	kind, code := fault.Unavailable, "remote_refused"
	switch status {
	case http.StatusNotFound:
		kind, code = fault.NotFound, "remote_stream_unknown"
	case http.StatusUnauthorized, http.StatusForbidden:
		kind = fault.Forbidden
	}
	return fault.New(kind, code, "The server "+host+" answers "+http.StatusText(status)+".", "Check the address, and that it is live there.")
}

func readFLV(body io.Reader, in *ingest, received func(int)) error {
	r := flv.NewReader(body, flv.DefaultLimit)
	for {
		tag, err := r.Next()
		if errors.Is(err, io.EOF) && in.pub != nil {
			return nil
		}
		if err != nil {
			return err
		}
		received(len(tag.Body))
		if tag.Type == flv.TagScript {
			in.data(rtmpmsg.Message{Type: rtmpmsg.TypeDataAMF0, Payload: tag.Body})
			continue
		}
		if err := in.media(tag.Type, tag.Timestamp, tag.Body); err != nil {
			return err
		}
	}
}
