#!/usr/bin/env bash
# Builds the command with each planted bug and has the simulator look for it:
# "caught NAME at seed N by CHECKER: ...", or "MISSED NAME" and exit 1. Without a
# bug none of the seeds may fail, or what is caught would prove nothing.
set -uo pipefail
cd "$(dirname "$0")/../.."
seeds=${SEEDS:-500}
bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT
missed=0 caught=0
if ! go build -o "$bin/netherite" ./cmd/netherite; then exit 1; fi
if ! "$bin/netherite" sim --seed 1 --seeds "$seeds" --twice >"$bin/out" 2>&1; then
	grep -A2 ' failed$' "$bin/out"
	tail -2 "$bin/out"
	echo "planted: the simulator finds something without a bug"
	exit 1
fi
for file in internal/planted/*_on.go; do
	tag=$(basename "$file" _on.go)
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
	echo "caught $tag at seed ${seed:-?} by ${what:-$(tail -1 "$bin/out")}"
	caught=$((caught + 1))
done
echo "planted: caught=$caught missed=$missed"
[ "$missed" = 0 ]
