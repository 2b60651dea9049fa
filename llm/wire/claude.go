package wire

import "strings"

// Claude says what is known of a Claude model, whoever serves it: whether a call of a tool can be forced, and how many tokens fit. The
// newest large ones answer 400 to a forced choice; small ones still take it. A model that is not listed is tried, and what it says is
// remembered by route.OneTool.
func Claude(model string) (forced bool, context int) {
	model = strings.ReplaceAll(model, ".", "-")
	has := func(names ...string) bool {
		for _, n := range names {
			if strings.Contains(model, n) {
				return true
			}
		}
		return false
	}
	forced = !has("opus-5-5", "sonnet-5-5", "fable-5-1", "mythos-5-1")
	context = 200_000
	if has("haiku-5", "sonnet-5", "opus-5", "fable", "mythos", "opus-4-6", "opus-4-7", "opus-4-8", "sonnet-4-6") {
		context = 1_000_000
	}
	return forced, context
}
