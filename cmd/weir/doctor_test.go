package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"weir/internal/fault"
)

func line(t *testing.T, lines []checkup, check string) checkup {
	t.Helper()
	i := slices.IndexFunc(lines, func(l checkup) bool { return l.Check == check })
	if i < 0 {
		t.Fatalf("there is no line %s in %+v", check, lines)
	}
	return lines[i]
}

func doctorLines(t *testing.T, args ...string) ([]checkup, error) {
	t.Helper()
	out, err := weir(t, append([]string{"doctor", "-o", "json"}, args...)...)
	var lines []checkup
	if bad := json.Unmarshal([]byte(out), &lines); bad != nil {
		t.Fatalf("%v: %s", bad, out)
	}
	for _, l := range lines {
		if (l.Level == levelOK) != (l.Remedy == "") {
			t.Errorf("%+v: what is not ok has a remedy, and nothing else", l)
		}
	}
	return lines, err
}

func TestDoctor(t *testing.T) {
	t.Chdir(t.TempDir())
	all := []string{"--http.listen", "127.0.0.1:0", "--rtmp.listen", "", "--rtmp.tls_listen", "off", "--webrtc.listen", "127.0.0.1:0"}
	lines, err := doctorLines(t, all...)
	if err != nil {
		t.Fatalf("%v %+v", err, lines)
	}
	for _, check := range []string{"configuration", "http", "address", "webrtc/tcp", "webrtc/udp", "disk"} {
		if l := line(t, lines, check); l.Level == levelBad {
			t.Errorf("%+v", l)
		}
	}
	expect(t, `^http://127\.0\.0\.1:\d+ answers`, line(t, lines, "address").Found)
	if slices.ContainsFunc(lines, func(l checkup) bool { return strings.HasPrefix(l.Check, "rtmp") }) {
		t.Error("a gateway that is off was looked at")
	}

	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	lines, err = doctorLines(t, append(all, "--rtmp.listen", ln.Addr().String())...)
	if fault.Code(err) != "doctor_bad" {
		t.Errorf("a taken port: %v", err)
	}
	l := line(t, lines, "rtmp")
	expect(t, fmt.Sprintf(`is taken by \S+ \(process %d\)$`, os.Getpid()), l.Found)
	expect(t, `--rtmp\.listen`, l.Remedy)

	if err := os.WriteFile("file", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for check, wrong := range map[string][]string{
		"http":          {"--http.listen", "8080"},
		"disk":          {"--data_dir", "file/data"},
		"configuration": {"--publish.open", "neighbours"},
		"rtmp":          {"--rtmp.listen", "192.0.2.250:0"},
	} {
		lines, err := doctorLines(t, append(slices.Clone(all), wrong...)...)
		if l := line(t, lines, check); l.Level != levelBad || fault.Code(err) != "doctor_bad" {
			t.Errorf("%s: %+v, %v", check, l, err)
		}
	}
}

func TestDoctorNamesThePortsOfAFirewall(t *testing.T) {
	for _, c := range []struct{ file, text, remedy string }{
		{"etc/ufw/ufw.conf", "# on\nENABLED=yes\n", "ufw allow 8080/tcp\nufw allow 1935/tcp\nufw allow 8189/tcp\nufw allow 8189/udp"},
		{"etc/ufw/ufw.conf", "ENABLED=no\n", ""},
		{"run/firewalld/x", "", "firewall-cmd --permanent --add-port=8080/tcp --add-port=1935/tcp --add-port=8189/tcp --add-port=8189/udp && firewall-cmd --reload"},
	} {
		d := &doctor{root: t.TempDir(), settings: defaultSettings()}
		file := filepath.Join(d.root, c.file)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		d.firewall()
		if l := line(t, d.lines, "firewall"); l.Remedy != c.remedy || strings.HasPrefix(l.Level, levelWarn) != (c.remedy != "") {
			t.Errorf("%+v", l)
		}
	}
}
