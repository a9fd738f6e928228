package main

import (
	"slices"
	"strings"
	"time"

	"github.com/netherite-go/netherite/bench"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// benchFlags are the flags of bench: a configuration of which some settings may
// be lists, and what to do with the results.
type benchFlags struct {
	bench.Config
	clients    []int
	partitions []int
	releases   []string

	json    bool
	report  string   // file of the page
	from    []string // files to make it of, instead of runs
	compare bool
	child   bool   // this process is the one to be killed
	phases  bool   // and says what it is doing
	remote  bool   // the hub is a server's
	part    string // this process is one of those of a remote run
	address string // of its server
}

func newBench() *cobra.Command {
	f := &benchFlags{}
	cmd := &cobra.Command{
		Use:   "bench " + strings.Join(bench.Names(), "|"),
		Short: "Measure a workload on a hub of its own",
		Long: "netherite bench WORKLOAD [flags]                    measures a workload,\n" +
			"netherite bench --compare A.json B.json [--json]    compares what --json printed,\n" +
			"netherite bench --report F.html --from A.json,...   draws what --json printed.\n\n" +
			"Measure a workload: warm up, run it for a while or a number of operations, check its\n" +
			"result, then kill the process that ran it and measure the recovery. Figures include a\n" +
			"final checkpoint. Exit code 0 only if nothing failed and the workload's check held.\n\n" +
			"Lists of --clients, --partitions and --release are run one after the other, each\n" +
			"combination on a hub of its own. --report draws the results as one HTML page.",
		Example: "  netherite bench hello5\n" +
			"  netherite bench hello5 --clients 1,8,32,128,1024 --report clients.html\n" +
			"  netherite bench hello5 --rate 5000 --duration 60s --json >> rows.json\n" +
			"  netherite bench --report all.html --from rows.json,other.json\n" +
			"  netherite bench --compare before.json after.json",
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, args) },
		ValidArgsFunction: func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
			switch {
			case f.compare:
				return filesMeant(cmd, args, typed)
			case len(args) > 0:
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return bench.Names(), cobra.ShellCompDirectiveNoFileComp
		},
	}
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return flagError(err) })
	fl := cmd.Flags()
	fl.IntSliceVar(&f.clients, "clients", []int{128}, "clients of the closed loop, 1 to 100,000 (default for collision: as many as processors)")
	fl.DurationVar(&f.Duration, "duration", 10*time.Second, "length of the window, such as 10s")
	fl.IntVar(&f.Count, "count", 0, "operations to make, 1 to 100,000,000, instead of a duration (waiting: orchestrations that wait, default 10,000)")
	fl.DurationVar(&f.Warmup, "warmup", 2*time.Second, "uncounted time before the window, up to 24h")
	fl.Float64Var(&f.Rate, "rate", 0, "start so many operations a second (open loop), 0.001 to 10,000,000, instead of keeping clients busy")
	fl.IntVar(&f.Preload, "preload", 0, "ended instances to put into the hub first, up to 100,000,000")
	fl.IntSliceVar(&f.partitions, "partitions", []int{8}, "partitions of the hub, 1 to 256")
	fl.IntVar(&f.Memory, "memory", bench.DefaultMemory, "memory limit of the hub, in MiB")
	fl.StringSliceVar(&f.releases, "release", []string{"node"}, "when effects leave a partition: node, partition or conservative")
	fl.StringVar(&f.Dir, "dir", "", "data directory, new or empty; a temporary one if not given")
	fl.BoolVar(&f.Reuse, "reuse", false, "the directory may hold a hub already; for one run only")
	fl.StringVar(&f.Profile, "profile", "", "record a profile of the window: cpu, mem or trace")
	fl.BoolVar(&f.json, "json", false, "print a line of JSON for each run")
	fl.StringVar(&f.ProfileFile, "profile-file", "", "file of the profile, for one run only (default netherite-WORKLOAD-TIME.pprof, or .trace)")
	fl.StringVar(&f.report, "report", "", "file of a page with plots to write, HTML, of up to 500 rows")
	fl.StringSliceVar(&f.from, "from", nil, "make the report of these files, which --json printed, instead of running anything")
	fl.BoolVar(&f.compare, "compare", false, "compare two files that --json printed")
	fl.BoolVar(&f.child, "child", false, "")
	fl.BoolVar(&f.phases, "phases", false, "")
	fl.BoolVar(&f.remote, "remote", false, "run a server and a worker as processes of their own, and speak gRPC with them")
	fl.StringVar(&f.part, "part", "", "")
	fl.StringVar(&f.address, "address", "", "")
	_ = fl.MarkHidden("part")
	_ = fl.MarkHidden("address")
	_ = fl.MarkHidden("child") // exists: it was added above
	_ = fl.MarkHidden("phases")
	return cmd
}

// run does what the command line asks for: compare, draw, or run.
func (f *benchFlags) run(cmd *cobra.Command, args []string) error {
	switch {
	case f.compare:
		if err := onlyFlags(cmd, "compare", "json"); err != nil {
			return err
		}
		return f.runCompare(cmd, args)
	case cmd.Flags().Changed("from"):
		if err := onlyFlags(cmd, "from", "report"); err != nil {
			return err
		}
		return f.reportFiles(cmd, args)
	case len(args) != 1:
		return usagef("bench takes one workload, not %d: %s; see: %s --help", len(args), strings.Join(bench.Names(), ", "), cmd.CommandPath())
	}
	f.Workload, f.Version = args[0], version()
	if err := f.lists(cmd); err != nil {
		return err
	}
	configs, err := f.configs(cmd)
	if err != nil {
		return err
	}
	if f.part != "" {
		return f.runPart(configs[0], cmd.OutOrStdout(), cmd.InOrStdin())
	}
	if f.child {
		return f.runChild(cmd.Context(), configs[0], cmd.OutOrStdout(), cmd.ErrOrStderr(), cmd.InOrStdin())
	}
	return f.measure(cmd, configs)
}

// onlyFlags refuses flags that mean nothing beside the first of those named.
func onlyFlags(cmd *cobra.Command, allowed ...string) (err error) {
	cmd.Flags().Visit(func(fl *pflag.Flag) {
		if err == nil && !slices.Contains(allowed, fl.Name) {
			err = usagef("--%s runs nothing: leave out --%s", allowed[0], fl.Name)
		}
	})
	return err
}

// meaningless refuses flags that would be ignored. The child gets all of them, and
// has them from a command line that has passed.
func (f *benchFlags) meaningless(cmd *cobra.Command) error {
	given := cmd.Flags().Changed
	if f.Workload == "wordcount" && !given("clients") {
		f.clients = []int{1}
	}
	switch waiting := f.Workload == "waiting"; {
	case f.child, f.part != "":
	case f.Rate == 0 && given("rate"):
		return usagef("--rate 0: 0.001 to 10,000,000 operations a second are possible; without --rate clients are kept busy")
	case f.Rate != 0 && len(f.clients) > 1:
		return usagef("--rate with %d numbers of --clients: an open loop starts what is due and has no clients, leave one of the flags out", len(f.clients))
	case f.Dir == "" && given("dir"), f.Profile == "" && given("profile"):
		return usagef("--dir and --profile cannot be empty: leave them out, or give a directory, and one of cpu, mem and trace")
	case f.Memory == 0:
		return usagef("--memory 0: give the limit in MiB; without --memory it is %d", bench.DefaultMemory)
	case given("duration") && given("count") && !waiting:
		return usagef("--duration and --count: a run ends after the one or the other, leave one of them out")
	case given("warmup") && waiting:
		return usagef("--warmup: starting the orchestrations that wait is the warm-up of waiting, leave --warmup out")
	case f.remote && !slices.Equal(f.releases, []string{"node"}):
		return usagef("--release with --remote: a server releases by node, leave --release out")
	case f.remote && f.Reuse:
		return usagef("--reuse with --remote: a server's run begins with a directory of its own, leave --reuse out")
	case f.Reuse && f.Dir == "":
		return usagef("--reuse without --dir: say which directory has the hub, --dir DIR")
	}
	return nil
}

// maxRuns bounds the combinations of one command line.
const maxRuns = 100

// configs lists what to run: the combinations of the lists.
func (f *benchFlags) configs(cmd *cobra.Command) (list []bench.Config, err error) {
	if f.Count == 0 && !f.child && cmd.Flags().Changed("count") {
		return nil, usagef("--count 0: 1 to 100,000,000 are possible; without --count it runs for --duration")
	}
	if err := f.meaningless(cmd); err != nil {
		return nil, err
	}
	if n := len(f.clients) * len(f.partitions) * len(f.releases); n == 0 || n > maxRuns {
		return nil, usagef("--clients, --partitions and --release make %d combinations: 1 to %d are possible", n, maxRuns)
	}
	for _, release := range f.releases {
		for _, partitions := range f.partitions {
			for _, clients := range f.clients {
				cfg := f.Config
				cfg.Release, cfg.Partitions, cfg.Clients = release, partitions, clients
				if f.remote {
					cfg.Connect, cfg.Home = connect, remoteHome
				}
				if err := cfg.Validate(); err != nil {
					return nil, usagef("%w", err)
				}
				list = append(list, cfg)
			}
		}
	}
	if len(list) > 1 && (f.Reuse || f.ProfileFile != "") {
		return nil, usagef("--reuse and --profile-file go with one run, these are %d", len(list))
	}
	return list, nil
}
