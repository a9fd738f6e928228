package gate

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"google.golang.org/grpc/codes"

	"github.com/netherite-go/netherite/internal/loopback"
	"github.com/netherite-go/netherite/substrate"
)

const (
	// keysTimeout bounds how long a caller waits while its issuer's keys are fetched.
	keysTimeout = 10 * time.Second
	// keysFresh is how long keys are used without asking for them again: so long
	// may one still be accepted that the issuer has withdrawn.
	keysFresh = 5 * time.Minute
	// keysStale is how long they are used if the issuer does not answer.
	keysStale = time.Hour
	// keysPause is how long nobody is asked again after an answer, good or bad: else
	// anybody could have the issuer asked as often as he likes, with keys made up.
	keysPause = 10 * time.Second
	// maxKeysBytes bounds what an issuer may answer.
	maxKeysBytes = 1 << 20
	minRSABits   = 2048
)

// issuerKeys are the public keys of an issuer (JWKS, RFC 7517): of an address,
// fetched when they are needed, or of a file.
type issuerKeys struct {
	url    string // or else file
	file   string // read at the start, and when reload is called
	algs   []jose.SignatureAlgorithm
	client *http.Client
	clock  substrate.Clock

	asking chan struct{} // held while the issuer is asked

	mu   sync.Mutex
	keys []jose.JSONWebKey
	got  time.Duration // when the keys were got
	had  bool          // they were got once
	next time.Duration // when the issuer may be asked again
	told time.Duration // when a caller was last told to ask
}

func newIssuerKeys(o TokenOptions) *issuerKeys {
	k := &issuerKeys{
		url: o.KeysURL, file: o.KeysFile, clock: o.Clock, asking: make(chan struct{}, 1),
		client: &http.Client{Timeout: keysTimeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}
	for _, a := range o.Algorithms {
		k.algs = append(k.algs, jose.SignatureAlgorithm(a))
	}
	return k
}

// checkKeysURL refuses addresses from which anybody on the way could send keys.
func checkKeysURL(address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "https" && !(u.Scheme == "http" && loopback.Host(u.Hostname())) {
		return fmt.Errorf("the address of the issuer's keys is %q, it must begin with https://", address)
	}
	return nil
}

type (
	quickKey struct{} // of contexts: the answer must come at once
	whyKey   struct{} // of contexts: where to say why not
)

// VerifySignature implements oidc.KeySet.
func (k *issuerKeys) VerifySignature(ctx context.Context, token string) ([]byte, error) {
	payload, err := k.verify(ctx, token)
	if why, ok := ctx.Value(whyKey{}).(*error); ok {
		*why = err
	}
	return payload, err
}

func (k *issuerKeys) verify(ctx context.Context, token string) ([]byte, error) {
	jws, err := jose.ParseSigned(token, k.algs)
	if err != nil {
		return nil, err
	}
	if len(jws.Signatures) != 1 {
		return nil, fmt.Errorf("it has %d signatures, want one", len(jws.Signatures))
	}
	header := jws.Signatures[0].Header
	candidates, err := k.find(ctx, header.KeyID, header.Algorithm)
	if err != nil {
		return nil, err
	}
	for i := range candidates {
		if payload, err := jws.Verify(&candidates[i]); err == nil {
			return payload, nil
		}
	}
	return nil, errors.New("its signature does not fit the issuer's key")
}

// find returns the keys that may have signed a token, asking the issuer if there
// is none or if they are old.
func (k *issuerKeys) find(ctx context.Context, id, algorithm string) ([]jose.JSONWebKey, error) {
	list, now := k.cached(id, algorithm)
	if len(list) > 0 && now {
		return list, nil
	}
	if k.file != "" {
		return nil, noKey(id, algorithm)
	}
	if ctx.Value(quickKey{}) != nil {
		if known := len(list) > 0 && k.stillUsable(); known && !k.claim() {
			return list, nil // somebody else asks
		} else if known && k.mayAsk() {
			return nil, errOneOf
		}
		if k.mayAsk() {
			return nil, errLater
		}
	}
	failed := k.refresh(ctx)
	list, usable := k.cached(id, algorithm)
	switch {
	case len(list) > 0 && (usable || k.stillUsable()):
		return list, nil
	case failed != nil:
		return nil, refuse(codes.Unavailable, "the keys of the tokens' issuer cannot be got: %v", failed)
	}
	return nil, noKey(id, algorithm)
}

func noKey(id, algorithm string) error {
	return fmt.Errorf("the issuer has no key %.100q for %s", id, algorithm)
}

// cached returns the keys that are known, and whether they are fresh.
func (k *issuerKeys) cached(id, algorithm string) (list []jose.JSONWebKey, fresh bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for i := range k.keys {
		key := &k.keys[i]
		if (id == "" || key.KeyID == id) && (key.Algorithm == "" || key.Algorithm == algorithm) {
			list = append(list, *key)
		}
	}
	return list, k.file != "" || k.had && k.clock.Mono()-k.got < keysFresh
}

func (k *issuerKeys) stillUsable() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.had && k.clock.Mono()-k.got < keysStale
}

// claim reports whether it is this caller who has to ask for keys that are old.
func (k *issuerKeys) claim() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.clock.Mono()
	if k.told != 0 && now-k.told < keysTimeout {
		return false
	}
	k.told = now
	return true
}

func (k *issuerKeys) mayAsk() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.clock.Mono() >= k.next
}

// refresh asks the issuer, once for all who wait, unless that was just done.
func (k *issuerKeys) refresh(ctx context.Context) error {
	select {
	case k.asking <- struct{}{}:
		defer func() { <-k.asking }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if !k.mayAsk() {
		k.mu.Lock()
		defer k.mu.Unlock()
		if !k.had {
			return errors.New("it was asked a moment ago, without success")
		}
		return nil
	}
	keys, err := k.fetch(ctx)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.next = k.clock.Mono() + keysPause
	if err == nil {
		k.keys, k.got, k.had = keys, k.clock.Mono(), true
	}
	return err
}

// reload reads the file again. If it cannot, the keys of before stay.
func (k *issuerKeys) reload() (r Reloaded, err error) {
	f, err := os.Open(k.file)
	if err != nil {
		return r, fmt.Errorf("read the keys of the tokens' issuer: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxKeysBytes+1))
	if err != nil {
		return r, fmt.Errorf("read the keys of the tokens' issuer: %w", err)
	}
	keys, err := readKeys(text)
	if err != nil {
		return r, fmt.Errorf("read the keys of the tokens' issuer in %s: %w", k.file, err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	r = Reloaded{Keys: len(keys), Changed: !reflect.DeepEqual(k.keys, keys)}
	k.keys = keys
	return r, nil
}

func (k *issuerKeys) fetch(ctx context.Context) ([]jose.JSONWebKey, error) {
	// Others may wait for the same answer: that one caller is gone does not end it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keysTimeout)
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, k.url, nil)
	if err != nil {
		return nil, err
	}
	answer, err := k.client.Do(q)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("GET %s: the answer is %s", k.url, answer.Status)
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxKeysBytes+1))
	if err != nil {
		return nil, err
	}
	return readKeys(text)
}

// readKeys takes the keys out of a set that can be used to check tokens: public
// ones, for signatures, of a size that is still safe. Others are left out.
func readKeys(text []byte) (keys []jose.JSONWebKey, err error) {
	if len(text) > maxKeysBytes {
		return nil, fmt.Errorf("the set of keys has more than %d bytes", maxKeysBytes)
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, fmt.Errorf("the set of keys cannot be read: %w", err)
	}
	for _, raw := range set.Keys {
		var key jose.JSONWebKey
		if json.Unmarshal(raw, &key) == nil && usable(&key) { // others are of kinds that have come later
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("the set has no public keys for signatures")
	}
	return slices.Clip(keys), nil
}

func usable(key *jose.JSONWebKey) bool {
	if key.Use != "" && key.Use != "sig" || !key.Valid() {
		return false
	}
	switch k := key.Key.(type) {
	case *rsa.PublicKey:
		return k.N.BitLen() >= minRSABits
	case *ecdsa.PublicKey, ed25519.PublicKey:
		return true
	}
	return false
}
