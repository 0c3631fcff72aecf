package session

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"weir/internal/control/hook"
	"weir/internal/fault"
	"weir/internal/streamname"
)

// judge asks who decides. Where the application has a hook for the action, it decides
// alone. Otherwise an address that is open may publish, and everybody may play what
// is not played by key; the rest needs a key.
func (d *Door) judge(ctx context.Context, rules *rules, r *Request, s *Session) error {
	if rules.Hooks != nil {
		app := rules.Hooks.App(r.Name)
		if app.Sessions() {
			call := r.call(s)
			s.hooked.call = &call
		}
		if s.action == Publish && app.OnPublish != "" || s.action == Play && app.OnPlay != "" {
			// A key cannot be guessed, but what a receiver is asked may be, and asking costs it.
			if empty, wait := rules.limiter.Empty(r.Remote.Addr(), rateRefused); empty && !exempt(r.Remote.Addr()) {
				return limited(wait)
			}
			return d.askHook(ctx, rules.Hooks, r, s)
		}
	}
	if rules.Keys == nil {
		return nil
	}
	addr := r.Remote.Addr()
	if s.action == Publish && rules.Policy.OpenPublish(addr) || s.action == Play && !rules.Policy.PlayByKey(r.Name) {
		return nil
	}
	return checkKey(ctx, rules, r, s)
}

func checkKey(ctx context.Context, rules *rules, r *Request, s *Session) error {
	key := cmp.Or(r.Key, r.Query.Get("key"))
	if key == "" {
		return missing(r)
	}
	grant, err := rules.Keys.CheckKey(ctx, key, r.Name, string(r.Action))
	if err != nil {
		return err
	}
	if r.Action == Publish && !exempt(r.Remote.Addr()) {
		if ok, wait := rules.limiter.AllowName(grant.KeyID, rateKey); !ok {
			return fault.New(fault.TooMany, "rate_limited", fmt.Sprintf("The key %q was used too often.", grant.KeyName), fmt.Sprintf("Try again in %d seconds.", int(wait.Seconds())+1))
		}
	}
	s.grant = grant
	return nil
}

// PlayKeyMissing refuses who would watch a stream of keys without one.
func PlayKeyMissing(name string) error {
	return fault.New(fault.Unauthorized, "key_missing", fmt.Sprintf("Playing %s needs a key.", name), "Add ?key=… with a key that allows to play; the server's owner can make one.")
}

func missing(r *Request) error {
	if r.Action == Play {
		return PlayKeyMissing(r.Name)
	}
	return fault.New(fault.Unauthorized, "key_missing", fmt.Sprintf("Publishing %s needs a key.", r.Name),
		fmt.Sprintf("Make one with `weir key create %s`, or allow this address (%s) under publish.open in weir.yaml.", r.Name, r.Remote.Addr().Unmap()))
}

// askHook lets the receiver decide, and takes over the name or address it gives.
func (d *Door) askHook(ctx context.Context, hooks *hook.Hooks, r *Request, s *Session) error {
	answer, err := hooks.Ask(ctx, *s.hooked.call)
	if err != nil {
		return err
	}
	s.hooked.redirect = answer.Redirect
	if answer.Rename == "" {
		return nil
	}
	name := answer.Rename
	if app := s.hooked.call.Peer.App; app != "" {
		name = app + "/" + name
	}
	if err := streamname.Check(name); err != nil {
		return fault.Wrap(err, fault.Unavailable, "hook_failed", fmt.Sprintf("The server's hook renamed %s to something that is no stream name.", r.Name),
			"The receiver should answer with a bare stream name in Location.")
	}
	s.name = name
	return nil
}

func (d *Door) askConnect(ctx context.Context, rules *rules, r *Request) error {
	if rules.Hooks == nil || rules.Hooks.App(r.App).OnConnect == "" {
		return nil
	}
	call := r.connectCall(hook.Connect)
	call.Epoch = uint32(time.Now().UnixMilli()) // wraps, like the RTMP clock it stands for
	// A rename of the application, which nginx-rtmp knows, is taken as a plain yes.
	_, err := rules.Hooks.Ask(ctx, call)
	return err
}

// Disconnect tells the on_disconnect hook that a connection which passed Connect is
// gone; r is the request given to Connect.
func (d *Door) Disconnect(r Request) {
	if rules := d.rules.Load(); rules.Hooks != nil && !r.Internal {
		rules.Hooks.Tell(r.connectCall(hook.Disconnect))
	}
}

func (r *Request) peer() hook.Peer {
	app, _, _ := strings.Cut(r.App, "?")
	return hook.Peer{
		App: strings.Trim(app, "/"), Flashver: cmp.Or(r.Flashver, r.UserAgent), SwfURL: r.SwfURL, TcURL: r.TcURL, PageURL: r.PageURL,
		Addr: r.Remote.Addr().Unmap(), ClientID: r.ClientID,
	}
}

func (r *Request) connectCall(e hook.Event) hook.Call {
	_, args, _ := strings.Cut(r.App, "?")
	return hook.Call{Event: e, Peer: r.peer(), Protocol: r.Protocol, Args: cmp.Or(args, r.Args)}
}

// call is what hooks are told of the session. The name is cut the way RTMP has it:
// into the application and what follows.
func (r *Request) call(s *Session) hook.Call {
	c := hook.Call{
		Event: hook.Publish, Peer: r.peer(), Type: cmp.Or(r.Type, "live"), Start: r.Start, Duration: r.Duration, Reset: r.Reset,
		Args: r.Args, Stream: r.Name, Protocol: r.Protocol, Session: s.id,
	}
	if r.Action == Play {
		c.Event = hook.Play
	}
	if c.Args == "" {
		c.Args = r.arguments().Encode()
	}
	name, ok := strings.CutPrefix(r.Name, c.Peer.App+"/")
	if !ok {
		c.Peer.App, name, _ = strings.Cut(r.Name, "/")
		if name == "" {
			c.Peer.App, name = "", r.Name
		}
	}
	c.Name = name
	return c
}

// arguments are what the client wrote beside the name. A key that came in a header is one of them, as it is where
// a client can only write it into the address.
func (r *Request) arguments() url.Values {
	if r.Key == "" || r.Query.Has("key") {
		return r.Query
	}
	q := url.Values{"key": {r.Key}}
	maps.Copy(q, r.Query)
	return q
}

// tellDone tells the hooks that a session has ended.
func (d *Door) tellDone(s *Session) {
	hooks := d.rules.Load().Hooks
	if hooks == nil || s.hooked.call == nil {
		return
	}
	call := *s.hooked.call
	call.Event = hook.PublishDone
	if s.action == Play {
		call.Event = hook.PlayDone
	}
	hooks.Tell(call)
	call.Event = hook.Done
	hooks.Tell(call)
}

// tellUpdate asks the on_update hook whether a session may go on.
func (d *Door) tellUpdate(hooks *hook.Hooks, s *Session, now time.Time, stamp uint32) {
	call := *s.hooked.call
	call.Event = hook.UpdatePublish
	if s.action == Play {
		call.Event = hook.UpdatePlay
	}
	call.Time, call.Timestamp = int64(now.Sub(s.since)/time.Second), stamp
	hooks.Update(call, func(err error) {
		if err != nil {
			s.Close(err)
		}
	})
}

// Client is who makes an HTTP request, looked at through trusted proxies.
func (d *Door) Client(peer netip.AddrPort, forwardedFor []string) netip.AddrPort {
	return d.rules.Load().Policy.Client(peer, forwardedFor)
}
