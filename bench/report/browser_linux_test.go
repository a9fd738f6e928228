package report

import (
	"context"
	_ "embed"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// browserPatience bounds what the browser does altogether.
const browserPatience = time.Minute

// findings are what audit.js returns.
type findings struct {
	Problems []string `json:"problems"`
	Plots    int      `json:"plots"`
	Least    float64  `json:"least"` // the smallest text of a plot, in pixels
}

//go:embed testdata/audit.js
var audit string

// browser is a headless Chromium that notes what goes wrong in it.
type browser struct {
	ctx context.Context

	mu       sync.Mutex
	requests []string // but for the page itself
	errors   []string
}

func startBrowser(t *testing.T) *browser {
	t.Helper()
	program := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil && program == "" {
			program = found
		}
	}
	if program == "" {
		t.Fatal("this test looks at the page in a browser, and there is none: install Chromium, for example with: apt-get install chromium")
	}
	ctx, cancel := context.WithTimeout(t.Context(), browserPatience)
	t.Cleanup(cancel)
	// Containers run as root, in which Chromium's sandbox does not start.
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program), chromedp.NoSandbox)
	ctx, stop := chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(stop)
	ctx, closeTab := chromedp.NewContext(ctx)
	t.Cleanup(closeTab)
	b := &browser{ctx: ctx}
	if err := chromedp.Listen(ctx, b.note); err != nil {
		t.Fatalf("start %s: %v", program, err)
	}
	if _, err := chromedp.Call(ctx, network.Enable, network.EnableParams{}); err != nil {
		t.Fatal(err)
	}
	return b
}

// note keeps requests and complaints: of scripts, of the content security
// policy, of what could not be loaded.
func (b *browser) note(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		b.requests = append(b.requests, e.Request.URL)
	case *runtime.EventExceptionThrown:
		b.errors = append(b.errors, e.ExceptionDetails.Text)
	case *log.EventEntryAdded:
		b.errors = append(b.errors, e.Entry.Text)
	}
}

// look opens a page at a size and runs the audit.
func (b *browser) look(t *testing.T, file string, width, height int64, scheme string) findings {
	t.Helper()
	colours := chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		return err
	})
	address := (&url.URL{Scheme: "file", Path: filepath.ToSlash(file)}).String()
	if err := chromedp.Do(b.ctx, chromedp.EmulateViewport(width, height), colours, chromedp.Navigate(address)); err != nil {
		t.Fatal(err)
	}
	found, err := chromedp.Run(b.ctx, chromedp.Evaluate[findings](audit))
	if err != nil {
		t.Fatal(err)
	}
	if dir := os.Getenv("SCREENSHOTS"); dir != "" {
		b.keep(t, filepath.Join(dir, scheme+"-"+filepath.Base(file)+".png"))
	}
	return found
}

// keep writes a screenshot, for people.
func (b *browser) keep(t *testing.T, name string) {
	t.Helper()
	png, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
	if err == nil {
		err = os.WriteFile(name, png, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// leastText is the size in pixels below which text is hard to read on a phone.
const leastText = 11

func TestPageIsReadableInABrowser(t *testing.T) {
	file := filepath.Join(t.TempDir(), "report.html")
	if err := os.WriteFile(file, []byte(page(t, all(t))), 0o600); err != nil {
		t.Fatal(err)
	}
	b := startBrowser(t)
	for _, view := range []struct {
		name          string
		width, height int64
		scheme        string
	}{
		{"phone", 390, 844, "light"},
		{"tablet", 820, 1180, "light"},
		{"desktop", 1280, 900, "dark"},
	} {
		t.Run(view.name, func(t *testing.T) {
			found := b.look(t, file, view.width, view.height, view.scheme)
			for _, problem := range found.Problems {
				t.Error(problem)
			}
			if found.Plots < 30 || found.Least < leastText {
				t.Errorf("%d plots, their smallest text has %.1f pixels", found.Plots, found.Least)
			}
		})
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, request := range b.requests {
		if !strings.HasSuffix(request, "/report.html") && !strings.HasPrefix(request, "data:") {
			t.Errorf("the page requests %s", request)
		}
	}
	if len(b.requests) == 0 {
		t.Error("no request was noted, not even that for the page")
	}
	for _, complaint := range b.errors {
		t.Errorf("the browser complains: %s", complaint)
	}
}

// The audit itself must find what it looks for.
func TestAuditFindsWhatIsWrongWithAPage(t *testing.T) {
	file := filepath.Join(t.TempDir(), "report.html")
	broken := `<!DOCTYPE html><html lang="en"><head><title>x</title></head><body><div style="width:2000px">wide</div>
<figure id="f"><div class="plot"><svg viewBox="0 0 700 100" style="width:300px"><title>t</title><desc>d</desc>
<text x="-90" y="50" style="font-size:20px">outside</text><text x="200" y="50" style="font-size:20px">over</text><text x="205" y="52" style="font-size:20px">lap</text>
<path d="M 0 0 L 10 10" style="stroke:none;fill:none"/></svg></div></figure>
<script>nothing.here()</script><img src="http://127.0.0.1:1/none.png" alt=""></body></html>`
	if err := os.WriteFile(file, []byte(broken), 0o600); err != nil {
		t.Fatal(err)
	}
	b := startBrowser(t)
	found := b.look(t, file, 390, 844, "light")
	said := strings.Join(found.Problems, "\n")
	for _, want := range []string{"wider than the screen", "f: nothing is drawn", "f: \"outside\" leaves the plot", "f: \"over\" and \"lap\" overlap"} {
		if !strings.Contains(said, want) {
			t.Errorf("it does not say %q:\n%s", want, said)
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if found.Plots != 1 || found.Least > leastText || len(b.errors) == 0 || len(b.requests) < 2 {
		t.Errorf("%+v, complaints %q, requests %q", found, b.errors, b.requests)
	}
}
