package erlang_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/beamlens/beamlens-go/erlang"
	"github.com/beamlens/beamlens-go/erlang/erlangtest"
	"github.com/beamlens/beamlens-go/erlang/etf"
)

// authority issues certificates for a test.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, name string) *authority {
	a := &authority{t: t, dir: t.TempDir()}
	a.cert, a.key = a.sign(name, true)
	return a
}

func (a *authority) sign(name string, ca bool, hosts ...string) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: ca, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if ca {
		template.KeyUsage, template.ExtKeyUsage = x509.KeyUsageCertSign, nil
	}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, h)
		}
	}
	parent, signer := template, key
	if a.cert != nil {
		parent, signer = a.cert, a.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert, key
}

func (a *authority) file(name, kind string, der []byte) string {
	a.t.Helper()
	path := filepath.Join(a.dir, name)
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		a.t.Fatal(err)
	}
	return path
}

// flags are those of a node that takes only clients with a certificate of this authority.
func (a *authority) flags(hosts ...string) []string {
	a.t.Helper()
	cert, key := a.sign("node", false, hosts...)
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	conf := fmt.Sprintf(`[{server, [{cacertfile, %q}, {certfile, %q}, {keyfile, %q}, {verify, verify_peer}, {fail_if_no_peer_cert, true}]}].`,
		a.file("ca.pem", "CERTIFICATE", a.cert.Raw), a.file("node.pem", "CERTIFICATE", cert.Raw), a.file("node.key", "EC PRIVATE KEY", der))
	path := filepath.Join(a.dir, "ssl_dist.conf")
	if err := os.WriteFile(path, []byte(conf), 0o600); err != nil {
		a.t.Fatal(err)
	}
	return []string{"-name", "127.0.0.1", "-proto_dist", "inet_tls", "-ssl_dist_optfile", path}
}

// client has a certificate of this authority and trusts that of another.
func (a *authority) client(trusted *authority) *tls.Config {
	cert, key := a.sign("client", false)
	pool := x509.NewCertPool()
	pool.AddCert(trusted.cert)
	return &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: key}}}
}

func TestTLS(t *testing.T) {
	ours, other := newAuthority(t, "ours"), newAuthority(t, "other")
	n := erlangtest.StartNode(t, ours.flags("127.0.0.1", "localhost")...)
	c := dial(t, n, &erlang.Options{TLS: ours.client(ours)})
	if got := call(t, c, "erlang", "node").(etf.Atom).String(); got != n.Name || c.Peer().Transport != "tls" {
		t.Errorf("node() is %s over %s", got, c.Peer().Transport)
	}
	if got := call(t, c, "binary", "copy", []byte("0123456789abcdef"), int64(1<<20)).([]byte); len(got) != 16<<20 {
		t.Errorf("%d bytes came back", len(got))
	}
	for name, tc := range map[string]struct {
		config *tls.Config
		want   error
	}{
		"we do not trust it":   {ours.client(other), erlang.ErrTLS},
		"it does not trust us": {other.client(ours), nil}, // in TLS 1.3 that shows only after our side is done
		"no TLS":               {nil, erlang.ErrHandshake},
		"other name":           {func() *tls.Config { c := ours.client(ours); c.ServerName = "elsewhere"; return c }(), erlang.ErrTLS},
	} {
		_, err := try(t, n.Name, &erlang.Options{TLS: tc.config, DialTimeout: 10 * time.Second})
		if tc.want == nil {
			if !errors.Is(err, erlang.ErrTLS) && !errors.Is(err, erlang.ErrHandshake) || !strings.Contains(err.Error(), "tls") {
				t.Errorf("%s: %v", name, err)
			}
		} else if !errors.Is(err, tc.want) {
			t.Errorf("%s: got %v, want %v", name, err, tc.want)
		}
	}
	call(t, c, "erlang", "node")
}
