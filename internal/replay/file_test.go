package replay

import (
	"bytes"
	"context"
	"io"
	"testing"
	"time"
)

// FuzzFile: no file makes the reader panic, go on for ever, or give out of all proportion.
func FuzzFile(f *testing.F) {
	whole := fragmented(f, 80*time.Millisecond)
	f.Add(whole)
	f.Add(whole[:len(whole)-7])
	f.Add(bytes.Replace(whole, []byte("moof"), []byte("free"), 1))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := newFile(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil })
		if err != nil {
			return
		}
		defer r.close()
		size := 0
		for {
			p, err := r.next(context.Background())
			for i := range p.frames {
				size += len(p.frames[i].Data)
			}
			if err != nil {
				break
			}
			if size > 64*len(data) { // samples may share bytes
				t.Fatal("far more came out than went in")
			}
		}
	})
}
