package webrtc

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pion/sdp/v3"

	"weir/internal/media"
)

// strangeFingerprint is of a certificate that nobody has.
const strangeFingerprint = "a=fingerprint:sha-256 00:A0:13:3D:54:1D:05:A3:98:AA:5E:EE:20:52:18:3A:0F:C7:46:8F:59:1E:41:93:BF:C6:57:83:44:FB:9E:B9\r\n"

var aFingerprint = regexp.MustCompile(`a=fingerprint:.*\r\n`)

// edits are what clients do to offers.
func without(lines string) func(string) string {
	return func(s string) string { return regexp.MustCompile(`(?m)^a=(`+lines+`)\r\n`).ReplaceAllString(s, "") }
}

func before(line string) func(string) string {
	return func(s string) string {
		return aFingerprint.ReplaceAllStringFunc(s, func(found string) string { return line + found })
	}
}

func atSessionLevel(line string) func(string) string {
	return func(s string) string { return strings.Replace(s, "t=0 0\r\n", "t=0 0\r\n"+line+"\r\n", 1) }
}

func only(section int) func(string) string {
	return func(s string) string {
		parts := strings.Split(s, "m=")
		return parts[0] + "m=" + parts[1+section]
	}
}

func all(edits ...func(string) string) func(string) string {
	return func(s string) string {
		for _, edit := range edits {
			s = edit(s)
		}
		return s
	}
}

// Offers that leave out what may be left out, or say it in another place, are answered in full: with as many sections as they
// have (RFC 3264 section 6), and without a group that they have not.
func TestOddOffersAreAnswered(t *testing.T) {
	w := newWorld(t, Config{})
	track, _ := clip(t)
	w.onAir("live/show", 50, track, opusTrack())
	sound := func(s string) string { return strings.Replace(only(1)(s), "BUNDLE 0 1", "BUNDLE 1", 1) }
	picture := func(s string) string { return strings.Replace(only(0)(s), "BUNDLE 0 1", "BUNDLE 0", 1) }
	idle := func(s string) string {
		return regexp.MustCompile("a=(recv|send)only").ReplaceAllString(s, "a=inactive")
	}
	group, mid := without("group:.*"), without("mid:.*")
	newline := func(s string) string { return strings.ReplaceAll(s, "\r\n", "\n") }
	cut := func(s string) string { return strings.TrimRight(s, "\r\n") }
	for _, c := range []struct {
		name string
		edit func(string) string
		want string // the sections that carry something
	}{
		{"no direction", without("recvonly|sendonly"), "video audio"},
		{"both ways", func(s string) string {
			return regexp.MustCompile("a=(recv|send)only").ReplaceAllString(s, "a=sendrecv")
		}, "video audio"},
		{"SHA-1 beside", before("a=fingerprint:sha-1 00:A0:13:3D:54:1D:05:A3:98:AA:5E:EE:20:52:18:3A:0F:C7:46:8F\r\n"), "video audio"},
		{"other letters", func(s string) string { return aFingerprint.ReplaceAllStringFunc(s, strings.ToLower) }, "video audio"},
		{"line feeds", newline, "video audio"},
		{"unfinished", cut, "video audio"},
		{"line feeds, unfinished", all(newline, cut), "video audio"},
		{"no group", group, "video"},
		{"no names", all(group, mid), "video"},
		{"sound", sound, "audio"},
		{"sound without group", all(sound, group), "audio"},
		{"sound without names", all(sound, group, mid), "audio"},
		{"picture without group", all(picture, group), "video"},
		{"idle sound", func(s string) string {
			return only(0)(s) + idle(strings.TrimPrefix(only(1)(s), strings.Split(s, "m=")[0]))
		}, "video"},
		{"text beside", func(s string) string { return s + strings.Repeat("a=x-y:"+strings.Repeat("z", 90)+"\r\n", 400) }, "video audio"},
	} {
		for _, way := range []string{"whep", "whip"} {
			t.Run(c.name+" "+way, func(t *testing.T) {
				offer, path := offerFile(t, "chromium.sdp"), "/live/show/whep"
				if way == "whip" {
					offer, path = strings.ReplaceAll(offer, "a=recvonly", "a=sendonly"), "/live/other/whip"
				}
				offer = c.edit(offer)
				res, body := w.do(http.MethodPost, path, typeSDP, offer)
				if res.StatusCode != http.StatusCreated {
					t.Fatalf("%s %s", res.Status, body)
				}
				defer w.do(http.MethodDelete, res.Header.Get("Location"), "", "")
				var d sdp.SessionDescription
				if err := d.UnmarshalString(body); err != nil {
					t.Fatalf("%v\n%s", err, body)
				}
				var carry []string
				for _, m := range d.MediaDescriptions {
					if m.MediaName.Port.Value != 0 && (has(m, "sendonly") || has(m, "recvonly")) {
						carry = append(carry, m.MediaName.Media)
					}
				}
				if got := strings.Join(carry, " "); got != c.want || len(d.MediaDescriptions) != strings.Count("\n"+offer, "\nm=") {
					t.Errorf("%s in %d sections\n%s", got, len(d.MediaDescriptions), body)
				}
				for _, attribute := range []string{"a=group:", "a=mid:"} {
					if strings.Contains(body, attribute) && !strings.Contains(offer, attribute) {
						t.Errorf("%s was not offered\n%s", attribute, body)
					}
				}
			})
		}
	}
}

// The direction may stand for all sections in the session, also one that rules out what is asked for.
func TestDirectionOfTheSession(t *testing.T) {
	w := newWorld(t, Config{})
	track, _ := clip(t)
	w.onAir("live/show", 50, track, opusTrack())
	bare := without("recvonly|sendonly")(offerOf(t))
	for path, status := range map[string]map[string]int{
		"/live/show/whep":  {"recvonly": 201, "sendrecv": 201, "sendonly": 400, "inactive": 400},
		"/live/other/whip": {"recvonly": 406, "sendrecv": 201, "sendonly": 201, "inactive": 406},
	} {
		for direction, want := range status {
			res, body := w.do(http.MethodPost, path, typeSDP, atSessionLevel("a="+direction)(bare))
			if res.StatusCode != want {
				t.Errorf("%s %s: %s %s", path, direction, res.Status, body)
			}
			w.do(http.MethodDelete, res.Header.Get("Location"), "", "")
		}
	}
}

// Odd offers are not only answered: media flows.
func TestMediaFlowsByOddOffers(t *testing.T) {
	for name, edit := range map[string]func(string) string{
		"several fingerprints": before(strangeFingerprint),
		"bare":                 all(without("recvonly|sendonly"), func(s string) string { return strings.TrimRight(strings.ReplaceAll(s, "\r\n", "\n"), "\n") }),
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, Config{})
			if name == "bare" {
				w.edit = edit
			}
			w.whip("live/show").sending(t, 50)
			w.subscribe("live/show")
			w.edit = edit
			_, units, _ := w.watch("live/show")
			next(t, units, media.H264)
			next(t, units, media.Opus)
		})
	}
}

// Who asks for the sound of a stream with pictures gets it, whatever the pictures are.
func TestSoundOfAStreamWithPictures(t *testing.T) {
	w := newWorld(t, Config{})
	track, _ := clip(t)
	w.onAir("live/show", 50, track, opusTrack())
	w.edit = func(s string) string {
		parts := strings.Split(s, "m=")
		return parts[0] + "m=" + strings.Replace(parts[1], "a=recvonly", "a=inactive", 1) + "m=" + parts[2]
	}
	_, units, _ := w.watch("live/show")
	for range 50 {
		select {
		case r := <-units:
			if r.codec != media.Opus {
				t.Fatalf("%v came", r.codec)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("no sound came")
		}
	}
}
