package remote

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"google.golang.org/grpc"

	netherite "github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/worker"
)

// The options of this package are given to Dial beside those of Open. Of the
// latter, those about the hub's files, limits and figures are refused: they are
// for the server.

// setting is an option of this package.
type setting func(*settings)

type settings struct {
	hub      string
	tls      *tls.Config
	tokens   Tokens
	insecure bool
	patience time.Duration
	timeout  time.Duration
	standard bool
	dial     []grpc.DialOption

	worker worker.Options
	serves bool
	wrong  error
}

func option(f setting) netherite.Option { return netherite.ForElsewhere(f) }

// TaskHub chooses the task hub by its name. Default: the one that the server has
// for those who name none.
func TaskHub(name string) netherite.Option { return option(func(s *settings) { s.hub = name }) }

// Tokens returns the credentials of the next calls: what follows "Bearer " in the
// header Authorization. It is asked before each call, from any goroutine, and so
// should keep a token as long as it is good.
type Tokens func(ctx context.Context) (string, error)

// Key makes calls with an API key of the server.
func Key(key string) netherite.Option {
	return TokenSource(func(context.Context) (string, error) { return key, nil })
}

// TokenSource makes calls with tokens, as an identity provider issues them.
func TokenSource(t Tokens) netherite.Option {
	return option(func(s *settings) {
		if s.tokens = t; t == nil {
			s.wrong = fmt.Errorf("%w: TokenSource was given no function", engine.ErrInvalid)
		}
	})
}

// TLS connects by TLS. A nil configuration trusts what the system trusts; one
// with RootCAs trusts these; with Certificates the server is shown one of them.
func TLS(c *tls.Config) netherite.Option {
	return option(func(s *settings) {
		if s.tls = c.Clone(); s.tls == nil {
			s.tls = &tls.Config{}
		}
		if s.tls.MinVersion == 0 {
			s.tls.MinVersion = tls.VersionTLS13
		}
	})
}

// Insecure allows to send credentials over a connection without TLS to another
// machine, where everybody on the way can read them.
func Insecure() netherite.Option { return option(func(s *settings) { s.insecure = true }) }

// Patience is how long Dial tries to reach the server. Default 10 s.
func Patience(d time.Duration) netherite.Option {
	return option(func(s *settings) {
		if s.patience = d; d <= 0 {
			s.wrong = fmt.Errorf("%w: a patience of %v, want a positive time", engine.ErrInvalid, d)
		}
	})
}

// Timeout bounds calls whose context has no deadline, over all attempts, except
// for those that wait for an instance. Default 1 minute.
func Timeout(d time.Duration) netherite.Option {
	return option(func(s *settings) {
		if s.timeout = d; d <= 0 {
			s.wrong = fmt.Errorf("%w: a timeout of %v, want a positive time", engine.ErrInvalid, d)
		}
	})
}

// Standard makes the worker speak the plain protocol of the Durable Task SDKs,
// without what this project adds to it: attempts, idempotency keys and the
// cancellation of activities are not known to it then, and each step is a replay.
// It is for measurements of what any SDK could reach.
func Standard() netherite.Option { return option(func(s *settings) { s.standard = true }) }

// DialOptions are more options of the gRPC connection.
func DialOptions(opts ...grpc.DialOption) netherite.Option {
	return option(func(s *settings) { s.dial = append(s.dial, opts...) })
}

const (
	defaultPatience = 10 * time.Second
	defaultTimeout  = time.Minute
)

// settingsOf reads options.
func settingsOf(opts []netherite.Option) (*settings, error) {
	e, err := netherite.OptionsElsewhere(opts...)
	s := &settings{patience: defaultPatience, timeout: defaultTimeout, worker: e.Worker, serves: e.Serves}
	for _, o := range e.Own {
		set, ok := o.(setting)
		if !ok {
			return nil, fmt.Errorf("%w: %T is no option of this package", engine.ErrInvalid, o)
		}
		set(s)
	}
	if s.worker.Logger == nil {
		s.worker.Logger = slog.Default()
	}
	return s, errors.Join(err, s.wrong)
}
