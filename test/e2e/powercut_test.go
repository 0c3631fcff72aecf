package e2e

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// disk is an ext4 file system in an image that lies on btrfs, so that a copy by reflink is what a power cut would leave:
// what the kernel had written to the disk at one instant.
type disk struct {
	t      *testing.T
	dir    string
	n      int
	detach []func()
}

func sh(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// mounted attaches an image and mounts it, until the test ends or the returned function is called.
func (d *disk) mounted(image, at string, options ...string) func() {
	d.t.Helper()
	if err := os.MkdirAll(at, 0o755); err != nil {
		d.t.Fatal(err)
	}
	loop := sh(d.t, "losetup", "-f", "--show", image)
	var once bool
	undo := func() {
		if once {
			return
		}
		once = true
		_ = exec.Command("umount", "-l", at).Run()
		_ = exec.Command("losetup", "-d", loop).Run()
	}
	d.detach = append(d.detach, undo)
	sh(d.t, "mount", append(options, loop, at)...)
	return undo
}

func newDisk(t *testing.T) *disk {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("power cuts need root, for loop devices and mounts")
	}
	need(t, "mkfs.btrfs", "mkfs.ext4", "losetup")
	d := &disk{t: t, dir: t.TempDir()}
	t.Cleanup(func() {
		for i := len(d.detach) - 1; i >= 0; i-- {
			d.detach[i]()
		}
	})
	base := filepath.Join(d.dir, "base.img")
	sh(t, "truncate", "-s", "3G", base)
	sh(t, "mkfs.btrfs", "-q", base)
	d.mounted(base, d.path("pool"))
	sh(t, "truncate", "-s", "512M", d.path("pool/disk.img"))
	sh(t, "mkfs.ext4", "-q", d.path("pool/disk.img"))
	d.mounted(d.path("pool/disk.img"), d.path("disk"))
	return d
}

func (d *disk) path(name string) string { return filepath.Join(d.dir, name) }

// cut copies the disk as it is now and mounts the copy, which lets the kernel's own recovery run over it.
func (d *disk) cut() (at string, undo func()) {
	d.t.Helper()
	d.n++
	image := d.path(fmt.Sprintf("pool/cut%d.img", d.n))
	sh(d.t, "cp", "--reflink=always", d.path("pool/disk.img"), image)
	at = d.path(fmt.Sprintf("cut%d", d.n))
	unmount := d.mounted(image, at)
	return at, func() { unmount(); _ = os.Remove(image) }
}

// TestShow_3_2_PowerCut is the short form: three cuts.
func TestShow_3_2_PowerCut(t *testing.T) {
	t.Parallel()
	powerCut(t, 3)
}

// TestShow_3_2_PowerCutHundredTimes is the line itself.
func TestShow_3_2_PowerCutHundredTimes(t *testing.T) {
	long(t)
	powerCut(t, 100)
}

func powerCut(t *testing.T, times int) {
	d := newDisk(t)
	w := startAt(t, filepath.Join(d.path("disk"), "data"))
	key := w.key("live/*")
	begun := time.Now()
	streams := make([]*ledger, 4)
	for i := range streams {
		streams[i] = w.publishLedger(t, fmt.Sprintf("live/p%d", i), key)
	}
	pause(t, 4*time.Second)
	dice := rand.New(rand.NewPCG(uint64(begun.UnixNano()), 1))
	for range times {
		pause(t, time.Duration(dice.IntN(900))*time.Millisecond)
		acked := w.acknowledged(t, streams[0].name, time.Now().Add(-2*time.Second))
		pause(t, time.Duration(dice.IntN(300))*time.Millisecond)
		before := time.Now()
		at, undo := d.cut()
		d.judge(t, fmt.Sprintf("cut %d", d.n), filepath.Join(at, "data"), streams, acked, before)
		undo()
		if t.Failed() {
			return
		}
	}
}

// judge starts a server on what a power cut has left.
func (d *disk) judge(t *testing.T, what, data string, streams []*ledger, acked recording, at time.Time) {
	t.Helper()
	w := &weir{t: t, data: data, logs: &tail{}}
	w.boot("127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0")
	defer func() { w.stop() }()
	from := at.Add(-20 * time.Second)
	for _, l := range streams {
		found, err := w.footage(t, l.name, from.Add(-3*time.Second), at.Add(5*time.Second))
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		if first := l.marks(from, at); len(first) == 0 {
			t.Errorf("%s: %s sent nothing", what, l.name)
		}
		kept(t, what, l, found, from, at.Add(-syncInterval-openPart), at)
	}
	w.stillThere(t, what, acked, streams[0])
	w.stop()
	filesPlay(t, footageFiles(t, data)...)
	sound(t, data)
	if t.Failed() {
		t.Logf("log of %s:\n%.4000s", what, w.logs)
	}
}

// TestShow_3_2_DiskThatDies is the short form of what the file system's own shutdown call shows: one.
func TestShow_3_2_DiskThatDies(t *testing.T) {
	t.Parallel()
	dyingDisk(t, 1)
}

// TestShow_3_2_DiskThatDiesTenTimes is the line itself.
func TestShow_3_2_DiskThatDiesTenTimes(t *testing.T) {
	long(t)
	dyingDisk(t, 10)
}

// dyingDisk has the file system answer EIO to everything from an instant on (EXT4_IOC_SHUTDOWN without flushing the log).
// The live stream goes on complete and an alarm tells; what had been synced is there after the next mount.
func dyingDisk(t *testing.T, times int) {
	d := newDisk(t)
	for round := range times {
		what := fmt.Sprintf("death %d", round+1)
		footage := filepath.Join(d.path("disk"), fmt.Sprintf("footage%d", round))
		w := start(t, "--recording.dir", footage)
		key := w.key("live/*")
		begun := time.Now()
		l := w.publishLedger(t, "live/d", key)
		w.waitLive(l.name)
		v := viewFLV(t, w.http("/live/d/stream.flv"))
		pause(t, 4*time.Second)
		if w.metric(t, "weir_timeline_up") != 1 {
			t.Errorf("%s: the metric says that recording is not well", what)
		}
		died := time.Now()
		shutdown(t, d.path("disk"))
		eventually(t, 10*time.Second, "the alarm", func() error { return w.storageIs("failed") })
		eventually(t, 5*time.Second, "the metric", func() error {
			if w.metric(t, "weir_timeline_up") != 0 { // the index may have failed before the first file did
				return errors.New("it says that recording is well")
			}
			return nil
		})
		for range 10 {
			pause(t, 300*time.Millisecond)
			_ = w.tryAPI(http.MethodGet, "/timelines/live%2Fd?from="+begun.Add(-time.Hour).UTC().Format(time.RFC3339), nil, nil) // what it says is not asked, but that it reads the index
		}
		v.alive(t)
		complete(t, what, v.pictures())
		list := parseMedia(t, mustGet(t, w.beside("live/d", "v0.m3u8")))
		if len(list.segments) < 3 {
			t.Errorf("%s: the live playlist has %d segments", what, len(list.segments))
		}
		l.stop()
		if round%2 == 0 {
			// Of a stream that comes now not even a file can be made. The server must stop all the same.
			late := w.publishLedger(t, "live/late", key)
			w.waitLive(late.name)
			late.stop()
			w.stop()
		} else {
			w.kill()
		}
		if strings.Contains(w.logs.String(), "index of the recordings is damaged") {
			t.Errorf("%s: the disk's silence counts as damage of the index:\n%s", what, w.logs)
		}
		d.detach[len(d.detach)-1]()
		d.mounted(d.path("pool/disk.img"), d.path("disk"))
		w.boot("127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0")
		found, err := w.footage(t, l.name, begun.Add(-3*time.Second), died)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		kept(t, what, l, found, begun, died.Add(-syncInterval-openPart), died)
		w.stop()
	}
}

// shutdown is EXT4_IOC_SHUTDOWN with EXT4_GOING_FLAGS_NOLOGFLUSH.
func shutdown(t *testing.T, at string) {
	t.Helper()
	f, err := os.Open(at)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	flags := uint32(2)
	if _, _, e := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), 0x8004587d, uintptr(unsafe.Pointer(&flags))); e != 0 {
		t.Fatal(e)
	}
}

// storageIs holds the state of the volume against a word.
func (w *weir) storageIs(state string) error {
	var s struct {
		Volumes []struct{ State, Cause string }
	}
	if err := w.tryAPI(http.MethodGet, "/storage", nil, &s); err != nil {
		return err
	}
	if len(s.Volumes) != 1 || s.Volumes[0].State != state {
		return fmt.Errorf("%+v", s.Volumes)
	}
	if state != "ok" && s.Volumes[0].Cause == "" {
		return errors.New("no cause in words")
	}
	return nil
}

// startAt runs weir on a data folder of the test's own.
func startAt(t *testing.T, data string, flags ...string) *weir {
	t.Helper()
	if err := os.MkdirAll(data, 0o755); err != nil {
		t.Fatal(err)
	}
	w := &weir{t: t, data: data, logs: &tail{}, args: flags}
	w.boot("127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0")
	t.Cleanup(w.stop)
	return w
}

func removeAll(pattern string) error {
	files, err := filepath.Glob(pattern)
	for _, f := range files {
		err = errors.Join(err, os.Remove(f))
	}
	return err
}
