package probe

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"

	"github.com/beamlens/beamlens-go/erlang"
	"github.com/beamlens/beamlens-go/erlang/etf"
)

//go:generate ./build.sh

//go:embed beamlens_probe.beam
var object []byte

var (
	module = etf.A("beamlens_probe")
	code   = etf.A("code")
)

// load sees that the node has our version of the module, and attaches to it.
func load(ctx context.Context, conn erlang.Conn) (map[string]any, error) {
	want, err := conn.Call(ctx, code, etf.A("module_md5"), object)
	if err != nil {
		return nil, fmt.Errorf("load the probe: %w", err)
	}
	// A second attempt, because another engine that is leaving may take the module away under our feet.
	for attempt := 0; ; attempt++ {
		have, err := conn.Call(ctx, module, etf.A("module_info"), etf.A("md5"))
		if err != nil && !undef(err) {
			return nil, err
		}
		if err != nil || !equal(have, want) {
			if err := install(ctx, conn); err != nil {
				return nil, fmt.Errorf("load the probe: %w; --no-probe works without it", err)
			}
		}
		hello, err := conn.Call(ctx, module, etf.A("attach"), conn.Peer().NameAtom)
		if err == nil {
			return toMap(hello), nil
		}
		if attempt > 0 || !(undef(err) || errors.Is(err, erlang.ErrKilled)) {
			return nil, fmt.Errorf("start the probe: %w", err)
		}
	}
}

func undef(err error) bool {
	var remote *erlang.RemoteError
	return errors.As(err, &remote) && remote.Undef()
}

func equal(a, b etf.Term) bool {
	x, ok := a.([]byte)
	y, ok2 := b.([]byte)
	return ok && ok2 && bytes.Equal(x, y)
}

// install loads the object code, in the place of another version if there is one.
func install(ctx context.Context, conn erlang.Conn) error {
	file := etf.List{}
	for _, c := range "beamlens_probe.beam" {
		file = append(file, int64(c))
	}
	for _, step := range []struct {
		function string
		args     []etf.Term
	}{{"purge", []etf.Term{module}}, {"load_binary", []etf.Term{module, file, object}}, {"purge", []etf.Term{module}}} {
		t, err := conn.Call(ctx, code, etf.A(step.function), step.args...)
		if err != nil {
			return err
		}
		if result, ok := t.(etf.Tuple); ok && len(result) == 2 && result[0] == etf.A("error") {
			return fmt.Errorf("the node refuses the module: %s", etf.Format(result[1]))
		}
	}
	return nil
}
