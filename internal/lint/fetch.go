package lint

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"
)

// What is read at most, so that a hostile address cannot fill the memory.
const (
	playlistAtMost = 16 << 20
	segmentAtMost  = 96 << 20
	requestsAtMost = 20000
	answerWithin   = 30 * time.Second
)

var errBudget = errors.New("the limit of requests or bytes is reached")

// fetcher gets files by HTTP or from the disk. Safe for concurrent use.
type fetcher struct {
	client   *http.Client
	bytesMax int64
	local    bool // the target is a file, so what it names may be files
	requests atomic.Int64
	bytes    atomic.Int64
}

// resource is an answer.
type resource struct {
	url    string // after redirects
	status int    // 200 for a file
	header http.Header
	body   []byte
	cut    bool // longer than the limit
	gzip   bool
	began  time.Time
	took   time.Duration
}

func (r *resource) ok() bool {
	return r.status == http.StatusOK || r.status == http.StatusPartialContent
}

// span is a byte range; length 0 means the whole.
type span struct{ from, length int64 }

// address turns what the user wrote into an absolute URL.
func address(target string) (string, bool, error) {
	u, err := url.Parse(target)
	if err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" {
		return u.String(), false, nil
	}
	if err == nil && u.Scheme == "file" {
		return u.String(), true, nil
	}
	path, err := filepath.Abs(target)
	if err != nil {
		return "", false, err
	}
	return (&url.URL{Scheme: "file", Path: filepath.ToSlash(path)}).String(), true, nil
}

// resolve makes a reference absolute.
func resolve(base, ref string) (string, error) {
	b, err := url.Parse(base)
	if err != nil {
		return "", err
	}
	u, err := b.Parse(ref)
	if err != nil {
		return "", err
	}
	return u.String(), nil
}

func (f *fetcher) get(ctx context.Context, addr string, s span, limit int64) (*resource, error) {
	if f.requests.Add(1) > requestsAtMost || f.bytes.Load() > f.bytesMax {
		return nil, errBudget
	}
	u, err := url.Parse(addr)
	if err != nil {
		return nil, err
	}
	if u.Scheme == "file" {
		if !f.local {
			return nil, fmt.Errorf("a playlist from the network names the local file %s", addr)
		}
		return f.file(u, s, limit)
	}
	if u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("addresses of the scheme %q are not read", u.Scheme)
	}
	return f.web(ctx, addr, s, limit)
}

func (f *fetcher) file(u *url.URL, s span, limit int64) (*resource, error) {
	began := time.Now()
	file, err := os.Open(filepath.FromSlash(u.Path))
	if errors.Is(err, os.ErrNotExist) {
		return &resource{url: u.String(), status: http.StatusNotFound, began: began}, nil
	} else if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // read only
	if _, err := file.Seek(s.from, io.SeekStart); err != nil {
		return nil, err
	}
	if s.length > 0 {
		limit = min(limit, s.length)
	}
	body, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err != nil {
		return nil, err
	}
	r := &resource{url: u.String(), status: http.StatusOK, body: body, began: began, took: time.Since(began)}
	if int64(len(body)) > limit {
		r.body, r.cut = body[:limit], s.length == 0
	}
	f.bytes.Add(int64(len(r.body)))
	return r, nil
}

func (f *fetcher) web(ctx context.Context, addr string, s span, limit int64) (*resource, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, addr, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "weir-lint")
	req.Header.Set("Origin", "https://player.example") // what a player on another page sends
	if s.length > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", s.from, s.from+s.length-1))
	} else { // as browsers ask for everything
		req.Header.Set("Accept-Encoding", "gzip")
	}
	began := time.Now()
	res, err := f.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close() //nolint:errcheck // read only
	r := &resource{url: res.Request.URL.String(), status: res.StatusCode, header: res.Header, began: began}
	if err := r.read(res.Body, limit); err != nil {
		return nil, err
	}
	r.took = time.Since(began)
	f.bytes.Add(int64(len(r.body)))
	return r, nil
}

func (r *resource) read(from io.Reader, limit int64) error {
	if strings.EqualFold(r.header.Get("Content-Encoding"), "gzip") {
		z, err := gzip.NewReader(from)
		if err != nil {
			return err
		}
		from, r.gzip = z, true
	}
	var b bytes.Buffer
	n, err := io.Copy(&b, io.LimitReader(from, limit+1))
	r.body = b.Bytes()
	if n > limit {
		r.body, r.cut = r.body[:limit], true
	}
	return err
}
