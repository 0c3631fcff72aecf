package rtmp

import (
	"context"
	"crypto/md5"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"net/url"
	"strings"
	"time"

	"weir/internal/fault"
	"weir/internal/format/rtmpmsg"
)

// Dialer opens connections; the server gives the guarded one.
type Dialer func(ctx context.Context, network, address string) (net.Conn, error)

// target is where a client goes, taken out of an address.
type target struct {
	host, port  string
	secure      bool
	app, stream string
	tcURL       string
	user, pass  string
}

const clientTimeout = 15 * time.Second

func badURL(why string) error {
	return fault.New(fault.Invalid, "rtmp_url_bad", "This is no RTMP address: "+why+".", "It looks like rtmp://host/live/show or rtmps://host/live/show.")
}

// parseTarget reads rtmp[s]://[user:pass@]host[:port]/app/stream?query. The
// last part of the path is the stream, with the query; everything before it is the application.
func parseTarget(raw string) (target, error) {
	scheme, rest, ok := strings.Cut(strings.TrimSpace(raw), "://")
	t := target{port: "1935"}
	switch {
	case !ok:
		return t, badURL("it has no rtmp:// at its start")
	case scheme == "rtmps":
		t.secure, t.port = true, "443"
	case scheme != "rtmp":
		return t, badURL("it begins with " + scheme + "://")
	}
	authority, path, _ := strings.Cut(rest, "/")
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		user, pass, _ := strings.Cut(authority[:at], ":")
		t.user, t.pass = unescape(user), unescape(pass)
		authority = authority[at+1:]
	}
	u := url.URL{Host: authority}
	if t.host = u.Hostname(); t.host == "" {
		return t, badURL("it names no server")
	}
	if u.Port() != "" {
		t.port = u.Port()
	}
	path, query, _ := strings.Cut(path, "?")
	path = clean(path)
	if path == "" {
		return t, badURL("it names no stream")
	}
	t.app = path
	if cut := strings.LastIndexByte(path, '/'); cut >= 0 {
		t.app, t.stream = path[:cut], path[cut+1:]
	}
	if query != "" {
		t.stream += "?" + query
	}
	t.tcURL = scheme + "://" + net.JoinHostPort(t.host, t.port) + "/" + t.app
	return t, nil
}

func unescape(s string) string {
	if v, err := url.PathUnescape(s); err == nil {
		return v
	}
	return s
}

// ClientConfig is what all clients share.
type ClientConfig struct {
	URL      string
	Dial     Dialer      // nil: the system's
	TLS      *tls.Config // for rtmps; nil: the system's roots
	FlashVer string      // how the client names itself; "" for the default
	Via      string      // the servers that the stream came through, this one the last; "" for who is no server
}

// client is a connection to another server, after its stream was created.
type client struct {
	*link
	cfg      ClientConfig
	target   target
	streamID uint32
	calls    float64
	server   connectInfo // what the server declared
	via      string      // the servers that what is played came through, as the server says
}

// dial connects and creates a stream. publishing says which capabilities to declare.
func dial(ctx context.Context, cfg ClientConfig, publishing bool) (*client, error) {
	t, err := parseTarget(cfg.URL)
	if err != nil {
		return nil, err
	}
	query := ""
	for attempt := 0; ; attempt++ {
		c, err := dialOnce(ctx, cfg, t, query, publishing)
		var need *authNeeded
		if !errors.As(err, &need) {
			return c, err
		}
		if t.user == "" || attempt >= 2 {
			return nil, fault.Wrap(err, fault.Unauthorized, "remote_auth", "The server "+t.host+" asks for a name and password, or does not take these.",
				"Write them into the address: rtmp://name:password@"+t.host+"/….")
		}
		query = need.answer(t.user, t.pass)
	}
}

func dialOnce(ctx context.Context, cfg ClientConfig, t target, query string, publishing bool) (*client, error) {
	conn, err := connectTCP(ctx, cfg, t)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	_ = conn.SetDeadline(time.Now().Add(clientTimeout))
	c, err := handshakeClient(conn, cfg, t)
	if err == nil {
		err = c.connect(query, publishing)
	}
	if err != nil {
		_ = conn.Close()
		if f := (*fault.Error)(nil); errors.As(err, &f) {
			return nil, err
		}
		if need := (*authNeeded)(nil); errors.As(err, &need) {
			return nil, err
		}
		return nil, fault.Wrap(err, fault.Unavailable, "remote_no_rtmp", "The server "+t.host+" took the connection and did not answer as an RTMP server does.", "Check the port, and rtmp:// or rtmps://.")
	}
	return c, nil
}

func connectTCP(ctx context.Context, cfg ClientConfig, t target) (net.Conn, error) {
	open := cfg.Dial
	if open == nil {
		open = (&net.Dialer{Timeout: clientTimeout}).DialContext
	}
	conn, err := open(ctx, "tcp", net.JoinHostPort(t.host, t.port))
	if err != nil {
		if f := (*fault.Error)(nil); errors.As(err, &f) {
			return nil, err
		}
		return nil, fault.Wrap(err, fault.Unavailable, "remote_unreachable", "The server "+net.JoinHostPort(t.host, t.port)+" cannot be reached.", "Check the address, and that it is up.")
	}
	if !t.secure {
		return conn, nil
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if cfg.TLS != nil {
		conf = cfg.TLS.Clone()
	}
	if conf.ServerName == "" {
		conf.ServerName = t.host
	}
	secured := tls.Client(conn, conf)
	handshake, cancel := context.WithTimeout(ctx, clientTimeout)
	defer cancel()
	if err := secured.HandshakeContext(handshake); err != nil {
		_ = conn.Close()
		return nil, fault.Wrap(err, fault.Unavailable, "remote_tls", "The server "+t.host+" cannot be trusted or speaks no TLS on this port.", "Check the port and the server's certificate.")
	}
	return secured, nil
}

func handshakeClient(conn net.Conn, cfg ClientConfig, t target) (*client, error) {
	random := make([]byte, rtmpmsg.HandshakeSize)
	_, _ = rand.Read(random) // never fails, crypto/rand
	if _, err := conn.Write(rtmpmsg.ClientHello(random, 0)); err != nil {
		return nil, err
	}
	answer := make([]byte, 1+2*rtmpmsg.HandshakeSize)
	if _, err := io.ReadFull(conn, answer); err != nil {
		return nil, err
	}
	c2, err := rtmpmsg.ClientAnswer(answer[:1+rtmpmsg.HandshakeSize], 0)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Write(c2); err != nil {
		return nil, err
	}
	return &client{link: newLink(conn, mediaBuffer, rtmpmsg.PeerLimits()), cfg: cfg, target: t}, nil
}

// connect calls connect and, for publishers, the calls that Flash Media servers expect.
func (c *client) connect(query string, publishing bool) error {
	b := rtmpmsg.AppendControl(nil, rtmpmsg.TypeWindowAckSize, ackWindow)
	b = rtmpmsg.AppendControl(b, rtmpmsg.TypeSetChunkSize, laneChunk)
	c.chunk = laneChunk
	flash := c.cfg.FlashVer
	if flash == "" {
		flash = "LNX 9,0,124,2"
		if publishing {
			flash = "FMLE/3.0 (compatible; Weir)"
		}
	}
	o := rtmpmsg.Object{
		{Key: "app", Value: c.target.app + query}, {Key: "flashVer", Value: flash}, {Key: "tcUrl", Value: c.target.tcURL + query},
	}
	if c.cfg.Via != "" {
		o = append(o, rtmpmsg.Pair{Key: viaKey, Value: c.cfg.Via})
	}
	flags := fourEncode
	if publishing {
		o = append(o, rtmpmsg.Pair{Key: "type", Value: "nonprivate"})
	} else {
		flags = fourDecode
		o = append(o, rtmpmsg.Object{
			{Key: "fpad", Value: false}, {Key: "capabilities", Value: 15}, {Key: "audioCodecs", Value: 0x0CF7},
			{Key: "videoCodecs", Value: 0xFC}, {Key: "videoFunction", Value: 1},
		}...)
	}
	o = append(o, capabilities(flags)...)
	b = rtmpmsg.Command{Name: "connect", Transaction: 1, Object: o}.Append(b, rtmpmsg.CSIDCommand, 0, c.chunk)
	c.calls = 1
	if err := c.send(b); err != nil {
		return err
	}
	r, err := c.answer(1)
	if err != nil {
		return err
	}
	c.server = parseConnect(r)
	return c.createStream(publishing)
}

func (c *client) createStream(publishing bool) error {
	var b []byte
	if publishing {
		for _, name := range [...]string{"releaseStream", "FCPublish"} {
			c.calls++
			b = rtmpmsg.Command{Name: name, Transaction: c.calls, Args: []any{c.target.stream}}.Append(b, rtmpmsg.CSIDCommand, 0, c.chunk)
		}
	}
	c.calls++
	b = rtmpmsg.Command{Name: "createStream", Transaction: c.calls}.Append(b, rtmpmsg.CSIDCommand, 0, c.chunk)
	if err := c.send(b); err != nil {
		return err
	}
	r, err := c.answer(c.calls)
	if err != nil {
		return err
	}
	c.streamID = 1
	if len(r.Args) > 0 {
		if id, ok := r.Args[0].(float64); ok && id >= 0 && id < 1<<31 {
			c.streamID = uint32(id)
		}
	}
	return nil
}

// answer waits for the result of a call.
func (c *client) answer(call float64) (rtmpmsg.Command, error) {
	for {
		r, err := c.nextCommand()
		if err != nil || r.Name == "_result" && r.Transaction == call {
			return r, err
		}
		if r.Name == "_error" && r.Transaction == call {
			return r, c.refused(r)
		}
	}
}

// nextCommand returns the next command; an error status of the server's is an error.
func (c *client) nextCommand() (rtmpmsg.Command, error) {
	for {
		m, err := c.read()
		if err != nil {
			return rtmpmsg.Command{}, err
		}
		if m.Type == rtmpmsg.TypeCommandAMF0 || m.Type == rtmpmsg.TypeCommandAMF3 {
			if r, err := c.judge(m); r.Name != "" {
				return r, err
			}
		}
	}
}

// judge reads a command and makes an error of one that ends things.
func (c *client) judge(m rtmpmsg.Message) (rtmpmsg.Command, error) {
	r, err := rtmpmsg.ParseCommand(m)
	switch {
	case err != nil:
		return rtmpmsg.Command{}, nil // a clumsy server; what matters will come readable
	case r.Name == "onStatus" && statusOf(r).String("level") == "error":
		return r, c.refused(r)
	case r.Name == "close":
		return r, io.EOF
	}
	return r, nil
}

// waitStatus waits for the onStatus of that code.
func (c *client) waitStatus(code string) error {
	for {
		r, err := c.nextCommand()
		if err != nil || statusOf(r).String("code") == code {
			return err
		}
	}
}

func statusOf(r rtmpmsg.Command) rtmpmsg.Object {
	if len(r.Args) > 0 {
		return rtmpmsg.AsObject(r.Args[0])
	}
	return nil
}

// refused makes a fault of the server's answer, in the server's words.
func (c *client) refused(r rtmpmsg.Command) error {
	o := statusOf(r)
	text := o.String("description")
	if need := parseAuth(text); need != nil {
		return need
	}
	code := o.String("code")
	if text == "" {
		text = code
	}
	text = strings.TrimRight(limitText(text), ". ") + "." // the remedy follows
	lower := strings.ToLower(code + " " + text)
	switch {
	case strings.Contains(lower, "badname"):
		return fault.New(fault.Conflict, "remote_busy", "The server "+c.target.host+" refuses this name: "+text, "Check the stream key; somebody else may be publishing with it.")
	case strings.Contains(lower, "notfound"):
		return fault.New(fault.NotFound, "remote_stream_unknown", "The server "+c.target.host+" has no such stream: "+text, "Check the address, and that it is live there.")
	}
	return fault.New(fault.Forbidden, "remote_refused", "The server "+c.target.host+" refuses: "+text, "Check the address and the key.")
}

// authNeeded is Adobe's "authmod" challenge, which arrives in the text of an error.
type authNeeded struct{ reason, salt, challenge, opaque string }

func (a *authNeeded) Error() string { return "the server asks for authentication (" + a.reason + ")" }

func parseAuth(text string) *authNeeded {
	if !strings.Contains(text, "authmod=adobe") {
		return nil
	}
	_, query, _ := strings.Cut(text, "?")
	a := &authNeeded{reason: "needauth"}
	for pair := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
		switch name {
		case "reason":
			a.reason = value
		case "salt":
			a.salt = value
		case "challenge":
			a.challenge = value
		case "opaque":
			a.opaque = value
		}
	}
	return a
}

// answer is the query for the next attempt: the name alone first, then the response to the challenge.
func (a *authNeeded) answer(user, pass string) string {
	query := "?authmod=adobe&user=" + user
	if a.challenge == "" && a.opaque == "" {
		return query
	}
	b64 := func(s string) string {
		sum := md5.Sum([]byte(s)) //nolint:gosec // Adobe's protocol says MD5
		return base64.StdEncoding.EncodeToString(sum[:])
	}
	var raw [4]byte
	_, _ = rand.Read(raw[:])
	mine := hex.EncodeToString(raw[:])
	theirs := a.opaque
	if theirs == "" {
		theirs = a.challenge
	}
	query += "&challenge=" + mine + "&response=" + b64(b64(user+a.salt+pass)+theirs+mine)
	if a.opaque != "" {
		query += "&opaque=" + a.opaque
	}
	return query
}
