package remote_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	crand "crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	netherite "github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/door/durabletask"
	"github.com/netherite-go/netherite/door/gate"
	"github.com/netherite-go/netherite/e2e/sdktest"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/remote"
	"github.com/netherite-go/netherite/server"
)

// refusedWith dials in vain, and checks the error: its kind, and what it says.
func refusedWith(t *testing.T, address string, want error, says string, opts ...netherite.Option) {
	t.Helper()
	hub, err := remote.Dial(address, append(opts, remote.Patience(time.Second))...)
	if err == nil {
		_ = hub.Close(context.Background())
		t.Fatal("it was let in")
	}
	if !errors.Is(err, want) || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), address) {
		t.Errorf("got error %q, want a %q that says %q", err, want, says)
	}
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func TestAServerThatIsNotThereIsSaid(t *testing.T) {
	l := listen(t)
	_ = l.Close()
	refusedWith(t, l.Addr().String(), remote.ErrNoServer, "connection refused")
	refusedWith(t, "no such address", engine.ErrInvalid, "no address of a server")
}

func TestWhatIsNoServerIsSaid(t *testing.T) {
	s := sdktest.Start(t)
	refusedWith(t, s.HTTP, remote.ErrNotAServer, "is it the gRPC address")
	other := grpc.NewServer()
	l := listen(t)
	go func() { _ = other.Serve(l) }()
	t.Cleanup(other.Stop)
	refusedWith(t, l.Addr().String(), remote.ErrNotAServer, "unknown service")
}

func TestOptionsOfTheServerAreRefused(t *testing.T) {
	refusedWith(t, "127.0.0.1:1", engine.ErrInvalid, "Partitions", netherite.Partitions(4))
	refusedWith(t, "127.0.0.1:1", engine.ErrInvalid, "Retention", netherite.Retention(time.Hour))
	refusedWith(t, "example.com:4001", engine.ErrInvalid, "for everybody on the way to read", remote.Key("nk_x_y"))
	if _, err := netherite.Open(t.TempDir(), remote.TaskHub("x")); !errors.Is(err, engine.ErrInvalid) {
		t.Errorf("an option of this package was taken by Open: %v", err)
	}
}

// withKeys serves a hub to those who have a key, with what it allows.
func withKeys(t *testing.T, roles map[string]gate.Role) (address, key string) {
	t.Helper()
	key, hash, err := gate.NewKey("tester")
	if err != nil {
		t.Fatal(err)
	}
	keys, err := gate.NewKeys([]gate.Key{{Name: "tester", Hashes: []string{hash}, Roles: roles}})
	if err != nil {
		t.Fatal(err)
	}
	admit := func(ctx context.Context, method string) error {
		md, _ := metadata.FromIncomingContext(ctx)
		token, _ := strings.CutPrefix(strings.Join(md.Get("authorization"), ","), "Bearer ")
		p, err := keys.Authenticate(&gate.Credentials{Ctx: ctx, Token: token})
		if err != nil {
			return status.Error(codes.Unauthenticated, err.Error())
		}
		if !p.May("default", gate.Needs[method].Role) {
			return status.Error(codes.PermissionDenied, "tester may not call "+method)
		}
		return nil
	}
	hub, err := netherite.Open("", netherite.InMemory())
	if err != nil {
		t.Fatal(err)
	}
	g := grpc.NewServer(
		grpc.UnaryInterceptor(func(ctx context.Context, q any, i *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
			if err := admit(ctx, i.FullMethod); err != nil {
				return nil, err
			}
			return next(ctx, q)
		}),
		grpc.StreamInterceptor(func(srv any, s grpc.ServerStream, i *grpc.StreamServerInfo, next grpc.StreamHandler) error {
			if err := admit(s.Context(), i.FullMethod); err != nil {
				return err
			}
			return next(srv, s)
		}),
	)
	service := durabletask.Register(g, hub)
	l := listen(t)
	go func() { _ = g.Serve(l) }()
	t.Cleanup(func() {
		service.Close()
		g.Stop()
		_ = hub.Close(context.Background())
	})
	return l.Addr().String(), key
}

func TestAKeyOpensWhatItIsFor(t *testing.T) {
	address, key := withKeys(t, map[string]gate.Role{"default": gate.Worker})
	refusedWith(t, address, remote.ErrUnauthenticated, "")
	refusedWith(t, address, remote.ErrUnauthenticated, "not known", remote.Key("nk_tester_wrong"))
	ran(t, dialed(t, address, remote.Key(key), netherite.Serve(code()...)), sequence, "k", "k!!!")
	asked := 0
	hub := dialed(t, address, remote.TokenSource(func(context.Context) (string, error) { asked++; return key, nil }))
	if _, err := hub.Engine().Query(timely(t), engine.Query{}); err != nil || asked < 2 {
		t.Errorf("%v, the source was asked %d times", err, asked)
	}
}

func TestAWorkerThatIsNotAllowedIsTold(t *testing.T) {
	address, key := withKeys(t, map[string]gate.Role{"default": gate.Client})
	refusedWith(t, address, remote.ErrForbidden, "GetWorkItems", remote.Key(key), netherite.Serve(code()...))
	if _, err := sequence.Start(timely(t), dialed(t, address, remote.Key(key)), ""); err != nil {
		t.Error(err)
	}
}

// certificate makes one, signed by another or by itself, in files.
func certificate(t *testing.T, name string, by *tls.Certificate) (files [2]string, cert tls.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), crand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	of := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name, "localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<33, 0), IsCA: by == nil, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	parent, signer := of, any(key)
	if by != nil {
		if parent, err = x509.ParseCertificate(by.Certificate[0]); err != nil {
			t.Fatal(err)
		}
		signer = by.PrivateKey
	}
	der, err := x509.CreateCertificate(crand.Reader, of, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for i, b := range []*pem.Block{{Type: "CERTIFICATE", Bytes: der}, {Type: "PRIVATE KEY", Bytes: private}} {
		files[i] = filepath.Join(dir, b.Type)
		if err := os.WriteFile(files[i], pem.EncodeToMemory(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return files, tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func TestCertificatesProveBothSides(t *testing.T) {
	ca, signer := certificate(t, "ca", nil)
	own, _ := certificate(t, "server", &signer)
	_, client := certificate(t, "tester", &signer)
	s, err := server.Start(server.Config{
		GRPC: []string{"127.0.0.1:0"}, HTTP: "127.0.0.1:0", Hub: "default", Cert: own[0], Key: own[1], ClientCA: ca[0],
		Certificates: map[string]map[string]gate.Role{"tester": {"default": gate.Worker}},
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Stop(context.Background()) })
	if err := s.Create(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	address := s.Place().GRPC[0]
	roots := x509.NewCertPool()
	pool, err := x509.ParseCertificate(signer.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	roots.AddCert(pool)
	refusedWith(t, address, remote.ErrTLS, "speaks TLS")
	refusedWith(t, address, remote.ErrTLS, "certificate", remote.TLS(nil))
	refusedWith(t, address, remote.ErrUnauthenticated, "", remote.TLS(&tls.Config{RootCAs: roots}))
	mutual := remote.TLS(&tls.Config{RootCAs: roots, Certificates: []tls.Certificate{client}})
	ran(t, dialed(t, address, mutual, netherite.Serve(code()...)), sequence, "m", "m!!!")
	refusedWith(t, address, remote.ErrForbidden, "elsewhere", mutual, remote.TaskHub("elsewhere"))
}

func TestATaskHubThatThereIsNotIsSaid(t *testing.T) {
	s, err := server.Start(server.Config{GRPC: []string{"127.0.0.1:0"}, HTTP: "127.0.0.1:0", Hub: "default", Version: "1.2.3"}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Stop(context.Background()) })
	if err := s.Create(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	refusedWith(t, s.Place().GRPC[0], remote.ErrNoHub, "elsewhere", remote.TaskHub("elsewhere"), netherite.Serve(code()...))
	hub := dialed(t, s.Place().GRPC[0], remote.TaskHub("default"))
	if v := hub.ServerVersion(); v != "1.2.3" {
		t.Errorf("the server's version is %q", v)
	}
	if _, err := hub.Engine().Get(timely(t), "nobody", engine.GetOptions{}); !errors.Is(err, engine.ErrNotFound) || errors.Is(err, remote.ErrNoHub) {
		t.Errorf("an instance that there is not: %v", err)
	}
}

func TestCallsAreGivenUpWithTheirContextAndSayWhatIsWrong(t *testing.T) {
	s := sdktest.Start(t)
	hub := dialed(t, s.GRPC, netherite.Logger(nil))
	s.Kill(t)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := sequence.Start(ctx, hub, "")
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), s.GRPC) {
		t.Errorf("got error %q", err)
	}
	if err := hub.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if _, err := sequence.Start(t.Context(), hub, ""); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func TestAnErrorOfTheServerIsToldOnce(t *testing.T) {
	hub := dialed(t, sdktest.Start(t).GRPC)
	_, err := hub.Engine().Get(timely(t), "nobody", engine.GetOptions{})
	if got, want := fmt.Sprint(err), `get "nobody": instance not found`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	err = hub.Engine().Suspend(timely(t), "nobody", "")
	if got, want := fmt.Sprint(err), `suspend "nobody": instance not found`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
