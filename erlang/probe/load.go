package probe

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"strings"

	"github.com/beamlens/beamlens-go/erlang"
	"github.com/beamlens/beamlens-go/erlang/etf"
)

//go:generate ./build.sh

//go:embed beamlens_probe*.beam
var files embed.FS

// object is the object code of one module.
type object struct {
	module etf.Atom
	file   string
	code   []byte
}

func compiled(name string) object {
	code, err := files.ReadFile(name + ".beam")
	if err != nil {
		panic(err) // unreachable: it is embedded
	}
	return object{etf.A(name), name + ".beam", code}
}

// main is the module that is always loaded; the others are by part: "ets" is beamlens_probe_ets.
var (
	main  = compiled("beamlens_probe")
	parts = compiledParts()
)

func compiledParts() map[string]object {
	entries, err := files.ReadDir(".")
	if err != nil {
		panic(err) // unreachable: it is embedded
	}
	out := map[string]object{}
	for _, e := range entries {
		name := strings.TrimSuffix(e.Name(), ".beam")
		if part, ok := strings.CutPrefix(name, "beamlens_probe_"); ok {
			out[part] = compiled(name)
		}
	}
	return out
}

// version is ?VSN of beamlens_probe.erl; a test compares them.
const version = 3

var (
	vm       = etf.A("vm")
	module   = main.module
	code     = etf.A("code")
	attach   = etf.A("attach")
	detach   = etf.A("detach")
	snapshot = etf.A("snapshot")
)

// load sees that the node has our version of the module or a newer one, and attaches to it.
func load(ctx context.Context, conn erlang.Conn, installed bool) (map[string]any, error) {
	if installed {
		hello, err := conn.Call(ctx, module, attach, conn.Peer().NameAtom)
		if err != nil {
			return nil, fmt.Errorf("start the probe: %w", err)
		}
		return toMap(hello), nil
	}
	// A second and third attempt, because another engine that is leaving may take the module away under our feet, and because the
	// resident process of another version may not know how to go on with ours.
	for attempt := 0; ; attempt++ {
		current, err := loaded(ctx, conn, main)
		if err != nil {
			return nil, fmt.Errorf("load the probe: %w", err)
		}
		if !current {
			if err := install(ctx, conn, main); err != nil {
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

// ensure sees that the node has our version of a part or a newer one.
func ensure(ctx context.Context, conn erlang.Conn, o object) error {
	current, err := loaded(ctx, conn, o)
	if err == nil && !current {
		err = install(ctx, conn, o)
	}
	if err != nil {
		return fmt.Errorf("load %s: %w", o.module, err)
	}
	return nil
}

// loaded says whether the node has a module that we can work with.
func loaded(ctx context.Context, conn erlang.Conn, o object) (bool, error) {
	have, err := conn.Call(ctx, o.module, etf.A("module_info"), etf.A("md5"))
	if undef(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	want, err := conn.Call(ctx, code, etf.A("module_md5"), o.code)
	if err != nil || equal(have, want) {
		return err == nil, err
	}
	// The versions of all modules are that of the main one.
	theirs, err := conn.Call(ctx, module, etf.A("vsn"))
	if undef(err) {
		return false, nil
	}
	n, _ := theirs.(int64)
	if err != nil || n != version {
		return n > version, err
	}
	// The same version from a package that is installed there: its compiler made other code of it.
	return packaged(ctx, conn, o.module)
}

// packaged says whether a module was loaded from a file that is there: what engines load has only a name.
func packaged(ctx context.Context, conn erlang.Conn, module etf.Atom) (bool, error) {
	file, err := conn.Call(ctx, code, etf.A("which"), module)
	if _, ok := file.(etf.List); err != nil || !ok {
		return false, err
	}
	there, err := conn.Call(ctx, etf.A("filelib"), etf.A("is_regular"), file)
	return there == etf.Term(etf.A("true")), err
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
func install(ctx context.Context, conn erlang.Conn, o object) error {
	file := etf.List{}
	for _, c := range o.file {
		file = append(file, int64(c))
	}
	if _, err := conn.Call(ctx, code, etf.A("purge"), o.module); err != nil {
		return err
	}
	t, err := conn.Call(ctx, code, etf.A("load_binary"), o.module, file, o.code)
	if err != nil {
		return err
	}
	if result, ok := t.(etf.Tuple); ok && len(result) == 2 && result[0] == etf.A("error") {
		return fmt.Errorf("the node refuses the module: %s", etf.Format(result[1]))
	}
	return nil
}
