package pipeline

import (
	"net/url"
	"strings"
)

const masked = "***"

// mask hides what may be a secret in an address: passwords, all values of the query, and, where streams are
// pushed to, the last part of the path, which is the stream key with most services.
func mask(address string, d Direction) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return masked
	}
	b := strings.Builder{}
	b.WriteString(u.Scheme + "://")
	if u.User != nil {
		b.WriteString(masked + "@")
	}
	b.WriteString(u.Host)
	path := u.EscapedPath()
	if d == Push {
		if i := strings.LastIndexByte(path, '/'); i >= 0 && i < len(path)-1 {
			path = path[:i+1] + masked
		}
	}
	// {path} is no secret and reads better unescaped.
	b.WriteString(strings.ReplaceAll(path, url.PathEscape(pathHole), pathHole))
	if u.RawQuery != "" {
		b.WriteString("?" + masked)
	}
	return b.String()
}
