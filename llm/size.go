package llm

import "sync"

// Size is how many bytes of text a request carries: what a tokenizer gets to read, without the wire's own words.
func (r *Request) Size() int {
	n := len(r.System)
	for _, t := range r.Tools {
		n += len(t.Name) + len(t.Doc) + len(t.Schema)
	}
	for _, m := range r.Messages {
		n += m.Size()
	}
	return n
}

// Size is how many bytes of text a message carries.
func (m Message) Size() int {
	n := len(m.Text)
	for _, c := range m.Calls {
		n += len(c.Name) + len(c.Args)
	}
	for _, r := range m.Results {
		n += len(r.Content)
	}
	return n
}

// bytesPerToken is assumed of a model that has not been seen. Prose has 3.3 to 4.1 bytes a token, JSON 2.9, lines of logs with
// ids and addresses 1.65; tokenizers of other families give up to a third more tokens.
const bytesPerToken = 2.5

// The bounds within which a measured ratio is believed, and how fast it is learnt.
const (
	minBytesPerToken = 1.0
	maxBytesPerToken = 8.0
	learnRate        = 0.2
	minSizeLearnt    = 2000 // bytes: of a small request the provider's own words are too large a part
)

// Sizes estimates tokens from bytes, model by model, and learns from what providers count. The zero value is ready; it is safe
// for concurrent use, and nil estimates without learning.
type Sizes struct {
	mu    sync.Mutex // guards ratio
	ratio map[string]float64
}

// Tokens estimates how many tokens so many bytes are for a model. "" stands for the model that was learnt from last.
func (s *Sizes) Tokens(model string, bytes int) int {
	ratio := bytesPerToken
	if s != nil {
		s.mu.Lock()
		if r, ok := s.ratio[model]; ok {
			ratio = r
		}
		s.mu.Unlock()
	}
	return int(float64(bytes)/ratio + 0.5)
}

// maxSizes is how many models are remembered.
const maxSizes = 100

// Learn takes what a provider counted for a request of so many bytes.
func (s *Sizes) Learn(model string, bytes int, u Usage) {
	if s == nil || !u.Known || u.Input <= 0 || bytes < minSizeLearnt {
		return
	}
	seen := min(max(float64(bytes)/float64(u.Input), minBytesPerToken), maxBytesPerToken)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ratio == nil || len(s.ratio) > maxSizes {
		s.ratio = map[string]float64{}
	}
	for _, key := range []string{model, ""} {
		if old, ok := s.ratio[key]; ok {
			s.ratio[key] = old + learnRate*(seen-old)
		} else {
			s.ratio[key] = seen
		}
	}
}
