package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
)

// eventsFile names a file or pipe to which an engine that runs as a port writes its events, as JSON, a line each.
const eventsFile = "BEAMLENS_EVENTS"

// follower writes events for somebody who follows an engine that runs elsewhere.
type follower struct {
	mu   sync.Mutex // one line at a time
	file *os.File
}

// newFollower returns nil when nobody follows.
func newFollower(path string) *follower {
	if path == "" {
		return nil
	}
	// A pipe that nobody reads is not waited for.
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil
	}
	return &follower{file: file}
}

// followIn is how long a reader may be busy; then it misses the event.
const followIn = 100 * time.Millisecond

func (f *follower) event(ev beamlens.Event) {
	if f == nil {
		return
	}
	line, err := json.Marshal(ev)
	if err != nil {
		return // unreachable: an event is JSON-safe
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	_ = f.file.SetWriteDeadline(time.Now().Add(followIn)) // a file that knows no deadline does not wait either
	if _, err := f.file.Write(append(line, '\n')); err != nil {
		_ = f.file.Close() // half a line would spoil the next one; there is none
	}
}

// follow makes a pipe for an engine's events, and hands on what comes until ctx ends.
func follow(ctx context.Context, notify func(beamlens.Event)) (path string, end func(), err error) {
	dir, err := os.MkdirTemp("", "beamlens-events-")
	if err != nil {
		return "", nil, err
	}
	path = filepath.Join(dir, "events")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		return "", nil, errors.Join(err, os.RemoveAll(dir))
	}
	// Open for both, so that it does not end when an engine does, and another may come.
	file, err := os.OpenFile(path, os.O_RDWR|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "", nil, errors.Join(err, os.RemoveAll(dir))
	}
	var reading sync.WaitGroup
	reading.Go(func() {
		lines := bufio.NewScanner(file)
		lines.Buffer(make([]byte, 0, 64<<10), 16<<20)
		for ctx.Err() == nil && lines.Scan() {
			var ev beamlens.Event
			if json.Unmarshal(lines.Bytes(), &ev) == nil {
				notify(ev)
			}
		}
	})
	return path, func() {
		file.Close()
		reading.Wait()
		os.RemoveAll(dir)
	}, nil
}
