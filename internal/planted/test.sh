#!/usr/bin/env bash
# Builds the command with each planted bug and has the simulator look for it:
# "caught NAME at seed N by CHECKER: ...", or "MISSED NAME" and exit 1. The file
# expected says which checker that has to be. Without a bug none of the seeds may fail, or what is caught would prove nothing.
set -uo pipefail
cd "$(dirname "$0")/../.."
seeds=${SEEDS:-500}
bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT
missed=0 caught=0 wrong=0

# shrinks finds the least of the seed that still fails: the command that it prints
# has to fail by the same checker, with fewer kinds of faults.
shrinks() {
	local flags
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

if ! go build -o "$bin/netherite" ./cmd/netherite; then exit 1; fi
if ! "$bin/netherite" sim --seed 1 --seeds "$seeds" --twice >"$bin/out" 2>&1; then
	grep -A2 ' failed$' "$bin/out"
	tail -2 "$bin/out"
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
	if ! go build -tags "planted_$tag" -o "$bin/netherite" ./cmd/netherite; then exit 1; fi
	"$bin/netherite" sim --seed 1 --seeds "$seeds" --stop --twice >"$bin/out" 2>&1
	if ! grep -q '^repro: ' "$bin/out"; then
		echo "MISSED $tag in $seeds seeds"
		missed=$((missed + 1))
		continue
	fi
	seed=$(sed -n 's/^seed=\([0-9]*\) .* failed$/\1/p' "$bin/out" | head -1)
	what=$(sed -n 's/^failure: //p' "$bin/out" | head -1 | cut -c1-160)
	if ! sed -n 's/^failure: //p' "$bin/out" | head -1 | grep -qE "^($expected)"; then
		echo "WRONG $tag at seed ${seed:-?}: expected $expected, caught by ${what:-nothing that is named}"
		wrong=$((wrong + 1))
		continue
	fi
	if [ "$tag" = lock_passed ] && ! shrinks; then
		wrong=$((wrong + 1))
		continue
	fi
	echo "caught $tag at seed ${seed:-?} by $what"
	caught=$((caught + 1))
done
echo "planted: caught=$caught missed=$missed wrong=$wrong"
[ "$missed" = 0 ] && [ "$wrong" = 0 ]
