package file

import (
	"mime"
	"testing"
	"time"
)

// A range lies within the file, or is said to be none.
func FuzzByteRange(f *testing.F) {
	for _, s := range []string{"bytes=0-", "bytes=5-9", "bytes=-7", "bytes=9-5", "bytes=-0", "bytes=", "bytes=1-2,3-4", "bytes= 1-", "x", "bytes=99999999999999999999-1"} {
		f.Add(s, int64(1000))
	}
	f.Fuzz(func(t *testing.T, spec string, size int64) {
		if size <= 0 {
			return
		}
		at, n, partial, ok := byteRange(spec, size)
		switch {
		case ok && (at < 0 || n <= 0 || n > size-at):
			t.Errorf("%d bytes from %d of %d", n, at, size)
		case ok && !partial && (at != 0 || n != size):
			t.Errorf("all of it is %d bytes from %d", n, at)
		}
	})
}

// What a file is called can be read by everybody, whatever the stream is called.
func FuzzDisposition(f *testing.F) {
	for _, s := range []string{"live/show", "展示/a\"b", "a;b=c\r\nX: y", "%41", "", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		v := disposition(fileName(name, time.Unix(0, 0)), true)
		kind, params, err := mime.ParseMediaType(v)
		if err != nil || kind != "attachment" || params["filename"] == "" {
			t.Fatalf("%q: %v %v", v, params, err)
		}
		for _, c := range []byte(v) {
			if c < 0x20 || c > 0x7e {
				t.Fatalf("%q", v)
			}
		}
	})
}
