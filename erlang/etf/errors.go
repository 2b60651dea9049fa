package etf

import (
	"errors"
	"strconv"
)

// ErrEncode means that a value is no term.
var ErrEncode = errors.New("etf: cannot encode")

// ErrLimit means that a term is larger than [Limits] allow. It may be well-formed.
var ErrLimit = errors.New("over the limit")

// Error says what is wrong with the input, and where.
type Error struct {
	Offset int // of the byte that is wrong; in a compressed term, of its first byte
	Msg    string
	limit  bool
}

func (e *Error) Error() string { return "etf: at byte " + strconv.Itoa(e.Offset) + ": " + e.Msg }

// Is says whether the error is ErrLimit.
func (e *Error) Is(target error) bool { return target == ErrLimit && e.limit }
