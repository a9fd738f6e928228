#!/usr/bin/env bash
# Builds the simulator with the planted bugs and has it look for each: prints
# "caught NAME at seed N by CHECKER: ...", or "MISSED NAME" and exits with 1. The file
# expected lists the bugs and says which checker has to catch each. Without a bug none
# of the seeds may fail, or come to something else when it is run again; or what is
# caught would prove nothing.
set -uo pipefail
cd "$(dirname "$0")/../.."
seeds=${SEEDS:-500}
bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT
missed=0 caught=0 wrong=0

# hunt sets seed and what to the first seed that fails with the bug given, and to how
# it does; more arguments are for the simulator.
hunt() {
	NETHERITE_PLANTED=$1 "$bin/hunt" -seeds "$seeds" "${@:2}" >"$bin/out" 2>&1 </dev/null
	status=$?
	if [ "$status" != 0 ]; then
		cat "$bin/out"
		echo "planted: the simulator has ended with status $status"
		exit 1
	fi
	seed=$(sed -n 1p "$bin/out") what=$(sed -n 2p "$bin/out")
}

# shrinks finds the least of the seed that still fails: the command that it prints
# has to fail by the same checker, with fewer kinds of faults.
shrinks() {
	local flags
	go build -tags planted -o "$bin/netherite" ./cmd/netherite || exit 1
	flags=$(NETHERITE_PLANTED=$bug "$bin/netherite" sim --seed "$seed" --shrink | sed -n 's/^shrunk: netherite sim \([^:]*\): .*/\1/p')
	if [[ "$flags" != *--without* ]]; then
		echo "WRONG $bug at seed $seed: --shrink has left nothing out: $flags"
		return 1
	fi
	# shellcheck disable=SC2086 # the flags are several words
	NETHERITE_PLANTED=$bug "$bin/netherite" sim $flags >"$bin/out" 2>&1
	if ! grep -qE "^failure: ($expected)" "$bin/out"; then
		echo "WRONG $bug at seed $seed: what --shrink has found does not fail: $flags"
		return 1
	fi
}

for bug in "$@"; do
	if ! grep -q "^$bug " internal/planted/expected; then
		echo "planted: no bug $bug: internal/planted/expected lists them"
		exit 1
	fi
done
go build -tags planted -o "$bin/hunt" ./internal/planted/hunt || exit 1
hunt "" -twice
if [ -n "$seed" ]; then
	cat "$bin/out"
	echo "planted: the simulator finds something without a bug"
	exit 1
fi
while read -r bug expected; do
	if [ $# -gt 0 ] && [[ " $* " != *" $bug "* ]]; then continue; fi
	# What a seed comes to is compared only where a bug makes that differ.
	twice=()
	if [[ "$expected" == *determinism:* ]]; then twice=(-twice); fi
	hunt "$bug" "${twice[@]}"
	if [ -z "$seed" ]; then
		echo "MISSED $bug in $seeds seeds"
		missed=$((missed + 1))
	elif ! grep -qE "^($expected)" <<<"$what"; then
		echo "WRONG $bug at seed $seed: expected $expected, caught by ${what:-nothing that is named}" | cut -c1-300
		wrong=$((wrong + 1))
	elif [ "$bug" = lock_passed ] && ! shrinks; then
		wrong=$((wrong + 1))
	else
		echo "caught $bug at seed $seed by ${what:0:160}"
		caught=$((caught + 1))
	fi
done < <(grep -v '^#' internal/planted/expected)
echo "planted: caught=$caught missed=$missed wrong=$wrong"
wanted=$#
if [ "$wanted" = 0 ]; then wanted=$(grep -vc '^#' internal/planted/expected); fi
[ "$caught" = "$wanted" ]
