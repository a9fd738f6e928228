#!/usr/bin/env bash
# Runs, for each planted bug, the Go test that the file tests names for it, which has
# to fail: prints "noticed NAME by TEST", or "UNNOTICED NAME" and exits with 1. A test
# that runs into the time limit, or is not there, has noticed nothing. Arguments are
# names of bugs, all by default.
set -uo pipefail
cd "$(dirname "$0")/../.."
limit=${LIMIT:-60s}
bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT
unnoticed=0 noticed=0

while read -r bug package test; do
	if [ "$package" = - ] || { [ $# -gt 0 ] && [[ " $* " != *" $bug "* ]]; }; then continue; fi
	program=$bin/${package//\//_}.test
	if [ ! -e "$program" ]; then go test -c -tags planted -o "$program" "./$package" || exit 1; fi
	flags=()
	# What rapid finds is to leave no file behind.
	if [ "$package" = engine/netherite/partition ]; then flags=(-rapid.nofailfile -rapid.shrinktime=1s); fi
	(cd "$package" && NETHERITE_PLANTED=$bug "$program" -test.timeout "$limit" -test.run "^${test//\//\$/^}\$" "${flags[@]}") >"$bin/out" 2>&1 </dev/null
	status=$?
	if [ "$status" = 0 ] || grep -qE '^panic: test timed out|no tests to run' "$bin/out"; then
		echo "UNNOTICED $bug by $test of $package"
		unnoticed=$((unnoticed + 1))
	else
		echo "noticed $bug by $test of $package"
		noticed=$((noticed + 1))
	fi
done < <(grep -v '^#' internal/planted/tests)
echo "named: noticed=$noticed unnoticed=$unnoticed"
[ "$unnoticed" = 0 ] && [ "$noticed" -gt 0 ]
