module github.com/beamlens/beamlens-go/internal/e2e

go 1.26

require github.com/okeuday/erlang_go/v2 v2.0.7

require (
	github.com/rogpeppe/go-internal v1.16.0 // indirect
	github.com/yuin/gopher-lua v1.1.2
)
