package netherite

import (
	"context"
	"time"

	"github.com/netherite-go/netherite/engine/netherite/partition"
)

// BeforeStep sets the hook that tests use to make a Step panic.
func (o *Options) BeforeStep(f func(partition int, ev partition.Event)) { o.beforeStep = f }

// KeeperTick sets how often checkpoints are considered.
func (o *Options) KeeperTick(d time.Duration) { o.keeperTick = d }

// Retire runs one round of retention.
func (e *Engine) Retire(ctx context.Context) { e.retire(ctx) }
