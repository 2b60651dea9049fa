package beamlens

import "time"

// Snapshot is one reading of one skill.
type Snapshot struct {
	ID         string         `json:"id"` // 16 hexadecimal digits
	Skill      string         `json:"skill"`
	Target     Target         `json:"target"`
	CapturedAt time.Time      `json:"captured_at"`
	Data       map[string]any `json:"data"` // JSON-safe
}

// Number returns the field of Data as a float64, and whether it is there and a number.
func (s Snapshot) Number(field string) (float64, bool) {
	switch v := s.Data[field].(type) {
	case float64:
		return v, true
	case int64:
		return float64(v), true
	case int:
		return float64(v), true
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	}
	return 0, false
}
