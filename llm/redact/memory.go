package redact

import (
	"crypto/sha256"
	"sync"
)

// memory remembers what was made of a text. It holds the newest.
type memory[T any] struct {
	known map[[32]byte]T
	order [][32]byte
}

// maxMemory is how many texts are remembered: all messages of some tens of conversations.
const maxMemory = 4000

func remember[T any](mu *sync.Mutex, m *memory[T], key string) (T, bool) {
	k := sha256.Sum256([]byte(key))
	mu.Lock()
	defer mu.Unlock()
	v, ok := m.known[k]
	return v, ok
}

func keep[T any](mu *sync.Mutex, m *memory[T], key string, v T) {
	k := sha256.Sum256([]byte(key))
	mu.Lock()
	defer mu.Unlock()
	if m.known == nil {
		m.known = map[[32]byte]T{}
	}
	if _, ok := m.known[k]; !ok {
		if len(m.order) >= maxMemory {
			delete(m.known, m.order[0])
			m.order = m.order[1:]
		}
		m.order = append(m.order, k)
	}
	m.known[k] = v
}
