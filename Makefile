# The commands of this project. A target with a "##" comment is listed by "make help".

SHELL := bash
GO    := go
# FUZZTIME is spent on each fuzz target that FUZZ matches. BENCH selects benchmarks, BENCHTIME is
# spent on each, COUNT repeats them (benchstat wants 10), PKG is where they are.
FUZZTIME ?= 20s
# CHAOSTIME and SOAKTIME are how long processes are tormented, and kept busy; CHAOSSEED
# repeats a run; CHAOS passes more, such as "-disk limit -clients 100".
CHAOSTIME ?= 20s
SOAKTIME ?= 30m
CHAOSSEED ?= 0
FUZZ     ?= ^Fuzz
BENCH    ?= .
BENCHTIME ?= 0.5s
COUNT    ?= 1
PKG      ?= ./...
# SWEEP is full or double; SEED is the first seed of sweeps and scripts, SEEDS how
# many sweeps. SCRIPTS are played with the fixed and RANDOM_OPTIONS random sets of
# options. ROUNDS is how many histories of each kind are recorded.
SWEEP    ?= full
SEED     ?= 1
SEEDS    ?= 4
SCRIPTS  ?= 20
RANDOM_OPTIONS ?= 12
ROUNDS   ?= 50
# SIMSEEDS is how many seeds "make sim" runs.
SIMSEEDS ?= 100
PLATFORMS ?= linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64
# FAST is what "make check" tests: no real disks, no processes.
FAST := ./model/... ./engine/netherite/partition/... ./worker/... ./durable/... ./substrate/mem/... ./internal/arch/...

.DEFAULT_GOAL := help
# COUNTED is the packages with a table of allocations.
COUNTED = $(patsubst %/testdata/allocs.golden,%,$(shell find . -name allocs.golden))
.PHONY: help build test ci test-long check fmt vet lint race allocs types cross bench proto sim test-planted test-named fuzz sweep metamorphic linear chaos soak demo tools

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build the command to bin/netherite
	$(GO) build -ldflags "-X main.commit=$$(git describe --always --dirty --abbrev=12 --exclude '*' 2>/dev/null)" -o bin/netherite ./cmd/netherite

test: tools fmt vet lint race allocs sim ## run every check and test, with samples of seeds and crashes
	@echo "make test: all passed"

# What CI runs: also the other platforms, 2,000 seeds, the whole crash sweep of one
# seed, and the planted bugs. Of the platforms one is built, which differs from this one
# in system and in processor; of all of them the types of code and tests are checked.
ci: test types ## run what CI runs, about half an hour
	$(MAKE) cross PLATFORMS=windows/arm64
	$(MAKE) sim SIMSEEDS=2000
	$(MAKE) sweep SEEDS=1
	$(MAKE) metamorphic SCRIPTS=6 RANDOM_OPTIONS=2
	$(MAKE) test-planted
	@echo "make ci: all passed"

# Some hours, before a release. docs/robustness.md has the figures of the last run.
test-long: ## run 100,000 seeds, double crashes, long fuzzing, chaos and a soak
	$(MAKE) sim SIMSEEDS=100000
	$(MAKE) sweep SWEEP=double
	$(MAKE) metamorphic SCRIPTS=500
	$(MAKE) linear ROUNDS=500
	$(MAKE) fuzz FUZZTIME=10m
	$(MAKE) chaos CHAOSTIME=1h
	$(MAKE) soak
	@echo "make test-long: all passed"

check: fmt vet lint ## run the fast checks and tests, about a minute
	$(GO) test $(FAST)

fmt: ## check that all files are gofmt-ed
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then \
		echo "not gofmt-ed (run: gofmt -w FILE):"; echo "$$unformatted"; exit 1; fi

vet: ## run go vet
	$(GO) vet ./...
	$(GO) vet -tags samples ./e2e/samples

lint: ## run staticcheck, at the version in go.mod
	$(GO) tool staticcheck ./...

# Under the race detector Pebble notes a stack for every reference to a file, which makes
# these, which open thousands of stores, twenty to fifty times slower. Of the root package
# and of the store it is the tests of damage and repair, and one of amounts, which are not
# built with it (!race). A simulation is one goroutine; that several at once share nothing,
# the tests of the command show.
RACELESS := ./internal/sweep ./internal/metamorphic ./sim
# Packages with tests that are not built with the detector: they are tested without it, too.
ALSO = $(sort $(shell grep -rl --include='*_test.go' '^//go:build .*!race' . | xargs -n 1 dirname))
# These have nothing of the product in them: they test programs that they start, which are
# built without the detector, or texts.
OUTSIDE := ./e2e/ops ./e2e/raw ./e2e/java ./e2e/javascript ./e2e/python ./e2e/samples ./e2e/sdktest ./e2e/table ./internal/arch ./internal/readme
# How many packages are tested at once: more than there are cores, as some of them wait
# for processes, ports and clocks.
TESTP ?= 4
race: tools ## run all tests, with the race detector where it can find something, in random order
	CGO_ENABLED=1 $(GO) test -p $(TESTP) -race -shuffle=on -timeout 20m $$($(GO) list ./... | grep -v $(patsubst ./%,-e /%$$,$(RACELESS) $(OUTSIDE)))
	$(GO) test -p $(TESTP) -shuffle=on -timeout 20m $(ALSO) $(RACELESS) $(OUTSIDE)

# The race detector allocates on its own, so "make race" does not count.
allocs: ## check the allocations of the benchmarks; ACCEPT=1 takes those that there are
	$(GO) test $(COUNTED) -count 1 -run '^TestAllocations$$' $(if $(ACCEPT),-accept)

types: ## check the types of all code and tests on each of PLATFORMS
	$(GO) run ./internal/platforms $(PLATFORMS)

cross: ## build for linux, darwin and windows on amd64 and arm64, without cgo
	@for p in $(PLATFORMS); do \
		echo "build $$p"; CGO_ENABLED=0 GOOS=$${p%/*} GOARCH=$${p#*/} $(GO) build ./... || exit 1; done

bench: ## run the Go benchmarks (BENCH=regexp COUNT=10 PKG=./durable); "netherite bench" runs the workloads
	@set -o pipefail; found=$$(mktemp); trap 'rm -f "$$found"' EXIT; \
		$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem -benchtime $(BENCHTIME) -count $(COUNT) $(PKG) | tee "$$found" && \
		{ grep -q '^Benchmark' "$$found" || { echo "make bench: no benchmark matches $(BENCH) in $(PKG)"; exit 1; }; }

# The plugins' versions are in the folders' buf.gen.yaml.
proto: ## generate the code of the protocols from their .proto files
	@for d in wire extra; do cd door/durabletask/$$d && $(GO) run github.com/bufbuild/buf/cmd/buf@v1.75.0 generate && cd - >/dev/null || exit 1; done

sim: build ## run SIMSEEDS seeds of the simulator
	bin/netherite sim --seeds $(SIMSEEDS)

# PLANTED names some of the bugs, all by default.
test-planted: ## build the simulator with the planted bugs: each must be found within 500 seeds
	@internal/planted/test.sh $(PLANTED)

test-named: ## run the Go test that is named for each planted bug (PLANTED), with the bug: it must fail
	@internal/planted/named.sh $(PLANTED)

# Only packages that have a target are built. What a target finds it leaves in
# testdata/fuzz of its package, where "go test" runs it from then on.
fuzz: ## run every fuzz target for FUZZTIME each (FUZZ=regexp)
	@count=0; for pkg in $$(grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n 1 dirname | sort -u); do \
		names=$$($(GO) test -list '$(FUZZ)' $$pkg) || { echo "$$names"; echo "make fuzz: the tests of $$pkg do not build"; exit 1; }; \
		for f in $$(grep '^Fuzz' <<<"$$names"); do \
			echo "$$pkg $$f"; count=$$((count+1)); \
			$(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 2s $$pkg || { \
				echo "make fuzz: $$f has found something; the input is in $$pkg/testdata/fuzz/$$f."; \
				echo "Run it again: go test -run '$$f/NAME' $$pkg. Commit it with the fix."; exit 1; }; \
		done; done; \
	if [ $$count = 0 ]; then echo "make fuzz: no target matches $(FUZZ)"; exit 1; fi; \
	echo "make fuzz: $$count targets, $(FUZZTIME) each, nothing found"

sweep: ## crash a whole hub after every operation on its files, or have that fail; its recovery, its repair (SWEEP=double SEED=1 SEEDS=4)
	NETHERITE_SWEEP=$(SWEEP) NETHERITE_SWEEP_SEED=$(SEED) NETHERITE_SWEEP_SEEDS=$(SEEDS) \
		$(GO) test ./internal/sweep -count 1 -timeout 2h -v -run '^TestCrash|^TestError|^TestRepairOfAny'

metamorphic: ## play scripts with many sets of options, which must not matter (SCRIPTS=20 RANDOM_OPTIONS=12 SEED=1)
	NETHERITE_METAMORPHIC_SCRIPTS=$(SCRIPTS) NETHERITE_METAMORPHIC_RANDOM=$(RANDOM_OPTIONS) NETHERITE_METAMORPHIC_SEED=$(SEED) \
		$(GO) test ./internal/metamorphic -count 1 -timeout 2h -v

linear: ## look for an order of all that concurrent clients saw, over crashes, lost messages, kills and failing or full disks (ROUNDS=50)
	NETHERITE_LINEAR_ROUNDS=$(ROUNDS) $(GO) test ./internal/linear -count 1 -timeout 2h

# The time limits leave room for building, settling and auditing.
chaos: ## kill, stop and starve processes under load for CHAOSTIME, audit what they hold (CHAOSSEED repeats)
	$(GO) test ./internal/process/chaos -run '^TestChaos$$' -count 1 -v -timeout 24h -args -chaos $(CHAOSTIME) -seed $(CHAOSSEED) $(CHAOS)

soak: ## keep a process busy for SOAKTIME, fail when it uses more and more of anything
	$(GO) test ./internal/process/chaos -run '^TestSoak$$' -count 1 -v -timeout 24h -args -soak $(SOAKTIME) $(CHAOS)

demo: ## run the workloads of the evaluation, then a crash in the middle of 10,000 transfers
	$(GO) run ./cmd/netherite demo

# tools makes sure of what the tests need beside Go. It installs what is missing
# where it may (root, apt-get); otherwise it says what to install. strace shows
# that acknowledgements wait for the disk, and Chromium that a report can be read
# on a phone; only the tests on Linux use them.
tools:
	@.ci/tools
