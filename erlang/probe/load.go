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

// version is ?VSN of beamlens_probe.erl; a test compares them.
const version = 1

var (
	module   = etf.A("beamlens_probe")
	code     = etf.A("code")
	attach   = etf.A("attach")
	detach   = etf.A("detach")
	snapshot = etf.A("snapshot")
)

// load sees that the node has our version of the module or a newer one, and attaches to it.
func load(ctx context.Context, conn erlang.Conn) (map[string]any, error) {
	// A second and third attempt, because another engine that is leaving may take the module away under our feet, and because the
	// resident process of another version may not know how to go on with ours.
	for attempt := 0; ; attempt++ {
		current, err := loaded(ctx, conn)
		if err != nil {
			return nil, fmt.Errorf("load the probe: %w", err)
		}
		if !current {
			if err := install(ctx, conn); err != nil {
				return nil, fmt.Errorf("load the probe: %w; --no-probe works without it", err)
			}
		}
		hello, err := conn.Call(ctx, module, attach, conn.Peer().NameAtom)
		if !current {
			// The resident process has gone over to the new code when it answered; what is still in the old is killed.
			if _, e := conn.Call(ctx, code, etf.A("purge"), module); e != nil {
				return nil, fmt.Errorf("load the probe: %w", e)
			}
		}
		if err == nil {
			return toMap(hello), nil
		}
		if attempt == 2 || ctx.Err() != nil || !retriable(err) {
			return nil, fmt.Errorf("start the probe: %w", err)
		}
	}
}

// retriable says whether the node gave an answer that another attempt may change.
func retriable(err error) bool {
	var remote *erlang.RemoteError
	return errors.As(err, &remote) || errors.Is(err, erlang.ErrKilled)
}

// loaded says whether the node has a module that we can work with.
func loaded(ctx context.Context, conn erlang.Conn) (bool, error) {
	have, err := conn.Call(ctx, module, etf.A("module_info"), etf.A("md5"))
	if undef(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	want, err := conn.Call(ctx, code, etf.A("module_md5"), object)
	if err != nil || equal(have, want) {
		return err == nil, err
	}
	theirs, err := conn.Call(ctx, module, etf.A("vsn"))
	if undef(err) {
		return false, nil
	}
	n, _ := theirs.(int64)
	return n > version, err
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

// install loads the object code, in the place of another version if there is one. That stays as old code until it is purged.
func install(ctx context.Context, conn erlang.Conn) error {
	file := etf.List{}
	for _, c := range "beamlens_probe.beam" {
		file = append(file, int64(c))
	}
	if _, err := conn.Call(ctx, code, etf.A("purge"), module); err != nil {
		return err
	}
	t, err := conn.Call(ctx, code, etf.A("load_binary"), module, file, object)
	if err != nil {
		return err
	}
	if result, ok := t.(etf.Tuple); ok && len(result) == 2 && result[0] == etf.A("error") {
		return fmt.Errorf("the node refuses the module: %s", etf.Format(result[1]))
	}
	return nil
}
