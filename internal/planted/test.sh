#!/usr/bin/env bash
# Builds the simulator with each planted bug and has it look for that: prints
# "caught NAME at seed N by CHECKER: ...", or "MISSED NAME" and exits with 1. The file
# expected says which checker that has to be. Without a bug none of the seeds may
# fail, or what is caught would prove nothing.
set -uo pipefail
cd "$(dirname "$0")/../.."
seeds=${SEEDS:-500}
bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT
missed=0 caught=0 wrong=0

# hunt builds the simulator with the tags given, and sets seed and what to the first
# seed that fails and to how it does.
hunt() {
	go build -tags "$1" -o "$bin/hunt" ./internal/planted/hunt || exit 1
	"$bin/hunt" -seeds "$seeds" >"$bin/out" 2>&1
	status=$?
	seed=$(sed -n 1p "$bin/out") what=$(sed -n 2p "$bin/out")
}

# shrinks finds the least of the seed that still fails: the command that it prints
# has to fail by the same checker, with fewer kinds of faults.
shrinks() {
	local flags
	go build -tags "planted_$tag" -o "$bin/netherite" ./cmd/netherite || exit 1
	flags=$("$bin/netherite" sim --seed "$seed" --shrink | sed -n 's/^shrunk: netherite sim \([^:]*\): .*/\1/p')
	if [[ "$flags" != *--without* ]]; then
		echo "WRONG $tag at seed $seed: --shrink has left nothing out: $flags"
		return 1
	fi
	# shellcheck disable=SC2086 # the flags are several words
	"$bin/netherite" sim $flags >"$bin/out" 2>&1
	if ! grep -qE "^failure: ($expected)" "$bin/out"; then
		echo "WRONG $tag at seed $seed: what --shrink has found does not fail: $flags"
		return 1
	fi
}

hunt ""
if [ -s "$bin/out" ] || [ "$status" != 0 ]; then
	cat "$bin/out"
	echo "planted: the simulator finds something without a bug"
	exit 1
fi
for file in internal/planted/*_on.go; do
	tag=$(basename "$file" _on.go)
	expected=$(sed -n "s/^$tag  *//p" internal/planted/expected)
	if [ -z "$expected" ]; then
		echo "planted: internal/planted/expected does not say what is to catch $tag"
		exit 1
	fi
	if [ $# -gt 0 ] && [[ " $* " != *" $tag "* ]]; then continue; fi
	hunt "planted_$tag"
	if [ ! -s "$bin/out" ]; then
		echo "MISSED $tag in $seeds seeds"
		missed=$((missed + 1))
	elif ! grep -qE "^($expected)" <<<"$what"; then
		echo "WRONG $tag at seed ${seed:-?}: expected $expected, caught by ${what:-nothing that is named}" | cut -c1-300
		wrong=$((wrong + 1))
	elif [ "$tag" = lock_passed ] && ! shrinks; then
		wrong=$((wrong + 1))
	else
		echo "caught $tag at seed $seed by ${what:0:160}"
		caught=$((caught + 1))
	fi
done
echo "planted: caught=$caught missed=$missed wrong=$wrong"
[ "$missed" = 0 ] && [ "$wrong" = 0 ]
