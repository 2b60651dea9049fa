package beam_test

import (
	"testing"
	"time"

	"github.com/beamlens/beamlens-go/erlang/erlangtest"
	"github.com/beamlens/beamlens-go/skill/beam"
)

// TestNothingOfAnySkillStays: no process, table, handler, monitor or module, when the resident process is killed and when the engine goes.
func TestNothingOfAnySkillStays(t *testing.T) {
	n := erlangtest.StartNode(t)
	n.Eval(t, "code:ensure_loaded(trace), logger:set_primary_config(level, notice), logger:remove_handler(default), ok.")
	left := func() string {
		return n.Eval(t, `{[P || P <- processes(), {_, {M, _, _}} <- [process_info(P, current_function)], lists:prefix("beamlens", atom_to_list(M))],
			[T || T <- ets:all(), lists:prefix("beamlens", atom_to_list(ets:info(T, name)))], logger:get_handler_ids(), maps:get(filters, logger:get_primary_config()), erlang:system_monitor()}.`)
	}
	n.Eval(t, dropsSasl)
	clean := left()
	p, stop := linkUntil(t, n.Name)
	all := append(beam.All(p), beam.Optional(p)...)
	look := func() {
		t.Helper()
		for _, s := range all {
			if _, err := s.Snapshot(t.Context()); err != nil {
				t.Errorf("%s: %v", s.ID, err)
			}
		}
	}
	look()
	erlangtest.Eventually(t, "the handler of logs is in, and the filter before the other", func() bool {
		return n.Eval(t, "{logger:get_handler_ids(), [F || {F, _} <- maps:get(filters, logger:get_primary_config())]}.") == "{[beamlens_probe_log],[beamlens_probe_log,logger_translator]}"
	})
	n.Eval(t, "exit(whereis(beamlens_probe), kill).")
	erlangtest.Eventually(t, "all has gone with the resident process", func() bool { return left() == clean })
	look()
	stop()
	erlangtest.Eventually(t, "all has gone with the engine", func() bool {
		return left() == clean && n.Eval(t, `[M || {M, _} <- code:all_loaded(), lists:prefix("beamlens", atom_to_list(M))].`) == "[]"
	})
}

// TestPartsRestWhenNobodyLooks: half a minute after the last question nothing of the parts runs.
func TestPartsRestWhenNobodyLooks(t *testing.T) {
	p, n := link(t)
	n.Eval(t, "logger:set_primary_config(level, notice), logger:remove_handler(default), ok.")
	for _, s := range beam.All(p) {
		if _, err := s.Snapshot(t.Context()); err != nil {
			t.Errorf("%s: %v", s.ID, err)
		}
	}
	for began := time.Now(); ; <-time.After(time.Second) {
		left := n.Eval(t, `{[T || T <- ets:all(), lists:prefix("beamlens", atom_to_list(ets:info(T, name)))], logger:get_handler_ids(), [M || P <- processes(), {_, {M, _, _}} <- [process_info(P, current_function)], lists:prefix("beamlens_probe_", atom_to_list(M))]}.`)
		if left == "{[],[],[]}" {
			break
		}
		if time.Since(began) > time.Minute {
			t.Fatalf("the parts have not ended: %s", left)
		}
	}
}
