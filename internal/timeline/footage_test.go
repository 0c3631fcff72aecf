package timeline

import (
	"bytes"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"weir/internal/faketime"
)

// TestPagesAreWrittenOnce records slow and fast streams by ticks of the clock: hardly a page is written twice, no byte waits longer than
// it may, and what is on the disk never ends inside of sample tables if that could be chosen.
func TestPagesAreWrittenOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newFaulty()
		writes := map[string]map[int64]int{} // how often each page was written
		real := d.write
		total := int64(0)
		d.write = func(f *os.File, b []byte, at int64) error {
			pages := writes[f.Name()]
			if pages == nil {
				pages = map[int64]int{}
				writes[f.Name()] = pages
			}
			for p := at / page; p <= (at+int64(len(b))-1)/page; p++ {
				pages[p]++
			}
			total += int64(len(b))
			return real(f, b, at)
		}
		st, err := openStore(Config{Dir: t.TempDir(), Keep: forEver}, d.disk, quiet)
		if err != nil {
			t.Fatal(err)
		}
		defer st.Close()
		v := st.volume()
		var films []*film
		for i, pad := range []int{200, 3000, 9000, 70_000} { // bytes of a part, five parts a second
			f := newFilm(t, st, "live/"+string(rune('a'+i)))
			f.parts, f.pad = 10, pad
			f.begin(0)
			films = append(films, f)
		}
		torn, ended := 0, 0
		for step := range 1500 { // 40 ms each
			if step%5 == 0 {
				for i, f := range films {
					if (step/5+i)%50 < 45 { // publishers stall
						f.add("v0")
						f.add("a0")
					}
				}
			}
			if step%12 == 0 { // a tick is 500 ms
				if err := v.flush(false); err != nil {
					t.Fatal(err)
				}
				for _, tr := range v.all(nil) {
					if tr.file == nil {
						continue
					}
					if at := tr.file.oldest(tr.file.pos); !at.IsZero() && time.Since(at) > v.cfg.Sync-v.tick() {
						t.Fatalf("a byte waits since %v, and the next tick is in %v", time.Since(at), v.tick())
					}
					ended++
					for _, s := range tr.file.tables {
						if s.from < tr.file.pos && tr.file.pos < s.to {
							torn++
						}
					}
				}
			}
			faketime.Pass(40 * time.Millisecond)
		}
		pages, again := 0, 0
		for _, list := range writes {
			for _, n := range list {
				pages++
				again += n - 1
			}
		}
		t.Logf("%d bytes in %d pages, %d written again; %d of %d ends torn", total, pages, again, torn, ended)
		if again*50 > pages {
			t.Errorf("%d of %d pages were written again", again, pages)
		}
		if torn > 0 {
			t.Errorf("%d of %d times the file ended inside of sample tables", torn, ended)
		}
	})
}

// TestTablesAreFound compares what a part says with where its bytes lie.
func TestTablesAreFound(t *testing.T) {
	st := openDir(t, t.TempDir(), Config{Keep: forEver})
	f := newFilm(t, st, "live/show")
	f.begin(0)
	f.add("v0")
	f.add("v0")
	if err := st.Flush(); err != nil {
		t.Fatal(err)
	}
	tr := st.volume().of("live/show")[0]
	p := tr.queue[0].mem[1]
	file := &footage{size: 100}
	file.addPart(p)
	at := int64(bytes.Index(p.b, []byte("moof"))) - 4
	end := int64(bytes.Index(p.b, []byte("mdat"))) - 4
	if len(file.tables) != 1 || file.tables[0] != (stretch{100 + at, 100 + end}) || at < 0 {
		t.Errorf("tables %v, moof at %d to %d", file.tables, at, end)
	}
	for _, b := range [][]byte{nil, {0, 0, 0, 1}, {0, 0, 0, 4, 'm', 'o', 'o', 'f'}, {0xff, 0xff, 0xff, 0xff, 's', 't', 'y', 'p'}} {
		(&footage{}).addPart(piece{b: b}) // of other origin: nothing to find, no end to miss
	}
}
