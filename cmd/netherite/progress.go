package main

import (
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/netherite-go/netherite/bench"
	"github.com/netherite-go/netherite/internal/terminal"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"
)

// progress shows how far a workload is: a bar on a terminal, else a line at
// its end.
type progress struct {
	out   io.Writer
	name  string
	begin time.Time
	bars  *mpb.Progress
	bar   *mpb.Bar
	count bool
	last  atomic.Int64
}

func newProgress(out io.Writer, cfg bench.Config) *progress {
	p := &progress{out: out, name: cfg.Workload, begin: time.Now(), count: cfg.Count > 0 && cfg.Workload != "waiting"}
	f, ok := out.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return p
	}
	total := int64(cfg.Count)
	if !p.count {
		total = cfg.Duration.Milliseconds()
	}
	p.bars = mpb.New(mpb.WithOutput(out), mpb.WithWidth(48))
	p.bar = p.bars.AddBar(total,
		mpb.PrependDecorators(decor.Name(fmt.Sprintf("%-10s", cfg.Workload))),
		mpb.AppendDecorators(decor.Percentage()))
	return p
}

// set is called from any goroutine after each operation.
func (p *progress) set(done, _ int64) {
	if p.bar == nil {
		return
	}
	at := done
	if !p.count {
		at = time.Since(p.begin).Milliseconds()
		if at-p.last.Load() < 50 {
			return
		}
	}
	p.last.Store(at)
	p.bar.SetCurrent(at)
}

// done completes the bar. r is nil if the run broke off.
func (p *progress) done(r *bench.Result) {
	switch {
	case p.bar != nil:
		p.bar.SetTotal(-1, true)
		p.bars.Wait()
	case r != nil:
		terminal.Printf(p.out, "%-10s %d %s in %.1f s, check: %s\n", p.name, r.Completed, plural(r.Unit), time.Since(p.begin).Seconds(), r.Check)
	}
}
