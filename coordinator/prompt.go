package coordinator

import (
	"embed"
	"strings"
	"text/template"
)

//go:embed prompt/*.md
var prompts embed.FS

var (
	coordinatorPrompt = template.Must(template.ParseFS(prompts, "prompt/coordinator.md"))
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
	var b strings.Builder
	if err := coordinatorPrompt.Execute(&b, map[string]any{"Skills": skills}); err != nil {
		panic(err) // unreachable: the template is tested
	}
	return b.String()
}
