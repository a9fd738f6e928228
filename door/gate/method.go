package gate

import (
	"context"
	"slices"

	"google.golang.org/grpc"
)

// Registrar registers services whose calls pass the gate before their messages are
// read. What is registered elsewhere with the same server is not called at all.
func (g *Gate) Registrar(r grpc.ServiceRegistrar) grpc.ServiceRegistrar { return registrar{g, r} }

type registrar struct {
	g  *Gate
	to grpc.ServiceRegistrar
}

// RegisterService implements grpc.ServiceRegistrar.
func (r registrar) RegisterService(d *grpc.ServiceDesc, service any) {
	c := *d
	c.Methods = slices.Clone(d.Methods)
	for i := range c.Methods {
		c.Methods[i].Handler = r.g.method(c.Methods[i].Handler)
	}
	r.to.RegisterService(&c, service)
}

// method makes a call once its caller is known and has not too many: its message is
// read only then, by handle.
func (g *Gate) method(handle grpc.MethodHandler) grpc.MethodHandler {
	return func(service any, ctx context.Context, _ func(any) error, next grpc.UnaryServerInterceptor) (answer any, err error) {
		v, err := g.visitor(ctx)
		if err == nil {
			err = g.openCall(v)
		}
		if err != nil {
			return nil, err
		}
		taken := false
		defer func() { g.closeCall(v, taken) }()
		defer g.recovered(v, &err) // reading the message is in nothing else's
		v.passed = true
		answer, err = handle(service, ctx, func(m any) error {
			if err := g.receive(ctx, v, m); err != nil {
				return err
			}
			v.partial = v.need.partial(m)
			return nil
		}, next)
		taken = err == nil && !v.partial
		return answer, err
	}
}

// partial reports whether a message is not the whole of an answer to work that was given
// out: there is more of it to come, or it is about no work at all.
func (n Need) partial(m any) bool {
	part, ok := m.(interface{ GetIsPartial() bool })
	if ok && part.GetIsPartial() {
		return true
	}
	named, ok := m.(interface{ GetCompletionToken() string })
	return ok && n.Named && named.GetCompletionToken() == ""
}

// openCall counts a call. Answers that are owed are bounded by what was given out,
// and by nothing else.
func (g *Gate) openCall(v *visit) error {
	if v.need.Answers {
		if v.debt = g.debts.enter(debtor{v.caller, v.hub}); v.debt != nil {
			return nil
		}
	}
	err := g.rates(v)
	if err == nil {
		err = g.countCall(v)
	}
	if err != nil {
		g.refused(v, err)
	}
	return err
}

// closeCall takes back what the call has. Whether it was an answer that was taken
// changes what its caller owes.
func (g *Gate) closeCall(v *visit, taken bool) {
	v.giveBack()
	if v.debt != nil {
		g.debts.leave(v.debt, taken)
		return
	}
	g.calls.leave(v.caller)
}
