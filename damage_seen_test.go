//go:build !race

package netherite_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// seen is all that clients see of a hub, as text: its partitions, each instance and
// entity, each history. It opens a copy in memory. The error is of who opens or reads.
func seen(ctx context.Context, dir string) (string, error) {
	disk := vfs.NewMem()
	skip := vfs.CloneSkip(func(path string) bool {
		name := filepath.Base(path)
		return name == "ballast" || name == "spare" // they hold nothing, and are large
	})
	if _, err := vfs.Clone(vfs.Default, disk, dir, "/d", skip); err != nil {
		return "", err
	}
	hub, err := netherite.Open("/d", netherite.Files(disk), netherite.MustExist(), netherite.Ballast(-1),
		netherite.Logger(slog.New(slog.DiscardHandler)))
	if err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintln(&b, hub.Partitions(), "partitions")
	err = hub.Health()
	for _, entities := range []bool{false, true} {
		q := engine.Query{Entities: entities, GetOptions: engine.GetOptions{Payloads: true, Waits: true}}
		for inst, bad := range durable.Query(ctx, hub, q) {
			if bad != nil {
				err = errors.Join(err, bad)
				break
			}
			err = errors.Join(err, seeInstance(ctx, &b, hub, inst, !entities))
		}
	}
	return b.String(), errors.Join(err, hub.Close(ctx))
}

func seeInstance(ctx context.Context, b *strings.Builder, hub *netherite.Hub, inst *model.Instance, history bool) error {
	text, err := json.Marshal(inst)
	fmt.Fprintf(b, "%s\n", text)
	if err != nil || !history {
		return err
	}
	events, err := hub.Engine().History(ctx, inst.ID)
	for _, ev := range events {
		text, bad := json.Marshal(ev)
		err = errors.Join(err, bad)
		fmt.Fprintf(b, "\t%s\n", text)
	}
	return err
}
