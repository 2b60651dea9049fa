package coordinator

import (
	"strings"
	"testing"
)

// TestPrompt: it names each operator and what it watches, and has no place that was not filled in.
func TestPrompt(t *testing.T) {
	text := systemPrompt([]SkillLine{{ID: "beam", Summary: "processes and memory"}, {ID: "ets", Summary: "tables"}})
	if !strings.HasSuffix(text, "# Operators\n\n- beam: processes and memory\n- ets: tables\n") || strings.Contains(text, "{{") {
		t.Errorf("it ends with %q", text[max(0, len(text)-120):])
	}
}
