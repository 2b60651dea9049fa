package goruntime_test

import (
	"context"
	"testing"
	"time"

	"github.com/beamlens/beamlens-go/skill/goruntime"
	"github.com/beamlens/beamlens-go/skill/skilltest"
)

// TestSkills: every metric is in the snapshot, every example and every playbook runs.
func TestSkills(t *testing.T) {
	p := goruntime.New(&goruntime.Options{Every: 50 * time.Millisecond, Evidence: t.TempDir()})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 10)
	n := 0
	for _, s := range p.Skills() {
		if s.Serve != nil {
			n++
			go func() { done <- s.Serve(ctx) }()
		}
	}
	<-time.After(200 * time.Millisecond)
	for _, s := range p.Skills() {
		t.Run(s.ID, func(t *testing.T) { skilltest.Run(t, s) })
	}
	cancel()
	for range n {
		<-done
	}
}
