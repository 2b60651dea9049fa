package coordinator

import (
	"embed"
	"strings"
)

//go:embed prompt/*.md
var prompts embed.FS

var (
	coordinatorPrompt = read("prompt/coordinator.md")
	compactionPrompt  = read("prompt/compaction.md")
)

func read(name string) string {
	text, err := prompts.ReadFile(name)
	if err != nil {
		panic(err) // unreachable: the file is embedded
	}
	return string(text)
}

func systemPrompt(skills []SkillLine) string {
	var lines strings.Builder
	for _, s := range skills {
		lines.WriteString("\n- " + s.ID + ": " + s.Summary)
	}
	return strings.Replace(coordinatorPrompt, "{{skills}}", lines.String(), 1)
}
