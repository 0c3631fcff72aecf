package server

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"weir/internal/console"
	"weir/internal/deliver"
	"weir/internal/fault"
	"weir/internal/problem"
	"weir/internal/streamname"
)

// router sends each request to its room. Stream names have one to four segments, so the fixed routes come first and
// everything else is a stream's page or media.
func (s *Server) router() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusOK, "ok\n") })
	mux.HandleFunc("GET /readyz", s.serveReady)
	mux.Handle("GET /metrics", s.metrics())
	mux.Handle("/api/", s.api.Handler())
	mux.Handle("/login/once", s.api.Handler())
	mux.HandleFunc("GET /assets/{name...}", func(w http.ResponseWriter, r *http.Request) {
		console.ServeAsset(w, r, r.PathValue("name"))
	})
	for _, p := range []string{"/console", "/console/", "/login", "/setup"} {
		mux.HandleFunc("GET "+p, func(w http.ResponseWriter, r *http.Request) { console.ServePage(w, r, console.Console) })
	}
	mux.HandleFunc("GET /favicon.ico", func(w http.ResponseWriter, r *http.Request) { console.ServeAsset(w, r, "favicon.svg") })
	mux.HandleFunc("GET /docs/{name...}", serveDocs)
	mux.HandleFunc("GET "+clockPath, func(w http.ResponseWriter, r *http.Request) { deliver.ServeClock(w, r, s.deliver.Wall(time.Now())) })
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { console.ServePage(w, r, console.Watch) })
	mux.HandleFunc("/", s.serveStream)
	return s.telemetry.Middleware(s.recovering(mux))
}

const clockPath = "/.well-known/weir/time"

func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text)) // a failed write means that the peer has gone
}

// shortForms are the addresses people know from other servers: /live/show.flv.
var shortForms = map[string]string{".m3u8": "index.m3u8", ".mpd": "index.mpd", ".flv": "flv", ".ts": "ts", ".mp4": "mp4"}

// serveStream answers everything below a stream's name.
func (s *Server) serveStream(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, "/")
	dir, last := cutLast(path)
	if name, id, ok := sessionResource(path); ok && streamname.Check(name) == nil {
		s.webrtcOr404(w, r, func() { s.webrtc.ServeResource(w, r, id) })
		return
	}
	if dir != "" && streamname.Check(dir) == nil && s.serveBelow(w, r, dir, last) {
		return
	}
	if name, form, ok := shortForm(path); ok && streamname.Check(name) == nil {
		if strings.HasPrefix(form, "index.") {
			_, base := cutLast(name)
			to := (&url.URL{Path: base + "/" + form, RawQuery: r.URL.RawQuery}).String()
			w.Header().Set("Location", to) // relative, so that it holds behind any proxy
			w.Header().Set("Access-Control-Allow-Origin", "*")
			w.WriteHeader(http.StatusFound)
			return
		}
		s.http.ServeStream(w, r, name, form)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		problem.Write(w, r, fault.New(fault.NotFound, "no_such_address", "There is nothing at this address.", "The README lists the addresses of a stream."))
		return
	}
	if err := streamname.Check(strings.TrimSuffix(path, "/")); err != nil {
		problem.Write(w, r, err)
		return
	}
	console.ServePage(w, r, console.Watch)
}

// serveBelow answers the addresses of stream name, and reports whether last is one.
func (s *Server) serveBelow(w http.ResponseWriter, r *http.Request, name, last string) bool {
	switch last {
	case "embed":
		console.ServePage(w, r, console.Embed)
		return true
	case "poster.jpg":
		s.servePoster(w, r, name)
		return true
	case "whip":
		s.webrtcOr404(w, r, func() { s.webrtc.ServeWHIP(w, r, name) })
		return true
	case "whep":
		s.webrtcOr404(w, r, func() { s.webrtc.ServeWHEP(w, r, name) })
		return true
	}
	if ext, ok := strings.CutPrefix(last, "stream."); ok {
		s.http.ServeStream(w, r, name, ext)
		return true
	}
	if s.serveFootage(w, r, name, last) {
		return true
	}
	a := deliver.ParseAddress(last)
	now := time.Now()
	switch a.Kind {
	case deliver.Nothing:
		return false
	case deliver.Playlist, deliver.TSPlaylist, deliver.IFrames:
		if s.timelines.Get(name) == nil && !s.recorded(r, name) {
			return false // there is no such stream, so it is the short form of a longer name
		}
		s.hls.ServePlaylist(w, r, name, a, now)
	case deliver.Master:
		s.hls.ServePlaylist(w, r, name, a, now)
	case deliver.Manifest:
		s.dash.ServeMPD(w, r, name, now)
	default:
		s.deliver.ServeMedia(w, r, name, a, now)
	}
	return true
}

// recorded says whether a request is for the past of a stream that is not live.
func (s *Server) recorded(r *http.Request, name string) bool {
	if _, form, err := deliver.ParseRange(r.URL.Query(), s.deliver.Wall(time.Now())); err == nil && form == deliver.Live {
		return false
	}
	return s.deliver.Recorded(r.Context(), name)
}

func (s *Server) webrtcOr404(w http.ResponseWriter, r *http.Request, serve func()) {
	if s.webrtc == nil {
		problem.Write(w, r, fault.New(fault.Unavailable, "webrtc_off", "WebRTC is not running on this server.", "See the System page for the reason, or set webrtc.listen."))
		return
	}
	serve()
}

func cutLast(path string) (dir, last string) {
	i := strings.LastIndexByte(path, '/')
	if i < 0 {
		return "", path
	}
	return path[:i], path[i+1:]
}

// sessionResource recognises /{name}/whip/{id} and /{name}/whep/{id}.
func sessionResource(path string) (name, id string, ok bool) {
	dir, id := cutLast(path)
	name, kind := cutLast(dir)
	return name, id, name != "" && (kind == "whip" || kind == "whep")
}

func shortForm(path string) (name, form string, ok bool) {
	i := strings.LastIndexByte(path, '.')
	if i <= 0 {
		return "", "", false
	}
	form, ok = shortForms[path[i:]]
	return path[:i], form, ok
}

// recovering keeps one broken request from taking the process down. The panic is logged with its stack and counted.
func (s *Server) recovering(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			if v == http.ErrAbortHandler { //nolint:errorlint,err113 // net/http's own sentinel, compared as it compares it
				panic(v)
			}
			s.panicked("http "+r.Method, v)
			panic(http.ErrAbortHandler)
		}()
		next.ServeHTTP(w, r)
	})
}
