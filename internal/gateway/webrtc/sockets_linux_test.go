package webrtc

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// openSockets counts those that this process has open.
func openSockets(t *testing.T) (n int) {
	t.Helper()
	all, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range all {
		if to, _ := os.Readlink(fd); strings.HasPrefix(to, "socket:") { // one may have been closed meanwhile
			n++
		}
	}
	return n
}

// All publishers share the media ports, so that many of them leave descriptors to others.
func TestPublishersOpenNoSockets(t *testing.T) {
	w := newWorld(t, Config{UDP: "127.0.0.1:0", TCP: "127.0.0.1:0"})
	offer := strings.ReplaceAll(offerFile(t, "chromium.sdp"), "a=recvonly", "a=sendonly")
	before := openSockets(t)
	for _, name := range []string{"live/a", "live/b", "live/c"} {
		r := httptest.NewRequest(http.MethodPost, "http://127.0.0.1/"+name+"/whip", strings.NewReader(offer))
		r.Header.Set("Content-Type", typeSDP)
		answer := httptest.NewRecorder()
		w.gw.ServeWHIP(answer, r, name)
		if answer.Code != http.StatusCreated {
			t.Fatal(answer.Code, answer.Body)
		}
	}
	if after := openSockets(t); after != before {
		t.Errorf("%d sockets became %d", before, after)
	}
}
