// Package bench holds the workloads of the Netherite evaluation and a few more,
// and measures them: Hello5, Bank, WordCount, CollisionSearch, Sequence,
// FanOutFanIn, Counter and Waiting. Activities are always work items of their
// own. Each workload checks its own result against a plain single-threaded
// computation, and afterwards the full history of sampled instances.
//
// A run has a warm-up and a window. The window ends with a checkpoint, whose
// CPU and bytes are in the figures: what a workload owes to the store is paid
// before it is counted. A closed loop keeps a number of clients busy; an open
// loop (Config.Rate) starts so many operations a second whether or not answers
// came, and counts latency from the intended moment.
package bench
