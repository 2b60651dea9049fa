package detect

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// savedVersion changes when the layout of saved does: what was learnt is then learnt anew.
const savedVersion = 2

// Save gives what the detector has learnt, about 1.5 KB. What is open now is not part of it: rules and limits find it again.
func (d *Detector) Save() ([]byte, error) {
	return binary.Append([]byte{savedVersion}, binary.LittleEndian, &d.saved)
}

var errVersion = errors.New("saved by another version")

// Load takes over what was learnt before. An error leaves the detector as it was.
func (d *Detector) Load(b []byte) error {
	if len(b) == 0 || b[0] != savedVersion {
		return fmt.Errorf("load detector: %w", errVersion)
	}
	var s saved
	n, err := binary.Decode(b[1:], binary.LittleEndian, &s)
	if err != nil || n != len(b)-1 {
		return fmt.Errorf("load detector: %w", errors.Join(errVersion, err))
	}
	for _, c := range []*channel{&s.Spike.Channel, &s.Level.Channel, &s.Flat.Channel, &s.Leak.Channel} {
		if c.Open {
			c.close(s.Last)
		}
	}
	s.Trend.Soon = false
	s.Seen = false // the next sample comes after a gap
	d.saved = s
	return nil
}
