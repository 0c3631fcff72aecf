package deliver

import (
	"net/url"
	"testing"
	"time"

	"weir/internal/fault"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func TestParseRange(t *testing.T) {
	at := func(s string) time.Time {
		v, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for query, c := range map[string]struct {
		form     Form
		from, to time.Time
		code     string
	}{
		"":                          {form: Live},
		"key=x":                     {form: Live},
		"dvr":                       {form: Sliding},
		"dvr=1":                     {form: Sliding},
		"from=-90s":                 {form: Sliding, from: noon.Add(-90 * time.Second)},
		"from=-1h30m":               {form: Sliding, from: noon.Add(-90 * time.Minute)},
		"from=2026-11-22T11:00:00Z": {form: Growing, from: at("2026-11-22T11:00:00Z")},
		"from=2026-11-22T12:00:00+01:00&to=2026-11-22T11:30:00Z": {form: Closed, from: at("2026-11-22T11:00:00Z"), to: at("2026-11-22T11:30:00Z")},
		"from=1795338684.25&to=1795338690":                       {form: Closed, from: time.Unix(1795338684, 25e7), to: time.Unix(1795338690, 0)},
		"from=-2h&to=-1h":                                        {form: Closed, from: noon.Add(-2 * time.Hour), to: noon.Add(-time.Hour)},
		"to=-1h":                                                 {form: Closed, to: noon.Add(-time.Hour)},
		"dvr&from=-1h":                                           {code: "range_wrong"},
		"from=-1h&to=-2h":                                        {code: "range_empty"},
		"from=yesterday":                                         {code: "range_wrong"},
		"from=":                                                  {code: "range_wrong"},
		"from=-1h&from=-2h":                                      {code: "range_wrong"},
		"from=1.0000000001":                                      {code: "range_wrong"},
		"from=99999999999":                                       {code: "range_wrong"},
		"from=-999999h":                                          {code: "range_wrong"},
		"to=1h":                                                  {code: "range_wrong"},
	} {
		q, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		r, form, err := ParseRange(q, noon)
		if fault.Code(err) != c.code || form != c.form || !r.From.Equal(c.from) || !r.To.Equal(c.to) {
			t.Errorf("%s: %v %v %v", query, r, form, err)
		}
	}
}

// TestAskQuery: the addresses of the children ask for the same, and a sliding window stays one.
func TestAskQuery(t *testing.T) {
	r := newRig(t, Config{})
	for query, want := range map[string]string{
		"dvr": "dvr", "from=-90s": "from=-90s", "from=-1h": "from=-3600s", "from=2026-11-22T11:00:00.5Z": "from=1795345200.5",
		"from=-2h&to=-1h": "from=1795341600&to=1795345200", "": "",
	} {
		q, _ := url.ParseQuery(query)
		a, err := r.srv.Ask(q, noon)
		if err != nil || a.Query() != want {
			t.Errorf("%s: %q, want %q (%v)", query, a.Query(), want, err)
			continue
		}
		q, _ = url.ParseQuery(a.Query())
		if again, err := r.srv.Ask(q, noon); err != nil || again.Query() != want || again.Form != a.Form || again.Back != a.Back {
			t.Errorf("%s: %+v, then %+v (%v)", query, a, again, err)
		}
	}
	for query, code := range map[string]string{
		"from=-27h": "range_too_long", "from=-30h&to=-2h": "range_too_long", "from=2026-11-20T00:00:00Z": "range_too_long", "to=-1h": "", "from=-25h": "",
	} {
		q, _ := url.ParseQuery(query)
		if _, err := r.srv.Ask(q, noon); fault.Code(err) != code {
			t.Errorf("%s: %v", query, err)
		}
	}
}

func FuzzParseInstant(f *testing.F) {
	for _, s := range []string{"2026-11-22T09:00:00Z", "1795338684.25", "-90s", "-2h", "2026-11-22T09:00:00 01:00", "", "-", "1e9", "-1ns"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		at, relative, ok := ParseInstant(s, noon)
		if !ok {
			return
		}
		if relative && (s[0] != '-' || at.After(noon)) {
			t.Fatalf("%q: %v", s, at)
		}
		if at.Unix() < 0 {
			return
		}
		again, _, ok := ParseInstant(string(appendUnix(nil, at)), noon)
		if !ok || !again.Equal(at) {
			t.Fatalf("%q: %v, then %v", s, at, again)
		}
	})
}
