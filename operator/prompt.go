package operator

import (
	"embed"
	"strings"
	"text/template"

	"github.com/beamlens/beamlens-go/skill"
)

//go:embed prompt/*.md
var prompts embed.FS

var (
	operatorPrompt   = template.Must(template.ParseFS(prompts, "prompt/operator.md"))
	compactionPrompt = read("prompt/compaction.md")
)

func read(name string) string {
	text, err := prompts.ReadFile(name)
	if err != nil {
		panic(err) // unreachable: the file is embedded
	}
	return string(text)
}

// systemPrompt says who the operator is, what it may do, and what its callbacks are. It is the same for every run, so that
// providers can cache it.
func systemPrompt(s *skill.Skill) string {
	var b strings.Builder
	err := operatorPrompt.Execute(&b, map[string]any{"Title": s.Title, "Prompt": strings.TrimSpace(s.Prompt), "Docs": strings.TrimSpace(s.Docs())})
	if err != nil {
		panic(err) // unreachable: the template is tested
	}
	return b.String()
}
