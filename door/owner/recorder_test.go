package owner

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// recorder is a client whose answers are given, and which remembers what it was
// asked.
type recorder struct {
	call   string
	args   []any
	answer any
	also   any // second result, if the method has one
	err    error
	// block, if not nil, is called by Wait with its context.
	block func(context.Context) error
}

var _ engine.Client = (*recorder)(nil)

func (r *recorder) note(call string, args ...any) { r.call, r.args = call, args }

func answered[T any](v any) (t T) {
	t, _ = v.(T)
	return t
}

func (r *recorder) Start(_ context.Context, q engine.StartRequest) (engine.Started, error) {
	r.note("Start", q)
	return answered[engine.Started](r.answer), r.err
}

func (r *recorder) Raise(_ context.Context, q engine.RaiseRequest) error {
	r.note("Raise", q)
	return r.err
}

func (r *recorder) Suspend(_ context.Context, instance, reason string) error {
	r.note("Suspend", instance, reason)
	return r.err
}

func (r *recorder) Resume(_ context.Context, instance, reason string) error {
	r.note("Resume", instance, reason)
	return r.err
}

func (r *recorder) Terminate(_ context.Context, q engine.TerminateRequest) error {
	r.note("Terminate", q)
	return r.err
}

func (r *recorder) Rewind(_ context.Context, instance, reason string) error {
	r.note("Rewind", instance, reason)
	return r.err
}

func (r *recorder) Purge(_ context.Context, instance string, recursive bool) (int, error) {
	r.note("Purge", instance, recursive)
	return answered[int](r.answer), r.err
}

func (r *recorder) PurgeWhere(_ context.Context, q engine.Query) (int, string, error) {
	r.note("PurgeWhere", q)
	return answered[int](r.answer), answered[string](r.also), r.err
}

func (r *recorder) Get(_ context.Context, instance string, o engine.GetOptions) (*model.Instance, error) {
	r.note("Get", instance, o)
	return answered[*model.Instance](r.answer), r.err
}

func (r *recorder) Wait(ctx context.Context, instance string, u engine.Until, o engine.GetOptions) (*model.Instance, error) {
	r.note("Wait", instance, u, o)
	if r.block != nil {
		return nil, r.block(ctx)
	}
	return answered[*model.Instance](r.answer), r.err
}

func (r *recorder) History(_ context.Context, instance string) ([]model.Event, error) {
	r.note("History", instance)
	return answered[[]model.Event](r.answer), r.err
}

func (r *recorder) Query(_ context.Context, q engine.Query) (engine.Page, error) {
	r.note("Query", q)
	return answered[engine.Page](r.answer), r.err
}

func (r *recorder) Signal(_ context.Context, q engine.SignalRequest) error {
	r.note("Signal", q)
	return r.err
}

func (r *recorder) CleanEntities(_ context.Context, o engine.CleanOptions) (engine.Cleaned, error) {
	r.note("CleanEntities", o)
	return answered[engine.Cleaned](r.answer), r.err
}

// opened opens the door of a directory and returns a client of it.
func opened(t *testing.T, dir string, c engine.Client) (*Server, *Client) {
	t.Helper()
	l, err := Listen(dir)
	if err != nil {
		t.Fatal(err)
	}
	s := Serve(l, c, nil)
	t.Cleanup(func() { _ = s.Close() }) // many tests have closed it before
	client, err := Dial(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return s, client
}

// rawDial connects to the door of a directory without a client.
func rawDial(t *testing.T, dir string) net.Conn {
	t.Helper()
	c, err := net.Dial("unix", filepath.Join(dir, SocketName))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// fill sets a value, and all in it, to something random. What may be nil is
// nil, empty or filled.
func fill(rng *rand.Rand, v reflect.Value, depth int) {
	switch v.Kind() {
	case reflect.Pointer:
		if depth > 0 && rng.IntN(3) > 0 {
			v.Set(reflect.New(v.Type().Elem()))
			fill(rng, v.Elem(), depth-1)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			fill(rng, v.Field(i), depth)
		}
	case reflect.Slice:
		n := rng.IntN(4) - 1
		if n < 0 || depth == 0 {
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			fill(rng, v.Index(i), depth-1)
		}
	case reflect.Array:
		for i := range v.Len() {
			fill(rng, v.Index(i), depth)
		}
	case reflect.Map:
		n := rng.IntN(4) - 1
		if n < 0 || depth == 0 {
			return
		}
		v.Set(reflect.MakeMap(v.Type()))
		for i := range n {
			e := reflect.New(v.Type().Elem()).Elem()
			fill(rng, e, depth-1)
			v.SetMapIndex(reflect.ValueOf(fmt.Sprint("key ", i)), e)
		}
	case reflect.String:
		v.SetString([]string{"", "plain", "with \"quotes\" & <tags>\n", "ü 日本 \u2028"}[rng.IntN(4)])
	case reflect.Bool:
		v.SetBool(rng.IntN(2) == 0)
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(rng.Int64() >> rng.IntN(64) * int64(1-rng.IntN(2)*2) >> (64 - v.Type().Bits()))
	case reflect.Uint8:
		v.SetUint(rng.Uint64N(8)) // each is a status
	case reflect.Uint32, reflect.Uint64:
		v.SetUint(rng.Uint64() >> (64 - v.Type().Bits()))
	default:
		panic("fill: what is a " + v.Type().String())
	}
}

// random makes a random value.
func random[T any](rng *rand.Rand) (v T) {
	fill(rng, reflect.ValueOf(&v).Elem(), 4)
	return v
}
