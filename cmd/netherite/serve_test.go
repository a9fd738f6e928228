package main

import (
	"strings"
	"testing"

	"github.com/netherite-go/netherite/door/gate"
	"github.com/netherite-go/netherite/server"
)

// TestTheConnectionThatAServerPrintsIsEnoughToConnect: what it asks of callers is in
// it, and nothing else.
func TestTheConnectionThatAServerPrintsIsEnoughToConnect(t *testing.T) {
	secure := server.Config{Hub: "orders", Cert: "server.pem", Key: "server.key"}
	keys, tokens, certificates := secure, secure, secure
	keys.KeysFile = "keys.yaml"
	tokens.KeysFile, tokens.Tokens = "keys.yaml", &gate.TokenOptions{Issuer: "https://login.example"}
	certificates.ClientCA, certificates.Certificates = "ca.pem", map[string]map[string]gate.Role{"shop": {"orders": gate.Worker}}
	for _, c := range []struct {
		config server.Config
		want   string
	}{
		{server.Config{Hub: "default"}, "Endpoint=http://127.0.0.1:8080;TaskHub=default;Authentication=None"},
		{secure, "Endpoint=https://127.0.0.1:8080;TaskHub=orders;Authentication=None; trust who has signed server.pem"},
		{keys, "https://127.0.0.1:8080 with the metadata taskhub=HUB and the metadata authorization=Bearer API-KEY; trust who has signed server.pem"},
		{tokens, "https://127.0.0.1:8080 with the metadata taskhub=HUB and the metadata authorization=Bearer API-KEY, or the metadata authorization=Bearer TOKEN of https://login.example; trust who has signed server.pem"},
		{certificates, "https://127.0.0.1:8080 with the metadata taskhub=HUB and a client certificate signed by ca.pem; trust who has signed server.pem"},
	} {
		var out strings.Builder
		at := server.Place{GRPC: []string{"127.0.0.1:4001", "127.0.0.1:8080"}}
		announce(&out, at, at, &c.config)
		if want := "\nconnection: " + c.want + "\n"; !strings.Contains(out.String(), want) {
			t.Errorf("it prints\n%swant%s", out.String(), want)
		}
	}
}

// TestWhatAServerPrintsCanBeDialedAndItsListsAreWhole: who listens at all addresses is
// dialed at one, and what is off is not in a list.
func TestWhatAServerPrintsCanBeDialedAndItsListsAreWhole(t *testing.T) {
	var out strings.Builder
	listens := server.Place{GRPC: []string{"[::]:4001", "127.0.0.1:8080"}}
	reached := server.Place{GRPC: []string{"localhost:4001", "127.0.0.1:8080"}}
	announce(&out, listens, reached, &server.Config{Hub: "default", Insecure: true})
	for _, want := range []string{
		"gRPC:       http://localhost:4001\n", "listens:    [::]:4001: at all addresses of this machine\n",
		"INSECURE:   whoever reaches [::]:4001, 127.0.0.1:8080 may do everything\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
}
