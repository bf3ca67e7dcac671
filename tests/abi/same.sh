#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# same.sh SOFTSGX DIRECTORY PROGRAM... - ordinary programs print under softsgx what they print without: PROGRAMs and, if
# it is not empty, the scripts in DIRECTORY. Closes with "N passed, N failed[, N skipped]".
set -u
softsgx=$1 directory=$2
shift 2
passed=0 failed=0 skipped=0
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
ulimit -c 0

# same NAME COMMAND...: standard output, standard error and status.
same() {
	local name=$1 native soft
	shift
	if ! command -v "$1" >/dev/null; then
		skipped=$((skipped + 1))
		echo "same.$name: skipped: no $1 here"
		return
	fi
	"$@" >"$scratch/native" 2>"$scratch/native.err"
	native=$?
	"$softsgx" run -- "$@" >"$scratch/soft" 2>"$scratch/soft.err"
	soft=$?
	if [ $native = $soft ] && diff "$scratch/native" "$scratch/soft" >"$scratch/diff" &&
	   diff "$scratch/native.err" "$scratch/soft.err" >>"$scratch/diff"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "same.$name: status $soft, natively $native; < natively, > with softsgx:"
		head -n 20 "$scratch/diff"
	fi
}

for program in "$@"; do
	same "$(basename "$program")" "$program"
done
if [ -n "$directory" ]; then
	same node node "$directory/wasm.js"
	same python python3 "$directory/python.py"
	same bash bash "$directory/pipeline.sh"
fi
echo "$passed passed, $failed failed$([ $skipped = 0 ] || echo ", $skipped skipped")"
[ $failed = 0 ]
