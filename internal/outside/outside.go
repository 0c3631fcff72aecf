// Package outside has programs of somebody else judge what tests made. What belongs here: finding and running them. What does not: what one of them is
// asked, and programs that run beside a test.
package outside

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// Need returns the path of a program. Where it is missing the test is skipped, but in CI it fails: there every judge has to be.
func Need(t testing.TB, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil && os.Getenv("CI") != "" {
		t.Fatalf("%s is not installed", program)
	}
	if err != nil {
		t.Skipf("%s is not installed", program)
	}
	return path
}

// Run runs a program and returns its output; anything on its standard error fails the test.
func Run(t testing.TB, program string, args ...string) []byte {
	t.Helper()
	out, complaint := Ask(t, program, args...)
	if complaint != "" {
		t.Fatalf("%s %s: %s", program, strings.Join(args, " "), complaint)
	}
	return out
}

// Ask runs a program that may have something to say on its standard error.
func Ask(t testing.TB, program string, args ...string) (out []byte, complaint string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), Need(t, program), args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, &stderr)
	}
	return stdout.Bytes(), stderr.String()
}
