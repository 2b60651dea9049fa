package store_test

import (
	"fmt"
	"testing"

	beamlens "github.com/beamlens/beamlens-go"
	"github.com/beamlens/beamlens-go/store"
	"github.com/beamlens/beamlens-go/store/storetest"
)

func TestMemory(t *testing.T) {
	storetest.Run(t, func(*testing.T) (store.Store, func() store.Store) { return store.NewMemory(), nil })
}

func TestMemoryIsBounded(t *testing.T) {
	m := store.NewMemory()
	for n := range 6000 {
		if err := m.PutSnapshot(t.Context(), beamlens.Snapshot{ID: fmt.Sprint(n)}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := m.Snapshot(t.Context(), "0"); err == nil {
		t.Error("the oldest snapshot is still there")
	}
	if _, err := m.Snapshot(t.Context(), "5999"); err != nil {
		t.Error("the newest snapshot is gone")
	}
}
