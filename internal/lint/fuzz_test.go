package lint

import (
	"strings"
	"testing"
)

// The parsers take what a stranger's server sends: they may complain, never panic or run away.

func FuzzPlaylist(f *testing.F) {
	for _, s := range []string{goodMedia, goodLow, goodMulti} {
		f.Add(s, s)
	}
	for good, faults := range map[string][]plant{goodMedia: mediaFaults(), goodLow: lowFaults(), goodMulti: multiFaults()} {
		for _, p := range faults {
			f.Add(edit(f, good, p.edits...), good)
		}
	}
	long := goodLow + strings.Repeat("#EXTINF:2.0,\nl.m4s\n", 12)
	f.Add(long, strings.Replace(goodLow, "#EXTINF", "#EXT-X-SKIP:SKIPPED-SEGMENTS=1\n#EXTINF", 1))
	f.Add(long, goodLow)
	for _, c := range reloadFaults(f) {
		f.Add(c.was, edit(f, c.was, c.edits...))
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		c := scope{newCollector("en"), "f", "http://f/"}
		p, q := parsePlaylist("http://f/a.m3u8", a, nil), parsePlaylist("http://f/a.m3u8", b, map[string]string{"a": "b"})
		checkMulti(c, p)
		checkMedia(c, p)
		checkReload(c, p, q)
		if p.head.control != nil {
			checkDelta(c, q, p)
		}
	})
}

func FuzzManifest(f *testing.F) {
	for _, s := range []string{goodStatic, goodDynamic} {
		f.Add(s, s)
	}
	for good, faults := range map[string][]plant{goodStatic: manifestFaults(), goodDynamic: dynamicFaults()} {
		for _, p := range faults {
			f.Add(edit(f, good, p.edits...), good)
		}
	}
	for _, c := range updateFaults(f) {
		f.Add(c.was, edit(f, c.was, c.edits...))
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		c := scope{newCollector("en"), "f", "http://f/"}
		x, errX := parseMPD([]byte(a))
		y, errY := parseMPD([]byte(b))
		if errX != nil || errY != nil {
			return
		}
		m, n := newManifest(x, "http://f/", a), newManifest(y, "http://f/", b)
		checkManifest(c, m)
		checkUpdate(c, m, n, m.began)
		for _, r := range m.reps {
			if list := r.slots(m, m.began); len(list) > slotsAtMost {
				t.Errorf("%d segments", len(list))
			}
		}
	})
}

func FuzzMedia(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x18ftypiso6\x00\x00\x00\x00iso6mp41\x00\x00\x00\x08moov"), []byte("\x00\x00\x00\x10moof\x00\x00\x00\x08mfhd\x00\x00\x00\x08mdat"))
	f.Fuzz(func(t *testing.T, init, data []byte) {
		i := parseInit(init)
		parseSegment(data, i)
		parseSegment(data, nil)
		parseFragments(data, i)
		parseTS(data)
		avcSPS(data)
		hevcSPS(data)
	})
}
