package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestCoarseTimers runs this test's program as a server would be: the same process must come out of it, with all
// arguments, the name that people look for and a slack that its threads, old and new, have.
func TestCoarseTimers(t *testing.T) {
	if os.Getenv("WEIR_TEST_SLACK") != "" {
		if err := coarseTimers(); err != nil {
			t.Fatal(err)
		}
		slack := make(chan int)
		go func() {
			n, err := unix.PrctlRetInt(unix.PR_GET_TIMERSLACK, 0, 0, 0, 0)
			if err != nil {
				t.Error(err)
			}
			slack <- n
		}()
		name, err := os.ReadFile("/proc/self/comm")
		if err != nil {
			t.Fatal(err)
		}
		fmt.Printf("slack %d of %d %s\n", <-slack, os.Getpid(), strings.TrimSpace(string(name)))
		return
	}
	c := exec.Command(os.Args[0], "-test.run=^TestCoarseTimers$", "-test.count=1")
	c.Env = append(os.Environ(), "WEIR_TEST_SLACK=1")
	out, err := c.CombinedOutput()
	if want := fmt.Sprintf("slack %d of %d weir.test\n", timerSlack.Nanoseconds(), c.Process.Pid); err != nil || !strings.Contains(string(out), want) {
		t.Fatalf("want %q in:\n%s(%v)", want, out, err)
	}
}

func TestOnlyTheServerStartsOver(t *testing.T) {
	for args, want := range map[string]bool{
		"": true, "serve": true, "--data_dir x": true, "serve --ready json": true, "--rtmp.listen :0 serve": true,
		"key create live/a": false, "check": false, "publish --pattern rtmp://127.0.0.1/live/a": false,
	} {
		if got := serves(root(), strings.Fields(args)); got != want {
			t.Errorf("weir %s: %v", args, got)
		}
	}
}
