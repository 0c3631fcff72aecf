package timeline

import (
	"errors"
	"strconv"
	"sync"
	"time"

	"weir/internal/timeline/index"
)

const toldFaults = 4096 // this many faults are remembered to have been told

// knownDamage is what was told of already: pages, viewers and retention come upon the same again and again.
type knownDamage struct {
	toldMu     sync.Mutex
	faults     lru[struct{}]
	distrusted bool // the index
	noted      bool // that it is, beside it
	spoiled    spoiled
}

// distrust has a damaged index built again at the next start.
func (v *volume) distrust(err error) {
	if !errors.Is(err, index.ErrDamaged) {
		return
	}
	v.toldMu.Lock()
	noted := v.noted
	v.toldMu.Unlock()
	if noted || v.db.Answers() != nil {
		return // the index may be whole on a disk that does not answer
	}
	v.toldMu.Lock()
	first, note := !v.distrusted, !v.noted
	v.distrusted, v.noted = true, true
	v.toldMu.Unlock()
	if first {
		v.damaged.Add(1)
		v.log.Error("the index of the recordings is damaged", "error", err)
		v.alarm(Alarm{Code: "footage_damaged", Message: index.ErrDamaged.Message, Remedy: index.ErrDamaged.Remedy})
	}
	if !note {
		return
	}
	if e := v.db.Distrust(err.Error()); e != nil {
		if first {
			v.log.Error("cannot note that the index is damaged; it is tried again", "error", e)
		}
		v.toldMu.Lock()
		v.noted = false
		v.toldMu.Unlock()
	}
}

// reportSegment notes that a segment does not match its checksum, or cannot be read, and tells of it once.
func (v *volume) reportSegment(timeline, object string, p place, err error) {
	v.spoiled.add(timeline, p)
	if v.untold(object + "\x00" + strconv.FormatInt(p.n, 10)) {
		what := "a segment does not match its checksum"
		if err != nil {
			what = "a segment cannot be read: " + err.Error()
		}
		v.report(timeline, object, what)
	}
}

// reportMissing notes that a file is not there, and tells of it once.
func (v *volume) reportMissing(row *index.File) {
	v.spoilAll(row)
	if v.untold(row.Object) {
		v.report(row.Timeline, row.Object, "the file is missing")
	}
}

func (v *volume) untold(fault string) bool {
	v.toldMu.Lock()
	defer v.toldMu.Unlock()
	_, known := v.faults.get(fault)
	if !known {
		v.faults.put(fault, struct{}{}, 1)
	}
	return !known
}

// report tells of damaged footage.
func (v *volume) report(timeline, object, what string) {
	v.damaged.Add(1)
	v.log.Error("footage is damaged", "stream", timeline, "object", object, "damage", what)
	v.alarm(Alarm{Code: "footage_damaged", Timeline: timeline, Message: "Footage of " + timeline + " is damaged: " + what + ".",
		Remedy: "Check the disk, and run weir check.", At: time.Now()})
}
