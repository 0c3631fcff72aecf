package main

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// serveFloor is the bare-socket floor: it takes the same bytes per video frame time as the stream would have (11 kB at
// 30 fps, about 2.65 Mbit/s) and writes them to every connection, one write per frame, from one goroutine per processor.
// It does nothing else; no media server can do less. Anything that connects is a viewer.
func serveFloor() error {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	port := ln.Addr().(*net.TCPAddr).Port
	if err := json.NewEncoder(os.Stdout).Encode(map[string]any{"ports": map[string]int{"rtmp": port, "http": port}}); err != nil {
		return err
	}
	const shards = 2
	var f [shards]floorShard
	go func() {
		for i := 0; ; i++ {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			raw, err := c.(*net.TCPConn).SyscallConn()
			if err != nil {
				continue
			}
			s := &f[i%shards]
			s.mu.Lock()
			s.conns = append(s.conns, raw)
			s.mu.Unlock()
		}
	}()
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, os.Interrupt)
	done := make(chan struct{})
	var wg sync.WaitGroup
	for i := range f {
		wg.Go(func() { f[i].run(done) })
	}
	<-stop
	close(done)
	wg.Wait()
	if err := ln.Close(); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

type floorShard struct {
	mu    sync.Mutex
	conns []syscall.RawConn
}

const (
	floorFPS   = 30
	floorFrame = 2_650_000 / 8 / floorFPS
)

func (s *floorShard) run(done <-chan struct{}) {
	frame := make([]byte, floorFrame)
	tick := time.NewTicker(time.Second / floorFPS)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-done:
			return
		}
		s.mu.Lock()
		conns := s.conns
		s.mu.Unlock()
		for _, c := range conns {
			_ = c.Write(func(fd uintptr) bool { _, _ = syscall.Write(int(fd), frame); return true }) // a client that is gone or full loses a frame: this is a floor, not a server
		}
	}
}
