package loopback

import "testing"

func TestOnlyWhatCanBeNowhereElseIsOfThisMachineAlone(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "127.0.0.1": true, "127.9.9.9": true, "::1": true, "::ffff:127.0.0.1": true,
		"": false, "0.0.0.0": false, "::": false, "10.0.0.1": false, "localhost.example.com": false, "127.0.0.1.example.com": false,
		"127.1": false, "[::1]": false, "my-machine": false,
	} {
		if Host(host) != want {
			t.Errorf("Host(%q) is %t", host, !want)
		}
	}
	for address, want := range map[string]bool{
		"localhost:1": true, "127.0.0.1:1": true, "[::1]:1": true, "localhost": false, "127.0.0.1": false, "::1": false, ":1": false,
		"example.com:1": false, "dns:///localhost:1": false, "unix:///run/x": false,
	} {
		if Address(address) != want {
			t.Errorf("Address(%q) is %t", address, !want)
		}
	}
}
