package main

import (
	"errors"
	"os"
	"strings"
	"time"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/engine"
	"github.com/beamlens/beamlens-go/recording"
	"github.com/beamlens/beamlens-go/skill"
)

// record makes an engine's options record what it reads into a file; "" means not. The function ends it.
func record(file string, o *engine.Options) (func() error, error) {
	if file == "" {
		return func() error { return nil }, nil
	}
	// It may hold what the target has in its logs and names: it is the user's alone.
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	w, err := recording.NewWriter(f, recording.Header{Target: o.Target, Skills: ids(o.Skills), Began: time.Now().UTC()}, strings.HasSuffix(file, ".gz"))
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	o.Skills, o.OnSample = w.Wrap(o.Skills), w.Sample
	told := o.OnEvent
	o.OnEvent = func(ev beamlens.Event) {
		if ev.Name == beamlens.EventTargetUp || ev.Name == beamlens.EventTargetDown {
			w.Mark(ev.At, ev.Name)
		}
		told(ev)
	}
	return func() error { return errors.Join(w.Close(), f.Close()) }, nil
}

func ids(skills []*skill.Skill) []string {
	out := make([]string, len(skills))
	for i, s := range skills {
		out[i] = s.ID
	}
	return out
}
