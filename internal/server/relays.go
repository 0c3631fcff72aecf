package server

import (
	"context"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/oklog/ulid/v2"

	"weir/internal/control/catalog"
	"weir/internal/control/session"
	"weir/internal/fault"
	"weir/internal/gateway/rtmp"
	"weir/internal/netguard"
	"weir/internal/pipeline"
)

// fileRelay marks the relays of the configuration file: the administrator wrote them, so they may reach private networks.
const fileRelay = "file-"

// fileRelays are the relays of the configuration file that run.
type fileRelays struct {
	ids  map[Relay]string
	made int // IDs so far: none comes again
}

// guardOf is what a relay may dial.
func (s *Server) guardOf(id string) *netguard.Guard {
	if strings.HasPrefix(id, fileRelay) {
		return s.local
	}
	return s.guard
}

func (s *Server) pull(ctx context.Context, a pipeline.Attempt) error {
	ses, err := s.door.Open(ctx, session.Request{Action: session.Publish, Protocol: "pull", Name: a.Stream, Remote: remoteOf(a.URL), Internal: true})
	if err != nil {
		return err
	}
	guard := s.guardOf(a.ID)
	cfg := rtmp.PullConfig{
		ClientConfig: rtmp.ClientConfig{URL: a.URL, Dial: guard.DialContext, FlashVer: "Weir/" + s.cfg.Version, Via: s.hub.ID()},
		Session:      ses.ID(), Log: s.log.With("room", "pull"),
		Received: func(n int) { ses.In(n); a.Count(n) }, Live: a.Live,
	}
	switch scheme, _, _ := strings.Cut(a.URL, "://"); scheme {
	case "rtmp", "rtmps":
		err = rtmp.Pull(ses.Context(), cfg, s.hub, a.Stream)
	case "http", "https":
		err = rtmp.PullFLV(ses.Context(), cfg, guard.HTTPClient(), s.hub, a.Stream)
	default:
		err = schemeUnknown(scheme)
	}
	ses.Close(err)
	return err
}

func (s *Server) push(ctx context.Context, a pipeline.Attempt) error {
	if scheme, _, _ := strings.Cut(a.URL, "://"); scheme != "rtmp" && scheme != "rtmps" {
		return schemeUnknown(scheme)
	}
	ses, err := s.door.Open(ctx, session.Request{Action: session.Play, Protocol: "push", Name: a.Stream, Remote: remoteOf(a.URL), Internal: true})
	if err != nil {
		return err
	}
	via := s.hub.ID()
	if st := s.hub.Stream(a.Stream); st != nil {
		via = st.Via()
	}
	err = rtmp.Push(ses.Context(), rtmp.PushConfig{
		ClientConfig: rtmp.ClientConfig{URL: a.URL, Dial: s.guardOf(a.ID).DialContext, FlashVer: "Weir/" + s.cfg.Version, Via: via},
		Fan:          s.fan, Sent: func(n int) { ses.Out(n); a.Count(n) }, Live: a.Live,
	}, s.hub, a.Stream)
	ses.Close(err)
	return err
}

// redirect follows a hook that answered with an rtmp:// address: the published stream goes there, or the played one
// comes from there, for as long as the session lasts. Hooks are the administrator's, as the file is.
func (s *Server) redirect(ctx context.Context, action session.Action, name, to string) {
	r := pipeline.Relay{ID: fileRelay + "hook-" + ulid.Make().String(), Stream: name, URL: to}
	remove := s.pipeline.RemovePull
	if action == session.Publish {
		remove = s.pipeline.RemovePush
	}
	s.addRelay(action == session.Publish, r)
	<-ctx.Done()
	remove(r.ID)
}

func schemeUnknown(scheme string) error {
	return fault.New(fault.Unsupported, "scheme_unsupported", "Addresses of the kind "+scheme+":// are not offered.", "Use rtmp://, rtmps://, or for pulls http(s)://….flv.")
}

// remoteOf is the other server's address where it is written as numbers; names are resolved by the guard only.
func remoteOf(raw string) netip.AddrPort {
	u, err := url.Parse(raw)
	if err != nil {
		return netip.AddrPort{}
	}
	addr, err := netip.ParseAddr(u.Hostname())
	if err != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(addr, 0)
}

// startRelays brings the relays of the catalog and of the file into the pipeline.
func (s *Server) startRelays(ctx context.Context) error {
	for _, d := range []catalog.Direction{catalog.Pull, catalog.Push} {
		list, err := s.access.Relays(ctx, d)
		if err != nil {
			return err
		}
		for _, r := range list {
			s.addRelay(d == catalog.Push, pipeline.Relay{ID: r.ID, Stream: r.Stream, URL: r.URL, OnDemand: r.OnDemand})
		}
	}
	s.setRelays(s.cfg.Relays)
	return nil
}

// setRelays makes the relays of the file those of a list. Those that are in it already are left alone, wherever they stand now.
func (s *Server) setRelays(list []Relay) {
	for r, id := range s.relays.ids {
		if slices.Contains(list, r) {
			continue
		}
		delete(s.relays.ids, r)
		if r.Push {
			s.pipeline.RemovePush(id)
		} else {
			s.pipeline.RemovePull(id)
		}
	}
	for _, r := range list {
		if s.relays.ids[r] != "" {
			continue
		}
		id := fmt.Sprintf("%s%d", fileRelay, s.relays.made)
		s.relays.made++
		s.relays.ids[r] = id
		s.addRelay(r.Push, pipeline.Relay{ID: id, Stream: r.Stream, URL: r.URL, OnDemand: r.OnDemand})
	}
}

// addRelay starts one relay; one that makes no sense must not keep the others, or the server, from running.
func (s *Server) addRelay(push bool, r pipeline.Relay) {
	add := s.pipeline.AddPull
	if push {
		add = s.pipeline.AddPush
	}
	if err := add(r); err != nil {
		s.log.Error("relay refused", "stream", r.Stream, "push", push, "error", err)
	}
}
