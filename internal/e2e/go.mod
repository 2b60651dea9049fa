module github.com/beamlens/beamlens-go/internal/e2e

go 1.26.0

require github.com/okeuday/erlang_go/v2 v2.0.7

require (
	github.com/StackExchange/wmi v0.0.0-20190523213315-cbe66965904d // indirect
	github.com/arl/statsviz v0.8.2 // indirect
	github.com/go-ole/go-ole v1.2.4 // indirect
	github.com/google/gops v0.3.14 // indirect
	github.com/gorilla/websocket v1.5.3 // indirect
	github.com/hashicorp/go-syslog v1.0.0 // indirect
	github.com/keybase/go-ps v0.0.0-20190827175125-91aafc93ba19 // indirect
	github.com/prometheus/client_golang v1.25.0 // indirect
	github.com/rcrowley/go-metrics v0.0.0-20200313005456-10cdbea86bc0 // indirect
	github.com/shirou/gopsutil v3.20.11+incompatible // indirect
	github.com/xlab/treeprint v1.0.0 // indirect
	golang.org/x/sys v0.48.0 // indirect
	gopkg.in/natefinch/lumberjack.v2 v2.0.0 // indirect
	mosn.io/api v0.0.0-20210204052134-5b9a826795fd // indirect
	mosn.io/holmes v1.0.2 // indirect
	mosn.io/pkg v0.0.0-20211217101631-d914102d1baf // indirect
	rsc.io/goversion v1.2.0 // indirect
)

require (
	github.com/rogpeppe/go-internal v1.16.0 // indirect
	github.com/yuin/gopher-lua v1.1.2
)
