package nearest

import "testing"

func TestTheWordThatIsMostLikeAnotherIsFound(t *testing.T) {
	list := []string{"", "hub", "http", "status", "tls-cert", "tls-ca"}
	for typed, want := range map[string]string{
		"hubb": "hub", "statuz": "status", "tls-crt": "tls-cert", "tlscert": "tls-cert", "htp": "http",
		"hub": "hub", "nothing": "", "x": "", "": "", "é": "",
	} {
		if got := Of(typed, list); got != want {
			t.Errorf("%q: %q, want %q", typed, got, want)
		}
	}
}
