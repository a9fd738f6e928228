package gate

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/sysclock"
)

// TokenOptions say which JSON Web Tokens (RFC 7519) are accepted.
type TokenOptions struct {
	Issuer     string   // "iss" of the tokens; required
	Audience   string   // one of their "aud"; required
	KeysURL    string   // where the issuer's public keys are (JWKS), https://; this or KeysFile is required
	KeysFile   string   // a file with them, read by NewTokens and Reload
	Algorithms []string // that sign them, none of which shares a secret; default RS256 and ES256
	// Claim is the claim with the roles: an object of roles by task hub, where "*"
	// stands for all. Default "netherite".
	Claim string
	Clock substrate.Clock // default the system's
}

// Tokens accepts JSON Web Tokens.
type Tokens struct {
	opts     TokenOptions
	keys     *issuerKeys
	verifier *oidc.IDTokenVerifier

	mu    sync.Mutex
	known map[[sha256.Size]byte]knownToken
}

// knownToken is a token that was found good.
type knownToken struct {
	p     *Principal
	until time.Time     // it expires
	check time.Duration // when it is looked at again
}

const (
	// maxKnown bounds how many tokens are remembered.
	maxKnown = 10_000
	// checkAgain is how long a token is believed before it is looked at again:
	// its key may have been withdrawn.
	checkAgain = time.Minute
	// maxSubject bounds the name in a token.
	maxSubject = 256
)

// asymmetric are the algorithms whose verifier cannot make tokens itself.
var asymmetric = map[string]bool{
	"RS256": true, "RS384": true, "RS512": true, "ES256": true, "ES384": true, "ES512": true, "PS256": true, "PS384": true, "PS512": true, "EdDSA": true,
}

// NewTokens checks the options, and reads the file of keys if they name one. Keys
// of an address are fetched when the first token comes, and again when one is
// signed by a key that is not known, or after some time.
func NewTokens(o TokenOptions) (*Tokens, error) {
	if len(o.Algorithms) == 0 {
		o.Algorithms = []string{"RS256", "ES256"}
	}
	if o.Claim == "" {
		o.Claim = "netherite"
	}
	if o.Clock == nil {
		o.Clock = sysclock.New()
	}
	if o.Issuer == "" || o.Audience == "" || (o.KeysURL == "") == (o.KeysFile == "") {
		return nil, errors.New("tokens need an issuer, an audience, and the issuer's keys: their address, or a file with them")
	}
	if o.KeysURL != "" {
		if err := checkKeysURL(o.KeysURL); err != nil {
			return nil, err
		}
	}
	for _, a := range o.Algorithms {
		if !asymmetric[a] {
			return nil, fmt.Errorf("algorithm %q is not accepted: it is unknown, or whoever can check its tokens can make them", a)
		}
	}
	config := &oidc.Config{ClientID: o.Audience, SupportedSigningAlgs: o.Algorithms, Now: o.Clock.Wall}
	keys := newIssuerKeys(o)
	t := &Tokens{opts: o, keys: keys, verifier: oidc.NewVerifier(o.Issuer, keys, config), known: map[[sha256.Size]byte]knownToken{}}
	_, err := t.Reload()
	return t, err
}

// Reloaded says what came of reading the keys of tokens again.
type Reloaded struct {
	Keys    int  // that there are now
	Changed bool // they are others than before
}

// Reload reads the file of keys again; there is nothing to do for those of an
// address. If it cannot be read, the keys of before stay. A token of a key that is
// no longer there is refused from now on.
func (t *Tokens) Reload() (Reloaded, error) {
	if t.keys.file == "" {
		return Reloaded{}, nil
	}
	r, err := t.keys.reload()
	if err != nil {
		return r, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	clear(t.known)
	return r, nil
}

// Authenticate implements Authenticator.
func (t *Tokens) Authenticate(c *Credentials) (*Principal, error) {
	if strings.Count(c.Token, ".") != 2 {
		return nil, errNotMine
	}
	digest := sha256.Sum256([]byte(c.Token))
	if p := t.recall(digest); p != nil {
		return p, nil
	}
	ctx := c.Ctx
	if c.Quick {
		ctx = context.WithValue(ctx, quickKey{}, true)
	}
	token, err := t.verify(ctx, c.Token)
	if err != nil {
		return nil, err
	}
	p, err := t.principal(token)
	if err != nil {
		return nil, err
	}
	t.remember(digest, knownToken{p, token.Expiry, t.opts.Clock.Mono() + checkAgain})
	return p, nil
}

// verify checks a token. The library does not wrap what its key set says.
func (t *Tokens) verify(ctx context.Context, text string) (*oidc.IDToken, error) {
	var why error
	ctx = context.WithValue(ctx, whyKey{}, &why)
	token, err := t.verifier.Verify(ctx, text)
	switch {
	case err == nil:
		return token, nil
	case why != nil:
		err = why
	}
	if r, ok := errors.AsType[*Refusal](err); ok {
		return nil, r
	}
	for _, later := range [...]error{errLater, errOneOf} {
		if errors.Is(err, later) {
			return nil, later
		}
	}
	return nil, fmt.Errorf("the token is not accepted: %w", err)
}

// principal reads who a token is about.
func (t *Tokens) principal(token *oidc.IDToken) (*Principal, error) {
	var claims map[string]any
	if err := token.Claims(&claims); err != nil {
		return nil, fmt.Errorf("the token's claims cannot be read: %w", err)
	}
	if n := len(token.Subject); n < 1 || n > maxSubject {
		return nil, fmt.Errorf("the token's subject has %d bytes, it must have 1 to %d", n, maxSubject)
	}
	p := &Principal{Name: "token:" + token.Subject, Roles: map[string]Role{}}
	granted, _ := claims[t.opts.Claim].(map[string]any)
	for hub, v := range granted { // order-free: fills a map
		name, _ := v.(string)
		r, err := ParseRole(name)
		if err != nil {
			return nil, fmt.Errorf("the token's claim %q: %w", t.opts.Claim, err)
		}
		p.Roles[hub] = r
	}
	return p, nil
}

func (t *Tokens) recall(digest [sha256.Size]byte) *Principal {
	t.mu.Lock()
	defer t.mu.Unlock()
	k, ok := t.known[digest]
	if !ok || t.opts.Clock.Mono() >= k.check || !t.opts.Clock.Wall().Before(k.until) {
		return nil
	}
	return k.p
}

func (t *Tokens) remember(digest [sha256.Size]byte, k knownToken) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.known) >= maxKnown {
		clear(t.known) // they are checked once more, which bounds what is remembered
	}
	t.known[digest] = k
}
