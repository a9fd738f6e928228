package gate

import (
	"context"
	"log/slog"

	"google.golang.org/grpc/codes"
)

// refusalsLogged is how many refusals of one address are written down in a second:
// who is not let in must not be able to fill the disk either.
const refusalsLogged = 10

// refused writes down that somebody was not let in.
func (g *Gate) refused(v *visit, err error) {
	if !g.loud.take(v.address()) {
		return
	}
	r := refusalOf(err)
	g.opts.Audit.LogAttrs(context.Background(), slog.LevelWarn, "refused", append(v.attrs(), slog.String("outcome", r.Code.String()), slog.String("why", r.Text))...)
}

// done writes down what was managed, and what came of it. The instance is the one
// that is named; an outcome is a status code. Nothing else of a request or an
// answer is there: these have payloads.
func (g *Gate) done(v *visit, instance, outcome string) {
	if !g.audited(v) {
		return
	}
	attrs := v.attrs()
	if instance != "" {
		attrs = append(attrs, slog.String("instance", short(instance)))
	}
	g.opts.Audit.LogAttrs(context.Background(), slog.LevelInfo, "done", append(attrs, slog.String("outcome", outcome))...)
}

// Made writes down that a task hub was made on the way: the call of ctx needed it, or,
// if ctx has none, the server itself.
func (g *Gate) Made(ctx context.Context, hub string) {
	operation, attrs := "create task hub", []slog.Attr{slog.String("caller", "server")}
	if v, ok := ctx.Value(visitKey{}).(*visit); ok {
		operation, attrs = operation+" for "+v.operation, nil
		if v.principal != nil {
			attrs = append(attrs, slog.String("caller", v.principal.Name))
		}
		attrs = append(attrs, slog.String("from", v.address()))
	}
	attrs = append(attrs, slog.String("operation", short(operation)), slog.String("hub", short(hub)), slog.String("outcome", codes.OK.String()))
	g.opts.Audit.LogAttrs(context.Background(), slog.LevelInfo, "done", attrs...)
}

func (g *Gate) audited(v *visit) bool {
	return v.need.Audit || g.opts.AuditAll && v.need.Role == Client
}

func (v *visit) attrs() []slog.Attr {
	list := make([]slog.Attr, 0, 7)
	if v.principal != nil {
		list = append(list, slog.String("caller", v.principal.Name))
	}
	list = append(list, slog.String("from", v.address()))
	if v.operation != "" {
		list = append(list, slog.String("operation", short(v.operation)))
	}
	if v.hub != "" {
		list = append(list, slog.String("hub", short(v.hub)))
	}
	return list
}

// short bounds what a caller can make the log hold.
func short(text string) string {
	const most = 300
	if len(text) > most {
		return text[:most] + "..."
	}
	return text
}
