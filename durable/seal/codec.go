package seal

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/netherite-go/netherite/durable"
)

// What is wrong with a payload.
var (
	// ErrUnknownKey says that a payload was encrypted with a key that is not there.
	ErrUnknownKey = errors.New("the payload's key is not known")
	// ErrDamaged says that a payload does not open: it was changed or cut, or is of
	// another context, or of another key of the same ID.
	ErrDamaged = errors.New("the encrypted payload was changed or cut, or is of another context or key")
	// ErrPlain says that a payload is not encrypted.
	ErrPlain = errors.New("the payload is not encrypted")
	// ErrNewerFormat says that a newer program has encrypted a payload in a way that
	// this one does not know.
	ErrNewerFormat = errors.New("the payload is encrypted in a newer format than this program reads")
)

// Options are the settings of a codec.
type Options struct {
	// Keys are the keys that open payloads; the first one encrypts. To replace a
	// key, first let all programs know the new one, then make it the first one, and
	// drop the old one when no instance is left from before: retention deletes them.
	Keys []Key
	// Context is what payloads belong to, such as the task hub's name: one of another
	// context does not open, even with the same key.
	Context string
	// Codec makes of values the texts that are encrypted. Default durable.JSON.
	Codec durable.Codec
	// ReadPlain also reads payloads that are not encrypted: those from before, and
	// those of clients that have no key. Whoever can write to the hub can then have
	// one taken for genuine.
	ReadPlain bool
}

// Codec encrypts what another codec makes. It is safe for concurrent use.
type Codec struct {
	opts Options
	keys map[string]*key
	head *key
}

var _ durable.Codec = (*Codec)(nil)

// key is a Key, ready for use.
type key struct {
	id  string
	mac []byte // M
	enc []byte // E
	aad []byte // the key's ID and the context, each after its length
}

const (
	prefix = `"nsl1.`
	// vBytes is the length of V.
	vBytes   = 24
	tagBytes = 16
	// maxFormat is more than the name of a format has.
	maxFormat = 16
)

var encoding = base64.RawURLEncoding.Strict()

// New makes a codec.
func New(o Options) (*Codec, error) {
	if len(o.Keys) == 0 {
		return nil, errors.New("seal: there is no key")
	}
	if o.Codec == nil {
		o.Codec = durable.JSON
	}
	c := &Codec{opts: o, keys: map[string]*key{}}
	for _, k := range o.Keys {
		if err := k.check(); err != nil {
			return nil, fmt.Errorf("seal: %w", err)
		}
		if c.keys[k.ID] != nil {
			return nil, fmt.Errorf("seal: there are two keys with the ID %s", k.ID)
		}
		r, err := ready(k, o.Context)
		if err != nil {
			return nil, fmt.Errorf("seal: key %s: %w", k.ID, err)
		}
		c.keys[k.ID] = r
	}
	c.head = c.keys[o.Keys[0].ID]
	return c, nil
}

func ready(k Key, context string) (*key, error) {
	b, err := hkdf.Key(sha256.New, k.Secret, nil, "netherite payload encryption 1", 2*sha256.Size)
	if err != nil {
		return nil, err
	}
	r := &key{id: k.ID, mac: b[:sha256.Size], enc: b[sha256.Size:]}
	for _, s := range []string{k.ID, context} {
		r.aad = binary.BigEndian.AppendUint64(r.aad, uint64(len(s)))
		r.aad = append(r.aad, s...)
	}
	return r, nil
}

// Encode implements durable.Codec.
func (c *Codec) Encode(v any) ([]byte, error) {
	text, err := c.opts.Codec.Encode(v)
	if err != nil || text == nil {
		return nil, err
	}
	k := c.head
	value := k.value(text)
	aead, err := k.cipher(value)
	if err != nil {
		return nil, err
	}
	sealed := make([]byte, vBytes, vBytes+len(text)+tagBytes)
	copy(sealed, value)
	sealed = aead.Seal(sealed, make([]byte, aead.NonceSize()), text, k.aad)
	out := make([]byte, 0, len(prefix)+len(k.id)+2+encoding.EncodedLen(len(sealed)))
	out = append(append(append(out, prefix...), k.id...), '.')
	return append(encoding.AppendEncode(out, sealed), '"'), nil
}

// Decode implements durable.Codec.
func (c *Codec) Decode(payload []byte, v any) error {
	text, err := c.open(payload)
	if err != nil {
		return err
	}
	return c.opts.Codec.Decode(text, v)
}

// open decrypts a payload. Its errors do not repeat it.
func (c *Codec) open(payload []byte) ([]byte, error) {
	if !bytes.HasPrefix(payload, []byte(prefix)) {
		if format, ok := newer(payload); ok { // which ReadPlain must not take for text
			return nil, fmt.Errorf("%w: it is %s, this program reads %s: use a newer one", ErrNewerFormat, format, strings.Trim(prefix, `".`))
		}
		if c.opts.ReadPlain {
			return payload, nil
		}
		return nil, fmt.Errorf("%w: it comes from a program without the codec, or from before it was used (ReadPlain reads it)", ErrPlain)
	}
	id, rest, ok := strings.Cut(string(payload[len(prefix):]), ".")
	body, closed := strings.CutSuffix(rest, `"`)
	switch k := c.keys[id]; {
	case !ok || !closed:
		return nil, fmt.Errorf("%w: it has no end", ErrDamaged)
	case k == nil:
		return nil, fmt.Errorf("%w: it is %.*q, known are %s", ErrUnknownKey, maxKeyID, id, c.known())
	default:
		return k.open(body)
	}
}

// newer tells whether a payload says that it has another format of this package, and
// which.
func newer(payload []byte) (format string, ok bool) {
	head, _, ok := bytes.Cut(payload[:min(len(payload), maxFormat)], []byte("."))
	version, named := bytes.CutPrefix(head, []byte(`"nsl`))
	if _, err := strconv.ParseUint(string(version), 10, 32); !ok || !named || err != nil {
		return "", false
	}
	return "nsl" + string(version), true
}

func (c *Codec) known() string {
	list := make([]string, len(c.opts.Keys))
	for i, k := range c.opts.Keys {
		list[i] = k.ID
	}
	return strings.Join(list, ", ")
}

func (k *key) open(body string) ([]byte, error) {
	sealed, err := encoding.DecodeString(body)
	if err != nil || encoding.EncodedLen(len(sealed)) != len(body) || len(sealed) < vBytes+tagBytes { // line feeds are not for us
		return nil, fmt.Errorf("%w (key %s)", ErrDamaged, k.id)
	}
	value := sealed[:vBytes]
	aead, err := k.cipher(value)
	if err != nil {
		return nil, err
	}
	text, err := aead.Open(nil, make([]byte, aead.NonceSize()), sealed[vBytes:], k.aad)
	if err != nil || !hmac.Equal(value, k.value(text)) {
		return nil, fmt.Errorf("%w (key %s)", ErrDamaged, k.id)
	}
	return text, nil
}

// value is V of a text.
func (k *key) value(text []byte) []byte {
	h := hmac.New(sha256.New, k.mac)
	_, _ = h.Write(k.aad) // a hash never fails
	_, _ = h.Write(text)
	return h.Sum(nil)[:vBytes]
}

// cipher is AES-256-GCM under the key of one text.
func (k *key) cipher(value []byte) (cipher.AEAD, error) {
	h := hmac.New(sha256.New, k.enc)
	_, _ = h.Write(value) // a hash never fails
	block, err := aes.NewCipher(h.Sum(nil))
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}
