package gate

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"google.golang.org/grpc/codes"

	"github.com/netherite-go/netherite/internal/fuzztest"
)

// issuer is a real issuer of tokens: it has keys, and serves the public ones.
type issuer struct {
	url   string
	asked atomic.Int32
	mu    sync.Mutex
	keys  []jose.JSONWebKey
	down  bool
}

func newIssuer(t *testing.T) *issuer {
	i := &issuer{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		i.asked.Add(1)
		i.mu.Lock()
		defer i.mu.Unlock()
		if i.down {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: i.keys})
	}))
	t.Cleanup(s.Close)
	i.url = s.URL
	return i
}

func (i *issuer) set(down bool, keys ...jose.JSONWebKey) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys, i.down = keys, down
}

var rsaKeys = sync.OnceValue(func() (list [2]*rsa.PrivateKey) {
	for i := range list {
		list[i], _ = rsa.GenerateKey(rand.Reader, 2048)
	}
	return list
})

func public(id string, key *rsa.PrivateKey) jose.JSONWebKey {
	return jose.JSONWebKey{Key: &key.PublicKey, KeyID: id, Use: "sig"}
}

// sign makes a token by hand, so that bad ones can be made as well.
func sign(t *testing.T, header, claims map[string]any, signer func(text []byte) []byte) string {
	t.Helper()
	part := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(b)
	}
	text := part(header) + "." + part(claims)
	return text + "." + base64.RawURLEncoding.EncodeToString(signer([]byte(text)))
}

func rs256(key *rsa.PrivateKey) func([]byte) []byte {
	return func(text []byte) []byte {
		sum := sha256.Sum256(text)
		b, _ := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
		return b
	}
}

func hs256(secret []byte) func([]byte) []byte {
	return func(text []byte) []byte {
		h := hmac.New(sha256.New, secret)
		h.Write(text)
		return h.Sum(nil)
	}
}

func goodClaims() map[string]any {
	return map[string]any{
		"iss": "https://issuer.example", "aud": "netherite", "sub": "robot", "exp": begin.Add(24 * time.Hour).Unix(),
		"netherite": map[string]string{"orders": "worker", "*": "reader"},
	}
}

func with(key string, value any) map[string]any {
	c := goodClaims()
	if c[key] = value; value == nil {
		delete(c, key)
	}
	return c
}

func tokensOf(t *testing.T, i *issuer, clock *testClock) *Tokens {
	t.Helper()
	o, err := NewTokens(TokenOptions{Issuer: "https://issuer.example", Audience: "netherite", KeysURL: i.url, Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func ask(o *Tokens, token string) (*Principal, error) {
	return o.Authenticate(&Credentials{Ctx: context.Background(), Token: token})
}

func TestATokenSaysWhoAndWhatRoles(t *testing.T) {
	i, key := newIssuer(t), rsaKeys()[0]
	i.set(false, public("one", key))
	p, err := ask(tokensOf(t, i, newTestClock()), sign(t, map[string]any{"alg": "RS256", "kid": "one"}, goodClaims(), rs256(key)))
	if err != nil {
		t.Fatal(err)
	}
	if p.Name != "token:robot" || !p.May("orders", Worker) || p.May("orders", Admin) || !p.May("other", Reader) || p.May("other", Client) {
		t.Errorf("%+v", p)
	}
}

func TestTokensThatAreNotAsTheyMustBeAreRefused(t *testing.T) {
	i, key, other := newIssuer(t), rsaKeys()[0], rsaKeys()[1]
	i.set(false, public("one", key))
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	asPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	head := func(alg string) map[string]any { return map[string]any{"alg": alg, "kid": "one"} }
	good := sign(t, head("RS256"), goodClaims(), rs256(key))
	parts := strings.Split(good, ".")
	forged := sign(t, head("RS256"), with("netherite", map[string]string{"*": "admin"}), rs256(key))
	none := func([]byte) []byte { return nil }
	for name, token := range map[string]string{
		"algorithm none":                 sign(t, head("none"), goodClaims(), none),
		"algorithm None":                 sign(t, head("None"), goodClaims(), none),
		"no algorithm":                   sign(t, map[string]any{"kid": "one"}, goodClaims(), none),
		"HS256 with the public key, DER": sign(t, head("HS256"), goodClaims(), hs256(der)),
		"HS256 with the public key, PEM": sign(t, head("HS256"), goodClaims(), hs256(asPEM)),
		"HS256 with the modulus":         sign(t, head("HS256"), goodClaims(), hs256(key.N.Bytes())),
		"an algorithm not listed":        sign(t, head("RS512"), goodClaims(), rs256(key)),
		"ES256 with the RSA key":         sign(t, head("ES256"), goodClaims(), rs256(key)),
		"another key under its ID":       sign(t, head("RS256"), goodClaims(), rs256(other)),
		"a key in the header":            sign(t, map[string]any{"alg": "RS256", "jwk": map[string]string{"kty": "oct", "k": "AAAA"}}, goodClaims(), rs256(other)),
		"an unknown key":                 sign(t, map[string]any{"alg": "RS256", "kid": "two"}, goodClaims(), rs256(other)),
		"claims of another token":        parts[0] + "." + strings.Split(forged, ".")[1] + "." + parts[2],
		"no signature":                   parts[0] + "." + parts[1] + ".",
		"expired":                        sign(t, head("RS256"), with("exp", begin.Unix()-1), rs256(key)),
		"without an end":                 sign(t, head("RS256"), with("exp", nil), rs256(key)),
		"not yet":                        sign(t, head("RS256"), with("nbf", begin.Add(time.Hour).Unix()), rs256(key)),
		"another issuer":                 sign(t, head("RS256"), with("iss", "https://other.example"), rs256(key)),
		"no issuer":                      sign(t, head("RS256"), with("iss", nil), rs256(key)),
		"another audience":               sign(t, head("RS256"), with("aud", "other"), rs256(key)),
		"no audience":                    sign(t, head("RS256"), with("aud", nil), rs256(key)),
		"nobody":                         sign(t, head("RS256"), with("sub", nil), rs256(key)),
		"a long subject":                 sign(t, head("RS256"), with("sub", strings.Repeat("x", 257)), rs256(key)),
		"a role that there is not":       sign(t, head("RS256"), with("netherite", map[string]string{"*": "root"}), rs256(key)),
		"no token":                       "a.b.c",
	} {
		p, err := ask(tokensOf(t, i, newTestClock()), token)
		if err == nil || errors.Is(err, errNotMine) {
			t.Errorf("%s: %+v, %v", name, p, err)
			continue
		}
		if r := refusalOf(err); r.Code != codes.Unauthenticated || strings.Contains(r.Text, parts[1]) {
			t.Errorf("%s: %v: %s", name, r.Code, r.Text)
		}
	}
	if p, err := ask(tokensOf(t, i, newTestClock()), sign(t, head("RS256"), with("netherite", nil), rs256(key))); err != nil || p.May("orders", Reader) {
		t.Errorf("without roles: %+v, %v", p, err)
	}
}

func TestATokenIsGoodUntilItExpiresAndNotLonger(t *testing.T) {
	i, key, clock := newIssuer(t), rsaKeys()[0], newTestClock()
	i.set(false, public("one", key))
	o := tokensOf(t, i, clock)
	token := sign(t, map[string]any{"alg": "RS256", "kid": "one"}, with("exp", begin.Unix()+30), rs256(key))
	if _, err := ask(o, token); err != nil {
		t.Fatal(err)
	}
	clock.advance(29 * time.Second)
	if _, err := ask(o, token); err != nil {
		t.Errorf("a second before its end: %v", err)
	}
	clock.advance(2 * time.Second)
	if _, err := ask(o, token); err == nil || !strings.Contains(err.Error(), "expired") {
		t.Errorf("after its end: %v", err)
	}
}

func TestAKeyIsTakenOverAndTheOldOneDropped(t *testing.T) {
	i, keys, clock := newIssuer(t), rsaKeys(), newTestClock()
	i.set(false, public("one", keys[0]))
	o := tokensOf(t, i, clock)
	old := sign(t, map[string]any{"alg": "RS256", "kid": "one"}, goodClaims(), rs256(keys[0]))
	fresh := sign(t, map[string]any{"alg": "RS256", "kid": "two"}, goodClaims(), rs256(keys[1]))
	if _, err := ask(o, old); err != nil {
		t.Fatal(err)
	}
	i.set(false, public("one", keys[0]), public("two", keys[1]))
	clock.advance(keysPause)
	for _, token := range []string{fresh, old} {
		if _, err := ask(o, token); err != nil {
			t.Errorf("while there are two keys: %v", err)
		}
	}
	i.set(false, public("two", keys[1]))
	clock.advance(keysFresh)
	if _, err := ask(o, fresh); err != nil {
		t.Error(err)
	}
	if _, err := ask(o, old); err == nil {
		t.Error("a token of a withdrawn key is still good")
	}
}

func TestKeysMadeUpDoNotMakeTheServerAskTheIssuerEachTime(t *testing.T) {
	i, keys, clock := newIssuer(t), rsaKeys(), newTestClock()
	i.set(false, public("one", keys[0]))
	o := tokensOf(t, i, clock)
	for n := range 50 {
		if _, err := ask(o, sign(t, map[string]any{"alg": "RS256", "kid": string(rune('a' + n))}, goodClaims(), rs256(keys[1]))); err == nil {
			t.Fatal("it is accepted")
		}
	}
	if n := i.asked.Load(); n != 1 {
		t.Errorf("the issuer was asked %d times for 50 tokens", n)
	}
	clock.advance(keysPause)
	_, _ = ask(o, sign(t, map[string]any{"alg": "RS256", "kid": "z"}, goodClaims(), rs256(keys[1])))
	if n := i.asked.Load(); n != 2 {
		t.Errorf("the issuer was asked %d times", n)
	}
}

func TestAnIssuerThatIsAwayIsNotTheCallersFault(t *testing.T) {
	i, key, clock := newIssuer(t), rsaKeys()[0], newTestClock()
	i.set(true)
	o := tokensOf(t, i, clock)
	token := sign(t, map[string]any{"alg": "RS256", "kid": "one"}, goodClaims(), rs256(key))
	for range 2 {
		_, err := ask(o, token)
		if err == nil || refusalOf(err).Code != codes.Unavailable {
			t.Fatalf("%v", err)
		}
	}
	i.set(false, public("one", key))
	clock.advance(keysPause)
	if _, err := ask(o, token); err != nil {
		t.Fatalf("once it is back: %v", err)
	}
	i.set(true)
	clock.advance(keysFresh)
	if _, err := ask(o, token); err != nil {
		t.Errorf("for a while the keys are used that are known: %v", err)
	}
	clock.advance(keysStale)
	if _, err := ask(o, token); err == nil || refusalOf(err).Code != codes.Unavailable {
		t.Errorf("after that: %v", err)
	}
}

func TestWhoMustAnswerAtOnceDoesNotAskTheIssuer(t *testing.T) {
	i, key := newIssuer(t), rsaKeys()[0]
	i.set(false, public("one", key))
	o := tokensOf(t, i, newTestClock())
	token := sign(t, map[string]any{"alg": "RS256", "kid": "one"}, goodClaims(), rs256(key))
	quick := &Credentials{Ctx: context.Background(), Token: token, Quick: true}
	if _, err := o.Authenticate(quick); !errors.Is(err, errLater) || i.asked.Load() != 0 {
		t.Fatalf("%v, asked %d times", err, i.asked.Load())
	}
	if _, err := ask(o, token); err != nil {
		t.Fatal(err)
	}
	if _, err := o.Authenticate(quick); err != nil {
		t.Fatal(err)
	}
}

func TestOnlyPublicKeysThatAreLongEnoughAreTakenFromASet(t *testing.T) {
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key := rsaKeys()[0]
	set, err := json.Marshal(map[string]any{"keys": []any{
		jose.JSONWebKey{Key: []byte("a secret that is shared with all"), KeyID: "oct", Algorithm: "HS256"},
		jose.JSONWebKey{Key: &short.PublicKey, KeyID: "short"},
		jose.JSONWebKey{Key: &key.PublicKey, KeyID: "enc", Use: "enc"},
		map[string]string{"kty": "NEW", "kid": "later"},
		jose.JSONWebKey{Key: &curve.PublicKey, KeyID: "curve", Use: "sig"},
		jose.JSONWebKey{Key: &key.PublicKey, KeyID: "rsa"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := readKeys(set)
	if err != nil || len(keys) != 2 || keys[0].KeyID != "curve" || keys[1].KeyID != "rsa" {
		t.Errorf("%v, %v", keys, err)
	}
	for _, bad := range []string{"", "{}", `{"keys":[]}`, `{"keys":[1]}`, "[]"} {
		if _, err := readKeys([]byte(bad)); err == nil {
			t.Errorf("%q is a set of keys", bad)
		}
	}
}

func TestKeysMayComeFromAFile(t *testing.T) {
	key, file := rsaKeys()[0], filepath.Join(t.TempDir(), "keys.json")
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{public("one", key)}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, set, 0o600); err != nil {
		t.Fatal(err)
	}
	clock := newTestClock()
	o, err := NewTokens(TokenOptions{Issuer: "https://issuer.example", Audience: "netherite", KeysFile: file, Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	old := sign(t, map[string]any{"alg": "RS256", "kid": "one"}, with("exp", begin.Add(24*time.Hour).Unix()), rs256(key))
	if _, err := o.Authenticate(&Credentials{Ctx: context.Background(), Token: old, Quick: true}); err != nil {
		t.Errorf("at once: %v", err) // nobody else has to be asked
	}
	for name, text := range map[string][]byte{"no set": []byte("{"), "a set without keys": []byte(`{"keys":[]}`)} {
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := o.Reload(); err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := NewTokens(TokenOptions{Issuer: "i", Audience: "a", KeysFile: file}); err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("%s, at the start: %v", name, err)
		}
	}
	clock.advance(2 * keysStale)
	if _, err := ask(o, old); err != nil {
		t.Errorf("the keys of before a file that cannot be read, however old: %v", err)
	}
	fresh := sign(t, map[string]any{"alg": "RS256", "kid": "two"}, goodClaims(), rs256(rsaKeys()[1]))
	if _, err := ask(o, fresh); err == nil || refusalOf(err).Code != codes.Unauthenticated {
		t.Errorf("a key that is not there: %v", err)
	}
	if set, err = json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{public("two", rsaKeys()[1])}}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, set, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := o.Reload(); err != nil {
		t.Fatal(err)
	}
	if _, err := ask(o, fresh); err != nil {
		t.Errorf("the new key: %v", err)
	}
	if _, err := ask(o, old); err == nil { // although it was found good a moment ago
		t.Error("a token of a key that was withdrawn is still good")
	}
}

func TestOptionsOfTokensThatAreNotSafeAreRefused(t *testing.T) {
	good := TokenOptions{Issuer: "https://issuer.example", Audience: "netherite", KeysURL: "https://issuer.example/keys"}
	if _, err := NewTokens(good); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*TokenOptions){
		"need an issuer":          func(o *TokenOptions) { o.Issuer = "" },
		"an audience":             func(o *TokenOptions) { o.Audience = "" },
		"the issuer's keys":       func(o *TokenOptions) { o.KeysURL = "" },
		"or a file":               func(o *TokenOptions) { o.KeysFile = "x" },
		"begin with https://":     func(o *TokenOptions) { o.KeysURL = "http://issuer.example/keys" },
		"begin with https":        func(o *TokenOptions) { o.KeysURL = "issuer.example/keys" },
		`"HS256" is not accepted`: func(o *TokenOptions) { o.Algorithms = []string{"RS256", "HS256"} },
		`"none" is not accepted`:  func(o *TokenOptions) { o.Algorithms = []string{"none"} },
	} {
		o := good
		change(&o)
		if _, err := NewTokens(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func FuzzReadKeys(f *testing.F) {
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{public("one", rsaKeys()[0])}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(set)
	f.Add([]byte(`{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA"},{"kty":"OKP","crv":"Ed25519","x":"AA"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		fuzztest.Bounded(t, len(text), 64, func() {
			keys, err := readKeys(text)
			if (err == nil) != (len(keys) > 0) {
				t.Fatalf("%d keys, %v", len(keys), err)
			}
			for i := range keys {
				if !keys[i].IsPublic() {
					t.Fatal("a key that is not public is taken")
				}
			}
		})
	})
}
