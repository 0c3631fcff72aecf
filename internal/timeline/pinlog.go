package timeline

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"weir/internal/format/cmaf/trackfile"
)

const pinFile = "pins.log"

// pinLog holds the pins, and keeps them in a file of lines that is only ever appended to: the CRC32C of the rest of
// the line in hexadecimal, a blank, and JSON. A line is synced before it counts. At a start the file is written anew
// without what is outdated.
type pinLog struct {
	disk *disk
	path string // empty: memory only
	bad  int    // damaged lines that were found at the start

	mu   sync.Mutex
	byID map[string]Pin
	w    *os.File
	size int64
}

// pinLine is a line of the file: a pin that is set, or the id of one that is removed.
type pinLine struct {
	Pin    *pinJSON `json:"pin,omitempty"`
	Remove string   `json:"remove,omitempty"`
}

type pinJSON struct {
	ID       string     `json:"id"`
	Timeline string     `json:"timeline"`
	Kind     string     `json:"kind"`
	Title    string     `json:"title,omitempty"`
	By       string     `json:"by,omitempty"`
	From     time.Time  `json:"from"`
	To       *time.Time `json:"to,omitempty"`
	Until    *time.Time `json:"until,omitempty"`
	Created  time.Time  `json:"created"`
}

func instantOf(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func timeOf(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

func memoryPins() *pinLog { return &pinLog{byID: map[string]Pin{}} }

// openPins reads the pins and writes their file anew.
func openPins(dir string, d *disk, log *slog.Logger) (*pinLog, error) {
	p := memoryPins()
	p.disk, p.path = d, filepath.Join(dir, pinFile)
	b, err := os.ReadFile(p.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if p.bad = p.read(b); p.bad > 0 {
		// A torn last line was never acknowledged; any other is kept for a person to look at.
		aside := p.path + ".damaged-" + time.Now().UTC().Format("20060102T150405.000")
		log.Error("lines of the log of recordings do not match their checksum; they were left out", "lines", p.bad, "kept", aside)
		if err := os.WriteFile(aside, b, 0o640); err != nil {
			return nil, err
		}
	}
	var out []byte
	for _, pin := range p.list("") {
		out = appendPinLine(out, &pinLine{Pin: toJSON(&pin)})
	}
	if !bytes.Equal(out, b) {
		if err := d.replace(p.path, out); err != nil {
			return nil, err
		}
	}
	p.size = int64(len(out))
	return p, nil
}

// read takes lines and counts those that are damaged, without a torn last one.
func (p *pinLog) read(b []byte) (bad int) {
	for len(b) > 0 {
		line, rest, whole := bytes.Cut(b, []byte{'\n'})
		b = rest
		l, ok := parsePinLine(line)
		switch {
		case ok && l.Pin != nil:
			j := l.Pin
			p.byID[j.ID] = Pin{ID: j.ID, Timeline: j.Timeline, Kind: j.Kind, Title: j.Title, By: j.By, From: j.From,
				To: timeOf(j.To), Until: timeOf(j.Until), Created: j.Created}
		case ok:
			delete(p.byID, l.Remove)
		case whole:
			bad++
		}
	}
	return bad
}

func parsePinLine(line []byte) (l pinLine, ok bool) {
	if len(line) < 10 || line[8] != ' ' {
		return l, false
	}
	sum, err := strconv.ParseUint(string(line[:8]), 16, 32)
	if err != nil || uint32(sum) != trackfile.Sum(line[9:]) {
		return l, false
	}
	err = json.Unmarshal(line[9:], &l)
	return l, err == nil && (l.Pin != nil || l.Remove != "")
}

func appendPinLine(dst []byte, l *pinLine) []byte {
	b, err := json.Marshal(l)
	if err != nil {
		panic(err) // strings and times of this century cannot fail
	}
	dst = fmt.Appendf(dst, "%08x ", trackfile.Sum(b))
	return append(append(dst, b...), '\n')
}

func toJSON(p *Pin) *pinJSON {
	return &pinJSON{p.ID, p.Timeline, p.Kind, p.Title, p.By, p.From.UTC(), instantOf(p.To.UTC()), instantOf(p.Until.UTC()), p.Created.UTC()}
}

// list gives the pins of a timeline, or all, oldest first.
func (p *pinLog) list(timeline string) []Pin {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []Pin
	for _, pin := range p.byID {
		if timeline == "" || pin.Timeline == timeline {
			out = append(out, pin)
		}
	}
	slices.SortFunc(out, func(a, b Pin) int {
		if c := a.From.Compare(b.From); c != 0 {
			return c
		}
		return cmp.Compare(a.ID, b.ID)
	})
	return out
}

func (p *pinLog) set(pin Pin) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.write(&pinLine{Pin: toJSON(&pin)}); err != nil {
		return err
	}
	p.byID[pin.ID] = pin
	return nil
}

func (p *pinLog) remove(id string) (Pin, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	pin, ok := p.byID[id]
	if !ok {
		return pin, errPinUnknown
	}
	if err := p.write(&pinLine{Remove: id}); err != nil {
		return pin, err
	}
	delete(p.byID, id)
	return pin, nil
}

// write appends a line durably. After an error the file is not trusted any more: it is written anew at the next line.
func (p *pinLog) write(l *pinLine) error {
	if p.path == "" {
		return nil
	}
	if p.w == nil {
		if err := p.reopen(); err != nil {
			return err
		}
	}
	b := appendPinLine(nil, l)
	err := p.disk.write(p.w, b, p.size)
	if err == nil {
		err = p.disk.sync(p.w)
	}
	if err != nil {
		_ = p.w.Close() // it is written anew
		p.w = nil
		return err
	}
	p.size += int64(len(b))
	return nil
}

// reopen writes the file anew from what is known to be acknowledged.
func (p *pinLog) reopen() error {
	var out []byte
	for _, pin := range p.byID {
		out = appendPinLine(out, &pinLine{Pin: toJSON(&pin)})
	}
	if err := p.disk.replace(p.path, out); err != nil {
		return err
	}
	w, err := p.disk.open(p.path)
	if err != nil {
		return err
	}
	p.w, p.size = w, int64(len(out))
	return nil
}

func (p *pinLog) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.w == nil {
		return nil
	}
	err := p.w.Close()
	p.w = nil
	return err
}
