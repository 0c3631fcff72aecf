package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"weir/internal/fault"
	"weir/internal/transcode"
)

// The levels of a line.
const (
	levelOK   = "ok"
	levelWarn = "warn"
	levelBad  = "bad"
)

// checkup is one line of the doctor's.
type checkup struct {
	Check  string `json:"check"`
	Level  string `json:"level"`
	Found  string `json:"found"`
	Remedy string `json:"remedy,omitempty"`
}

// doctor looks at what Weir needs of this machine.
type doctor struct {
	root     string // of the machine's files, "/"
	settings settings
	lines    []checkup
}

func (d *doctor) say(check, level, found, remedy string) {
	d.lines = append(d.lines, checkup{check, level, found, remedy})
}

func doctorCommand(o *options) *cobra.Command {
	var output string
	c := &cobra.Command{
		Use: "doctor", Short: "Look at what Weir needs of this machine, and say what to do about it", Args: cobra.NoArgs,
		Long: "Look at what Weir needs of this machine, running or not: configuration, ports, own addresses, FFmpeg, disk, clock, firewall, file descriptors.\nThe exit code is 1 when a line is bad.",
		RunE: func(c *cobra.Command, _ []string) error {
			if err := checkOutput(output); err != nil {
				return err
			}
			d := &doctor{root: "/"}
			d.examine(c, o)
			if err := d.print(c, output); err != nil {
				return err
			}
			for _, l := range d.lines {
				if l.Level == levelBad {
					return fault.New(fault.Unavailable, "doctor_bad", "Something is in the way of Weir.", "See the lines that say bad.")
				}
			}
			return nil
		},
	}
	outputFlag(c, &output)
	return c
}

func (d *doctor) examine(c *cobra.Command, o *options) {
	ctx := c.Context()
	d.settings = defaultSettings()
	s, err := o.settings(c)
	if err == nil {
		d.settings = s
	}
	d.config(o.file, s, err)
	d.gates(ctx)
	d.ffmpeg(ctx)
	d.disk()
	d.clock()
	d.firewall()
	d.descriptors()
}

func (d *doctor) print(c *cobra.Command, output string) error {
	return show(c, output, d.lines, func(row func(...any)) {
		for _, l := range d.lines {
			row(l.Level, l.Check, l.Found)
			for remedy := range strings.SplitSeq(l.Remedy, "\n") {
				if remedy != "" {
					row("", "", "→ "+remedy)
				}
			}
		}
	})
}

func (d *doctor) config(file string, s settings, err error) {
	if err == nil {
		if conf, made := s.config(); made != nil {
			err = made
		} else {
			err = conf.Validate()
		}
	}
	_, missing := os.Stat(file)
	switch {
	case err != nil:
		f := fault.Of(err)
		found := f.Message
		if f.Err != nil {
			found += " (" + f.Err.Error() + ")"
		}
		d.say("configuration", levelBad, found, f.Remedy)
	case errors.Is(missing, fs.ErrNotExist):
		d.say("configuration", levelOK, "no "+file+": the defaults apply", "")
	default:
		d.say("configuration", levelOK, file+" is right", "")
	}
}

func (d *doctor) ffmpeg(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	info, err := transcode.New(transcode.Config{}, slog.New(slog.DiscardHandler)).Probe(ctx)
	if err != nil {
		d.say("ffmpeg", levelWarn, "FFmpeg is missing or too old: no thumbnails, no sound from RTMP publishers over WebRTC", "apt-get install ffmpeg (5.1 or newer)")
		return
	}
	d.say("ffmpeg", levelOK, "FFmpeg "+info.Version, "")
}

const (
	diskBad  = 200 << 20
	diskWarn = 2 << 30
)

func (d *doctor) disk() {
	dir := d.settings.DataDir
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	at := dir
	for at != "/" && at != "." {
		if _, err := os.Stat(at); err == nil {
			break
		}
		at = filepath.Dir(at) // Weir will make what is missing
	}
	f, err := os.CreateTemp(at, ".weir-doctor-")
	if err != nil {
		d.say("disk", levelBad, "nothing can be written to "+at, "Give this user the folder, or name another one with --data_dir.")
		return
	}
	_ = f.Close()
	_ = os.Remove(f.Name())
	if name, err := notOurs(dir, cmp.Or(d.settings.Recording.Dir, filepath.Join(dir, "timeline"))); err != nil {
		d.say("disk", levelBad, fmt.Sprintf("%s cannot be read and written: %v", name, errors.Unwrap(err)), "Give the folder, with all that is in it, to the user that Weir runs as: chown -R USER "+filepath.Dir(name))
		return
	}
	free, ok := freeBytes(at)
	found := fmt.Sprintf("%s has %s free", at, size(free))
	switch {
	case !ok:
		d.say("disk", levelOK, dir+" can be written to", "")
	case free < diskBad:
		d.say("disk", levelBad, found, "Free some space: HLS and DASH keep the last minute of each stream on disk.")
	case free < diskWarn:
		d.say("disk", levelWarn, found, "Free some space: HLS and DASH keep the last minute of each stream on disk.")
	default:
		d.say("disk", levelOK, found, "")
	}
}

// notOurs finds a file or folder that this user cannot use, such as one that was made when Weir was run as root once. Below
// the folders themselves only names that a server opens at its start are looked at.
func notOurs(dirs ...string) (name string, err error) {
	for _, dir := range dirs {
		list, err := os.ReadDir(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return dir, err
		}
		for _, e := range list {
			path := filepath.Join(dir, e.Name())
			switch {
			case e.IsDir():
				err = writableFolder(path)
			case e.Type().IsRegular():
				var f *os.File
				if f, err = os.OpenFile(path, os.O_RDWR, 0); err == nil {
					err = f.Close()
				}
			}
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return path, err
			}
		}
	}
	return "", nil
}

func (d *doctor) clock() {
	const remedy = "Switch on time synchronisation: timedatectl set-ntp true. Players of DASH and signed webhooks compare clocks."
	synced, known := clockSynced()
	switch {
	case time.Now().Year() < 2025:
		d.say("clock", levelBad, "it is "+time.Now().Format(time.DateTime)+", which cannot be", remedy)
	case known && !synced:
		d.say("clock", levelWarn, "the clock is not synchronised", remedy)
	default:
		d.say("clock", levelOK, time.Now().Format(time.RFC3339), "")
	}
}

func (d *doctor) descriptors() {
	const few, remedy = 8192, "Raise it: LimitNOFILE=65536 in the systemd unit, or ulimit -n 65536."
	limit, known := descriptorLimit()
	switch {
	case !known:
	case limit < few:
		d.say("descriptors", levelWarn, fmt.Sprintf("at most %d open files, that is about as many viewers", limit), remedy)
	default:
		d.say("descriptors", levelOK, fmt.Sprintf("up to %d open files", limit), "")
	}
}

// firewall tells what to open where a firewall is on; whether it is open only another machine can see.
func (d *doctor) firewall() {
	ports := d.openPorts()
	if len(ports) == 0 {
		return
	}
	conf, err := os.ReadFile(filepath.Join(d.root, "etc/ufw/ufw.conf"))
	if err == nil && strings.Contains(string(conf), "ENABLED=yes") {
		d.say("firewall", levelWarn, "ufw is on", "ufw allow "+strings.Join(ports, "\nufw allow "))
		return
	}
	if _, err := os.Stat(filepath.Join(d.root, "run/firewalld")); err == nil {
		add := make([]string, len(ports))
		for i, p := range ports {
			add[i] = "--add-port=" + p
		}
		d.say("firewall", levelWarn, "firewalld is on", "firewall-cmd --permanent "+strings.Join(add, " ")+" && firewall-cmd --reload")
		return
	}
	d.say("firewall", levelOK, "neither ufw nor firewalld is on; a cloud's own firewall must let in "+strings.Join(ports, ", "), "")
}
