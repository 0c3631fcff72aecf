package rtmp

import (
	"net/url"
	"strings"
)

// address is what a publisher or player asked for, taken out of the three
// places where encoders put it: the application and the URL of connect, and the
// name given to publish or play.
type address struct {
	name  string     // "live/show"
	key   string     // from ?key=
	query url.Values // everything behind a '?', wherever it stood; the last place wins
	args  string     // what stood behind the '?' of the stream's name, or of the application
	form  string     // where the name was found, for people
}

// parseAddress joins application and stream name. Cameras and OBS profiles in
// the wild put the whole address into the server field and leave the key
// empty, put the key into the application, add slashes at either end, or send
// an empty application with the path in tcUrl only.
func parseAddress(app, tcURL, stream string) address {
	a := address{query: url.Values{}}
	appPath, appQuery, _ := strings.Cut(app, "?")
	urlPath, urlQuery := splitURL(tcURL)
	streamPath, streamQuery, _ := strings.Cut(stripScheme(stream), "?")
	if strings.Trim(appPath, "/") == "" {
		appPath = urlPath
	}
	for _, q := range []string{urlQuery, appQuery, streamQuery} {
		mergeQuery(a.query, q)
	}
	a.args = streamQuery
	if a.args == "" {
		a.args = appQuery
	}
	a.key = a.query.Get("key")

	appPath, streamPath = clean(appPath), clean(streamPath)
	switch {
	case appPath == "":
		a.name, a.form = streamPath, "the name alone"
	case streamPath == "":
		a.name, a.form = appPath, "everything in the server field"
	default:
		a.name, a.form = appPath+"/"+streamPath, "server and key"
	}
	return a
}

// clean takes off white space, slashes at the ends and doubled ones.
func clean(path string) string {
	parts := strings.FieldsFunc(strings.TrimSpace(path), func(r rune) bool { return r == '/' })
	return strings.Join(parts, "/")
}

// stripScheme takes off the prefix by which Flash players named a container.
func stripScheme(stream string) string {
	for _, prefix := range [...]string{"mp4:", "flv:", "mp3:"} {
		if rest, ok := strings.CutPrefix(stream, prefix); ok {
			return rest
		}
	}
	return stream
}

// splitURL gives the path and query of rtmp://host:port/path?query. It does not
// use net/url: keys hold characters that are not escaped.
func splitURL(raw string) (path, query string) {
	_, rest, ok := strings.Cut(raw, "://")
	if !ok {
		return "", ""
	}
	rest, query, _ = strings.Cut(rest, "?")
	_, path, _ = strings.Cut(rest, "/")
	return path, query
}

// mergeQuery adds name=value pairs. Values that are badly escaped count as they
// stand: encoders paste keys without escaping them.
func mergeQuery(into url.Values, query string) {
	const most = 32
	for pair := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(pair, "=")
		if name == "" || len(into) >= most {
			continue
		}
		// Some encoders add a second '?' or the slash that stood before an empty key.
		value = strings.TrimRight(value, "/")
		if v, err := url.PathUnescape(value); err == nil {
			value = v
		}
		into.Set(name, value)
	}
}
