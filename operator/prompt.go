package operator

import (
	"embed"
	"strings"

	"github.com/beamlens/beamlens-go/skill"
)

//go:embed prompt/*.md
var prompts embed.FS

var (
	operatorPrompt   = read("prompt/operator.md")
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
	return strings.NewReplacer("{{title}}", s.Title, "{{prompt}}", strings.TrimSpace(s.Prompt), "{{docs}}", strings.TrimSpace(s.Docs())).Replace(operatorPrompt)
}
