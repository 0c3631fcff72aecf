package rtmpmsg

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAMF0RoundTrip(t *testing.T) {
	values := []any{
		"connect", 1.0, true, false, nil, strings.Repeat("l", 70_000-8000)[:100],
		Object{{"app", "live"}, {"nested", Object{{"list", []any{1.0, "two", nil}}}}},
		Array{{"width", 1280.0}}, Date(1000), []any{},
	}
	got, err := DecodeAMF0(AppendAMF0(nil, values...))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(values, got); d != "" {
		t.Error(d)
	}
	if b := AppendAMF0(nil, 5, struct{}{}); !bytes.Equal(b, append([]byte{0, 0x40, 0x14}, 0, 0, 0, 0, 0, 0, 5)) {
		t.Errorf("int and unknown: %x", b)
	}
	if b := AppendAMF0(nil, strings.Repeat("l", 66_000)); b[0] != amf0LongString {
		t.Error("a long string in the short form")
	}
}

// TestAMF0Traps is what writers in the wild get wrong.
func TestAMF0Traps(t *testing.T) {
	cases := []struct {
		name string
		in   *wireBuilder
		want []any
	}{
		{"long string", new(wireBuilder).raw(12, u32(3), "abc"), []any{"abc"}},
		{"ECMA array with a wrong count", new(wireBuilder).raw(8, u32(99), 0, 1, "a", 1, 1, 0, 0, 9), []any{Array{{"a", true}}}},
		{"missing object end", new(wireBuilder).raw(3, 0, 1, "a", 1, 1), []any{Object{{"a", true}}}},
		{"undefined and unsupported", new(wireBuilder).raw(6, 13, 1, 1), []any{nil, nil, true}},
		{"typed object", new(wireBuilder).raw(16, 0, 2, "my", 0, 1, "a", 5, 0, 0, 9), []any{Object{{"a", nil}}}},
		{"XML document", new(wireBuilder).raw(15, u32(3), "<a>"), []any{"<a>"}},
		{"an empty key inside an object", new(wireBuilder).raw(3, 0, 0, 1, 1, 0, 0, 9), []any{Object{{"", true}}}},
		{"AMF3 inside", new(wireBuilder).raw(17, 4, 0x85, 0x02, 1, 1), []any{642.0, true}},
		{"AMF3 negative integer", new(wireBuilder).raw(17, 4, 0xFF, 0xFF, 0xFF, 0xFF), []any{-1.0}},
		{"AMF3 object with traits and references", new(wireBuilder).raw(
			17, 9, 5, 1, // array of two
			10, 0x13, 1, 3, "a", 6, 5, "hi", // a sealed object: class "", one member a: "hi"
			10, 1, 6, 2), // the same traits, the string by reference
			[]any{[]any{Object{{"a", "hi"}}, Object{{"a", "hi"}}}}},
		{"AMF3 dynamic object", new(wireBuilder).raw(17, 10, 0x0B, 1, 3, "k", 3, 1), []any{Object{{"k", true}}}},
		{"AMF3 named array", new(wireBuilder).raw(17, 9, 1, 3, "k", 2, 1), []any{Object{{"k", false}}}},
		{"AMF3 double, date, bytes, null", new(wireBuilder).raw(17, 5, "\x3f\xf0\x00\x00\x00\x00\x00\x00", 17, 8, 1, "\x3f\xf0\x00\x00\x00\x00\x00\x00", 17, 12, 5, "ab", 17, 1),
			[]any{1.0, Date(1), "ab", nil}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := DecodeAMF0(c.in.Bytes())
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestAMFBombs(t *testing.T) {
	deep := bytes.Repeat([]byte{3, 0, 1, 'a'}, 40)
	deepArrays := bytes.Repeat([]byte{10, 0, 0, 0, 1}, 40)
	deep3 := append([]byte{17}, bytes.Repeat([]byte{9, 3, 1}, 40)...)
	cases := []struct {
		name string
		in   []byte
		want error
	}{
		{"depth", deep, ErrAMFTooDeep},
		{"depth of arrays", deepArrays, ErrAMFTooDeep},
		{"depth in AMF3", deep3, ErrAMFTooDeep},
		{"items", bytes.Repeat([]byte{5}, 1025), ErrAMFTooMany},
		{"a list that claims much", []byte{10, 0xFF, 0xFF, 0xFF, 0xFF}, ErrAMFTooMany},
		{"an AMF3 list that claims much", []byte{17, 9, 0xFF, 0xFF, 0xFF, 0xFF}, ErrAMFTooMany},
		{"AMF3 traits that claim much", []byte{17, 10, 0xFF, 0xFF, 0xFF, 0xF3, 1}, ErrAMFTooMany},
		{"bytes", make([]byte, 64<<10+1), ErrAMFTooLarge},
		{"a string that claims much", []byte{12, 0xFF, 0xFF, 0xFF, 0xFF}, ErrAMFTooLarge},
		{"a reference", []byte{7, 0, 0}, ErrAMFMarker},
		{"an AMF3 object reference", []byte{17, 10, 0}, ErrAMFMarker},
		{"an AMF3 traits reference to nothing", []byte{17, 10, 1}, ErrAMFMarker},
		{"an AMF3 string reference to nothing", []byte{17, 6, 4}, ErrAMFMarker},
		{"an AMF3 array reference", []byte{17, 9, 4}, ErrAMFMarker},
		{"an externalizable object", []byte{17, 10, 7, 1}, ErrAMFMarker},
		{"an unknown marker", []byte{99}, ErrAMFMarker},
		{"an unknown AMF3 marker", []byte{17, 99}, ErrAMFMarker},
		{"cut short", []byte{0, 1, 2}, ErrAMFTruncated},
	}
	for _, c := range cases {
		if _, err := DecodeAMF0(c.in); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

func TestCommands(t *testing.T) {
	amf0 := AppendAMF0(nil, "publish", 5.0, nil, "show?key=K", "live")
	for _, m := range []Message{
		{Type: TypeCommandAMF0, Payload: amf0},
		{Type: TypeCommandAMF3, Payload: append([]byte{0}, amf0...)},
		{Type: TypeCommandAMF3, Payload: amf0}, // without the leading byte
	} {
		c, err := ParseCommand(m)
		if err != nil || c.Name != "publish" || c.Transaction != 5 || c.StringArg(0) != "show?key=K" || c.StringArg(1) != "live" || c.StringArg(2) != "" {
			t.Errorf("%+v %v", c, err)
		}
	}
	// The publish type may be missing, the transaction zero, an argument broken.
	c, err := ParseCommand(Message{Type: TypeCommandAMF0, Payload: append(AppendAMF0(nil, "publish", 0.0, nil, "show"), 7)})
	if err != nil || c.Name != "publish" || c.StringArg(0) != "show" {
		t.Errorf("%+v %v", c, err)
	}
	if _, err := ParseCommand(Message{Type: TypeCommandAMF0, Payload: AppendAMF0(nil, 5.0)}); !errors.Is(err, ErrNoCommand) {
		t.Error(err)
	}
	if _, err := ParseCommand(Message{Type: TypeCommandAMF0}); !errors.Is(err, ErrNoCommand) {
		t.Error(err)
	}
	bomb := append(AppendAMF0(nil, "connect", 1.0), bytes.Repeat([]byte{3, 0, 1, 'a'}, 40)...)
	if _, err := ParseCommand(Message{Type: TypeCommandAMF0, Payload: bomb}); !errors.Is(err, ErrAMFTooDeep) {
		t.Error(err)
	}
	back, err := readAll(t, Status("error", "NetStream.Publish.BadName", "taken").Append(nil, CSIDStatus, 1, 128), StrangerLimits())
	if err != nil || len(back) != 1 {
		t.Fatal(err)
	}
	s, err := ParseCommand(back[0])
	if o := AsObject(s.Args[0]); err != nil || s.Object != nil || o.String("code") != "NetStream.Publish.BadName" || back[0].StreamID != 1 {
		t.Errorf("%+v %v", s, err)
	}
}

func TestData(t *testing.T) {
	body := AppendAMF0(nil, "@setDataFrame", "onMetaData", Array{{"width", 640.0}, {"n", math.Inf(1)}})
	v, err := ParseData(Message{Type: TypeDataAMF3, Payload: append([]byte{0}, body...)})
	if err != nil || len(v) != 2 || v[0] != "onMetaData" || AsObject(v[1]).Number("width") != 640 {
		t.Errorf("%v %v", v, err)
	}
	if AsObject(5.0) != nil || Object(nil).Number("x") != 0 || Object(nil).String("x") != "" {
		t.Error("absent values")
	}
	// ffmpeg's timecode packet: four bytes that are no AMF.
	if v, err := ParseData(Message{Type: TypeDataAMF0, Payload: []byte{0, 0, 0, 1}}); err == nil || len(v) != 0 {
		t.Errorf("%v %v", v, err)
	}
}
