package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"weir/internal/testpattern"
)

// smallDisk is a file system in memory.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("a small disk needs root, for a mount")
	}
	dir := t.TempDir()
	sh(t, "mount", "-t", "tmpfs", "-o", "size="+size, "tmpfs", dir)
	t.Cleanup(func() { _ = exec.Command("umount", "-l", dir).Run() })
	return dir
}

// fill takes all room of a disk but a little.
func fill(t *testing.T, dir string) string {
	t.Helper()
	name := filepath.Join(dir, "filler")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	block := make([]byte, 4096)
	for {
		if _, err := f.Write(block); err != nil {
			return name
		}
	}
}

// alarmed waits for an event of a type and returns its code. Events that were told before count too.
func (w *weir) alarmed(t *testing.T, kind string, since time.Time) string {
	t.Helper()
	code := ""
	eventually(t, 20*time.Second, "the event "+kind, func() error {
		text, err := exec.CommandContext(t.Context(), "curl", "-s", "-m", "1", "-H", "Authorization: Bearer "+w.token,
			w.http("/api/v1/events?types="+kind+"&since="+stamp(since))).Output()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			return err
		}
		_, rest, ok := strings.Cut(string(text), `"code":"`)
		if !ok {
			return fmt.Errorf("%.300s", text)
		}
		code, _, _ = strings.Cut(rest, `"`)
		return nil
	})
	return code
}

// TestShow_3_3_DiskFull: the live stream goes on complete, recording stops with an alarm and resumes by itself, the past has a gap.
func TestShow_3_3_DiskFull(t *testing.T) {
	need(t, "curl")
	t.Parallel()
	dir := smallDisk(t, "24m")
	w := start(t, "--recording.dir", filepath.Join(dir, "footage"), "--recording.min_free", "0")
	begun := time.Now()
	l := w.publishLedger(t, "live/full", w.key("live/*"))
	w.waitLive(l.name)
	v := viewFLV(t, w.http("/live/full/stream.flv"))
	pause(t, 4*time.Second)
	full := time.Now()
	filler := fill(t, dir)
	if code := w.alarmed(t, "storage.alarm", full); code != "recording_stopped" {
		t.Errorf("the alarm's code is %s", code)
	}
	if err := w.storageIs("full"); err != nil {
		t.Error(err)
	}
	pause(t, 4*time.Second)
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	w.alarmed(t, "storage.ok", full)
	again := time.Now()
	pause(t, 5*time.Second)
	v.alive(t)
	complete(t, "the viewer", v.pictures())
	monotonic(t, "the viewer", v.all())
	if err := w.storageIs("ok"); err != nil {
		t.Error(err)
	}
	now := time.Now()
	found, err := w.footage(t, l.name, begun.Add(-3*time.Second), now)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []struct {
		what     string
		from, to time.Time
	}{{"before the disk was full", begun, full.Add(-syncInterval - openPart)}, {"after there was room again", again.Add(3 * time.Second), now.Add(-3 * time.Second)}} {
		if missing := missingOf(l.marks(part.from, part.to), found); missing > 0 {
			t.Errorf("%s: %d pictures are missing", part.what, missing)
		}
	}
	l.stop()
	w.noPanics(t)
}

// TestShow_3_3_FullAtStart: a server whose whole data folder lies on a disk without any room starts all the same; live goes
// on, and recording begins when there is room.
func TestShow_3_3_FullAtStart(t *testing.T) {
	t.Parallel()
	dir := smallDisk(t, "24m")
	w := start(t, "--data_dir", dir, "--recording.min_free", "0")
	w.data = dir
	key := w.key("live/*")
	if err := w.storageIs("ok"); err != nil {
		t.Fatal(err)
	}
	w.stop()
	filler := fill(t, dir)
	w.boot("127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0")
	l := w.publishLedger(t, "live/full", key)
	w.waitLive(l.name)
	v := viewFLV(t, w.http("/live/full/stream.flv"))
	pause(t, 3*time.Second)
	if err := w.storageIs("full"); err != nil {
		t.Error(err)
	}
	v.alive(t)
	complete(t, "the viewer", v.pictures())
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	eventually(t, 30*time.Second, "recording to begin", func() error { return w.storageIs("ok") })
	l.stop()
	w.noPanics(t)
}

func missingOf(sent, found []testpattern.Mark) (n int) {
	have := map[testpattern.Mark]bool{}
	for _, m := range found {
		have[m] = true
	}
	for _, m := range sent {
		if !have[m] {
			n++
		}
	}
	return n
}

// TestShow_3_3_ReadOnly: the kernel makes the file system read-only after an error; live goes on, and recording resumes when
// the disk is mounted anew at the same place.
func TestShow_3_3_ReadOnly(t *testing.T) {
	t.Parallel()
	d := newDisk(t)
	d.detach[len(d.detach)-1]()
	d.mounted(d.path("pool/disk.img"), d.path("disk"), "-o", "errors=remount-ro")
	w := start(t, "--recording.dir", filepath.Join(d.path("disk"), "footage"))
	l := w.publishLedger(t, "live/ro", w.key("live/*"))
	w.waitLive(l.name)
	v := viewFLV(t, w.http("/live/ro/stream.flv"))
	pause(t, 3*time.Second)
	loop := filepath.Base(sh(t, "findmnt", "-n", "-o", "SOURCE", d.path("disk")))
	if err := os.WriteFile("/sys/fs/ext4/"+loop+"/trigger_fs_error", []byte("1"), 0); err != nil {
		t.Skipf("this kernel cannot be told to fail: %v", err)
	}
	eventually(t, 15*time.Second, "the alarm", func() error { return w.storageIs("readonly") })
	pause(t, 3*time.Second)
	v.alive(t)
	complete(t, "the viewer", v.pictures())
	d.detach[len(d.detach)-1]()
	_ = exec.Command("fsck.ext4", "-p", "-f", d.path("pool/disk.img")).Run() // 1: it found the fault that was planted, and mended it
	d.mounted(d.path("pool/disk.img"), d.path("disk"))
	eventually(t, 30*time.Second, "recording to resume", func() error { return w.storageIs("ok") })
	l.stop()
	w.noPanics(t)
}

// TestShow_3_3_OutOfDescriptors: no file can be opened any more. Live goes on, recording of what needs a new file stops with
// an alarm and resumes when there are descriptors again.
func TestShow_3_3_OutOfDescriptors(t *testing.T) {
	need(t, "prlimit")
	t.Parallel()
	w := start(t)
	o := testpattern.Options{Width: 320, Height: 180, FPS: 25, GOP: time.Second, Audio: true}
	f := w.feed(t, "live/fd", w.key("live/*"), o)
	f.run(t, 300*time.Millisecond, func(ms int64) uint32 { return uint32(ms) })
	v := viewFLV(t, w.http("/live/fd/stream.flv"))
	w.api(http.MethodGet, "/storage", nil, nil) // the connection that the API is asked over stays
	f.run(t, 3*time.Second, func(ms int64) uint32 { return uint32(ms) })
	pid := fmt.Sprint(w.cmd.Process.Pid)
	sh(t, "prlimit", "--pid", pid, "--nofile=16:4096")
	o.Width, o.Height = 640, 360
	f.begin(t, o) // a new configuration, so a new run, so new files
	f.run(t, 5*time.Second, func(ms int64) uint32 { return uint32(3000 + ms) })
	if err := w.storageIs("failed"); err != nil {
		t.Error(err)
	}
	sh(t, "prlimit", "--pid", pid, "--nofile=4096:4096")
	f.run(t, 18*time.Second, func(ms int64) uint32 { return uint32(3000 + ms) })
	if err := w.storageIs("ok"); err != nil {
		t.Error(err)
	}
	v.alive(t)
	monotonic(t, "the viewer", v.all())
	if n := len(v.pictures()); n < f.sent-15 {
		t.Errorf("the viewer got %d of %d pictures", n, f.sent)
	}
	w.noPanics(t)
}

// TestShow_3_3_RetentionKeepsItsPromise: the footage of all streams never takes more than was allowed, beside the files being written.
// What is allowed is more than what the live window holds, which stays in any case: the files of up to two minutes.
func TestShow_3_3_RetentionKeepsItsPromise(t *testing.T) {
	long(t)
	const total = 64 << 20
	w := start(t, "--recording.total", fmt.Sprint(total))
	w.pattern("live/big", w.key("live/*"), "--bitrate", "4000000")
	most := int64(0)
	for end := time.Now().Add(5 * time.Minute); time.Now().Before(end); pause(t, time.Second) {
		var used int64
		for _, f := range footageFiles(t, w.data) {
			if info, err := os.Stat(f); err == nil {
				used += info.Size()
			}
		}
		most = max(most, used)
	}
	t.Logf("at most %d MiB of %d", most>>20, total>>20)
	if open := int64(75 * 4_200_000 / 8); most > total+open || most < total {
		t.Errorf("%d bytes of footage, allowed %d and a file of a minute", most, total)
	}
}
