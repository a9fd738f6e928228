package server

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/door/gate"
	"github.com/netherite-go/netherite/door/httpapi"
	"github.com/netherite-go/netherite/internal/replaycheck"
)

// heap is what is in use after a collection, in bytes.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what finalizers let go of as well
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

func TestAWorkerThatDoesNotReadLosesItsWorkToOthers(t *testing.T) {
	s := start(t, func(c *Config) { c.Limits.Patience = 3 * time.Second })
	small := []grpc.DialOption{grpc.WithStaticStreamWindowSize(64 << 10), grpc.WithStaticConnWindowSize(64 << 10)}
	deaf := wire.NewTaskHubSidecarServiceClient(s.dial(t, nil, small...))
	c := wire.NewTaskHubSidecarServiceClient(s.dial(t, nil))
	const n = 20
	for i := range n {
		q := &wire.CreateInstanceRequest{InstanceId: fmt.Sprint("i", i), Name: "F", Input: wrapperspb.String(payload(500_000))}
		if _, err := c.StartInstance(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	stream, err := deaf.GetWorkItems(t.Context(), &wire.GetWorkItemsRequest{MaxConcurrentOrchestrationWorkItems: n})
	if err != nil {
		t.Fatal(err)
	}
	hub, err := s.Opened("default")
	if err != nil {
		t.Fatal(err)
	}
	for hub.Stats().Steps < n && t.Context().Err() == nil { // all of it is given to the deaf one
		runtime.Gosched()
	}
	work, err := c.GetWorkItems(t.Context(), &wire.GetWorkItemsRequest{MaxConcurrentOrchestrationWorkItems: n})
	if err != nil {
		t.Fatal(err)
	}
	got := make(chan event, 2*n)
	go listen(0, work, got) // it reads all the time, however slow this machine is
	for range n {           // all of it comes here, once the other one has lost it
		e := <-got
		if e.err != nil {
			t.Fatal(e.err)
		}
		if err := complete(t.Context(), c, e.item); err != nil {
			t.Fatal(err)
		}
	}
	for err == nil {
		_, err = stream.Recv()
	}
	if status.Code(err) != codes.Aborted {
		t.Errorf("the deaf worker is told %v", err)
	}
}

func TestAClientThatDoesNotReadItsAnswerHoldsUpNobodyAndIsCutOff(t *testing.T) {
	replaycheck.Not(t)
	deaf, deafEntry := key(t, "deaf", map[string]gate.Role{"*": gate.Admin})
	other, otherEntry := key(t, "other", map[string]gate.Role{"*": gate.Admin})
	s := start(t, func(c *Config) {
		c.Limits.Patience, c.Limits.Calls, c.Keys = 200*time.Millisecond, 1, []gate.Key{deafEntry, otherEntry}
	})
	if err := s.Create(t.Context(), "b"); err != nil {
		t.Fatal(err)
	}
	c := wire.NewTaskHubSidecarServiceClient(s.dial(t, nil))
	for i := range 8 {
		q := &wire.CreateInstanceRequest{InstanceId: fmt.Sprint("i", i), Name: "F", Input: wrapperspb.String(payload(payloadLimit))}
		if _, err := c.StartInstance(as(t.Context(), other, ""), q); err != nil {
			t.Fatal(err)
		}
	}
	before := heap()
	for range 2 {
		conn, err := net.Dial("tcp", s.Place().HTTP)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := fmt.Fprintf(conn, "GET %s/instances HTTP/1.1\r\nHost: localhost\r\nAuthorization: %s\r\nConnection: close\r\n\r\n", httpapi.Base, deaf); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Read(make([]byte, 1)); err != nil { // the answer has begun
			t.Fatal(err)
		}
		if a := s.ask(t, "GET", httpapi.Base+"/instances?taskHub=b", "", map[string]string{"Authorization": other}); a.code != 200 {
			t.Errorf("another caller meanwhile: %d", a.code)
		}
		code := http.StatusTooManyRequests
		for code == http.StatusTooManyRequests { // until its call has ended, which is the only one that it may have
			code = s.ask(t, "GET", httpapi.Base+"/instances?taskHub=b", "", map[string]string{"Authorization": deaf}).code
		}
		if n, _ := io.Copy(io.Discard, conn); code != 200 || n >= 8*payloadLimit {
			t.Errorf("%d; a client that did not read got all of its %d bytes", code, n)
		}
	}
	if grown := heap() - before; grown > 32<<20 {
		t.Errorf("%d MB are held after all were cut off", grown>>20)
	}
}
